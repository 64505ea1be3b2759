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

import httpx
import pytest

HAJA = [sys.executable, "-c", "from app.cli import main; main()"]


@dataclass
class Process:
    """A running `haja serve`."""

    address: str
    handle: "subprocess.Popen[str]"
    log: Path

    def end(self) -> list[dict[str, object]]:
        """Ask it to end, as a supervisor does; its log."""
        self.handle.send_signal(signal.SIGTERM)
        assert self.handle.wait(60) == 0
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.handle.kill()
        self.handle.wait(60)


@contextmanager
def serving(folder: Path, database_url: str, **variables: str) -> Iterator[Process]:
    """Run the service on a free port while the block lasts; its log is in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / f"log-{port}.jsonl"
    environment = os.environ | {"HAJA_DATABASE_URL": database_url, "HAJA_PORT": str(port)} | variables
    with log.open("wb") as stderr, subprocess.Popen(
        [*HAJA, "serve"], env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as handle:  # fmt: skip
        made = Process(f"http://127.0.0.1:{port}", handle, log)
        try:
            _wait_until_ready(made)
            yield made
        finally:
            handle.kill()


def _wait_until_ready(process: Process) -> None:
    for _ in range(1200):
        assert process.handle.poll() is None, process.log.read_text(encoding="utf-8")
        try:
            if httpx.get(f"{process.address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the service did not become ready in two minutes")
