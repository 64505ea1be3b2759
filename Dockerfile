# syntax=docker/dockerfile:1
# Haja as a container. ACCELERATOR=gpu takes PyPI's torch, which brings CUDA and runs on a CPU as well (about 5 GB);
# ACCELERATOR=cpu takes the smaller build from the package index that TORCH_CPU_INDEX names.
# hadolint global ignore=DL3013
FROM python:3.11-slim AS build
ARG ACCELERATOR=gpu
ARG TORCH_CPU_INDEX=
RUN python -m venv /opt/haja
ENV PATH=/opt/haja/bin:$PATH
RUN if [ "$ACCELERATOR" = cpu ]; then \
        pip install --no-cache-dir --index-url "${TORCH_CPU_INDEX:?name the index of the CPU builds}" torch torchvision; \
    fi
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY app app
COPY models models
COPY migrations migrations
RUN pip install --no-cache-dir ".[heif,scale]"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home haja
COPY --from=build /opt/haja /opt/haja
ENV PATH=/opt/haja/bin:$PATH \
    HAJA_HOST=0.0.0.0 \
    HAJA_DATABASE_URL=sqlite:////data/haja.db
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=8)"]
# Exec form: the service gets SIGTERM itself and finishes what is in flight.
CMD ["haja", "serve"]
