"""The service in a process of its own, started as a user starts it, with a fresh SQLite file."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.drawing import DRAWN_DEFECTS
from benchmarks import pictures

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 180


@dataclass(frozen=True)
class Service:
    """A running service; `started_s` is the time from starting the process to the first 200 of /readyz."""

    host: str
    port: int
    pid: int
    started_s: float

    @property
    def address(self) -> str:
        """Its URL."""
        return f"http://{self.host}:{self.port}"

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Resident memory in MiB; `VmHWM` is the most there ever was."""
        return _status_kb(self.pid, field) / 1024

    def cpu_s(self) -> float:
        """Processor seconds so far, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(prepare: Callable[[str], None] | None = None) -> Iterator[Service]:
    """Serve while the block lasts; `prepare` gets the database's URL first.

    HAJA_ variables of the caller count, except the database's.

    Raises:
        RuntimeError: the service did not become ready; its log is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="haja-benchmark-") as folder:
        url = f"sqlite:///{folder}/haja.db"
        if prepare is not None:
            prepare(url)
        port = _free_port()
        with (Path(folder) / "log").open("wb") as log:
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", str(port)],
                cwd=ROOT, env={**os.environ, "HAJA_DATABASE_URL": url}, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait_ready(process, port, started, Path(folder) / "log")
            yield Service("127.0.0.1", port, process.pid, time.perf_counter() - started)
        except httpx.HTTPStatusError as error:
            error.add_note(f"{error.response.text}\nThe service's log ends with:\n{_end(Path(folder) / 'log')}")
            raise
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def register_drawn_classes(service: Service, catalog: str = "default", shots: int = 5) -> None:
    """Register the five drawn defects with photos that no load sends."""
    supports = [pictures.drawn(480, 640, seed=1000 + shot) for shot in range(shots)]
    with httpx.Client(base_url=service.address, timeout=120) as client:
        for place, defect in enumerate(DRAWN_DEFECTS):
            register(client, catalog, defect.name, [support[place] for support in supports])


def register(client: httpx.Client, catalog: str, name: str, supports: Sequence[bytes]) -> dict[str, Any]:
    """Register a defect class with these photos, all of which must be accepted; the service's answer."""
    answer: dict[str, Any] = (
        client.post(
            f"/v1/catalogs/{catalog}/defect-classes", data={"name": name, "title_ko": name, "title_en": name},
            files=_files(supports),
        ).raise_for_status().json()
    )  # fmt: skip
    assert answer["shots"] == len(supports), answer
    return answer


def add_photos(client: httpx.Client, class_id: str, photos: Sequence[bytes]) -> dict[str, Any]:
    """Add support photos to a class; the service's answer."""
    answer: dict[str, Any] = (
        client.post(f"/v1/defect-classes/{class_id}/support-photos", files=_files(photos)).raise_for_status().json()
    )
    return answer


def classify(client: httpx.Client, catalog: str, photo: bytes) -> dict[str, Any]:
    """Classify a photo; the service's answer."""
    answer: dict[str, Any] = (
        client.post(f"/v1/catalogs/{catalog}/classifications", files={"photo": ("query.jpg", photo, "image/jpeg")})
        .raise_for_status()
        .json()
    )
    return answer


def _files(photos: Sequence[bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("photos", (f"{number}.jpg", photo, "image/jpeg")) for number, photo in enumerate(photos)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], port: int, started: float, log: Path) -> None:
    while time.perf_counter() - started < START_TIMEOUT_S:
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise RuntimeError(f"the service did not become ready:\n{_end(log)}")


def _end(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-4000:]


def _status_kb(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/status has no {field}")
