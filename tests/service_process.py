"""The service as a process of its own, which tests may end and kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

HAJA = [sys.executable, "-c", "from app.commands.main import main; main()"]


def wait_until_answered(url: str, handle: "subprocess.Popen[Any]", log: Path) -> None:
    """Return when a GET of this address is answered 200 by a process that was started; its log says why it was not."""
    for _ in range(1200):
        assert handle.poll() is None, log.read_text(encoding="utf-8")
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("it did not become ready in two minutes")


@dataclass
class Process:
    """A `haja serve`."""

    address: str
    handle: "subprocess.Popen[str]"
    log: Path

    def wait_until_ready(self) -> None:
        """Return when photos can come."""
        wait_until_answered(f"{self.address}/readyz", self.handle, self.log)

    def end(self) -> list[dict[str, object]]:
        """Ask it to end, as a supervisor does; its log."""
        self.handle.send_signal(signal.SIGTERM)
        assert self.handle.wait(60) == 0
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.handle.kill()
        self.handle.wait(60)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def started(folder: Path, database_url: str) -> Iterator[Process]:
    """Start the service on a free port, without waiting for it; its log is in `folder`. It ends with the block."""
    port = free_port()
    log = folder / f"{port}.jsonl"
    patient = {"HAJA_DATABASE_TIMEOUT_S": "60"}  # a busy machine is no fault
    variables = os.environ | patient | {"HAJA_DATABASE_URL": database_url, "HAJA_PORT": str(port)}
    with log.open("wb") as stderr, subprocess.Popen(
        [*HAJA, "serve"], env=variables, stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as handle:  # fmt: skip
        try:
            yield Process(f"http://127.0.0.1:{port}", handle, log)
        finally:
            handle.kill()


@contextmanager
def serving(folder: Path, database_url: str) -> Iterator[Process]:
    """As `started`, and ready."""
    with started(folder, database_url) as process:
        process.wait_until_ready()
        yield process
