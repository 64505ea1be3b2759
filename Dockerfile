# syntax=docker/dockerfile:1
# Haja as a container. ACCELERATOR=gpu adds torch, which brings CUDA (about 5 GB) and runs any network of timm; without it
# the image answers on a CPU by the checkpoints that carry a graph, as the shipped ones do.
# Pin the base image by digest from the registry that you trust: none could be asked where this was written.
# hadolint global ignore=DL3013
FROM python:3.11-slim AS build
ARG ACCELERATOR=cpu
RUN python -m venv /opt/haja
ENV PATH=/opt/haja/bin:$PATH
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY app app
COPY models models
COPY migrations migrations
RUN if [ "$ACCELERATOR" = gpu ]; then extras=gpu,scale; else extras=scale; fi \
    && pip install --no-cache-dir ".[$extras]"

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
