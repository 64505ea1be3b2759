"""A cluster on this machine, and a service whose network runs in it."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from app.embedding.on_ray.cluster import PER_CALL, environment
from benchmarks import service
from benchmarks.service import Service


@contextmanager
def workers(replicas: int, per_call: int = PER_CALL) -> Iterator[tuple[str, int]]:
    """`haja worker` with so many replicas, its token in the environment; gives its address and its process id."""
    address = f"127.0.0.1:{service.free_ports(1)[0]}"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(20)
    folder = tempfile.mkdtemp(prefix="ray")  # short: Ray puts sockets into it, whose paths may not be long
    environ = {
        "RAY_TMPDIR": folder, "HAJA_RAY_ADDRESS": address, "HAJA_BATCH_SIZE": str(per_call), "HAJA_EMBED_THREADS": "1",
        "HAJA_RAY_MIN_REPLICAS": str(replicas), "HAJA_RAY_MAX_REPLICAS": str(replicas),
    }  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, "-c", "from app.commands.main import main; main()", "worker", "--cpus", str(replicas)],
        env={**environment("127.0.0.1"), **environ},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stdout
        assert "now runs" in worker.stdout.readline()
        yield address, worker.pid
    finally:
        worker.terminate()
        worker.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def service_on_ray() -> Iterator[Service]:
    """A service whose network runs in a worker beside it with one replica, which its figures contain."""
    with (
        workers(1) as (address, worker),
        service.running(environment={"HAJA_EMBEDDER": "ray", "HAJA_RAY_ADDRESS": address}) as running,
    ):
        yield replace(running, helper=worker)
