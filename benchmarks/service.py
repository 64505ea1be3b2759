"""The service in a process of its own, started as a user starts it, with a fresh SQLite file."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.drawing import DRAWN_DEFECTS
from benchmarks import pictures

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 180
CLASSIFICATIONS = "/v1/catalogs/default/classifications"


@dataclass(frozen=True)
class Service:
    """A running server; `started_s` is the time from starting the process to the first 200 of its readiness check.

    Photos go to `path`, with the lines of `headers`. Memory and processor time are those of its process, of `helper`, a
    process beside it that does part of its work, and of all that descend from them.
    """

    host: str
    port: int
    pid: int
    started_s: float
    path: str = CLASSIFICATIONS
    helper: int | None = None
    headers: str = ""

    @property
    def address(self) -> str:
        """Its URL."""
        return f"http://{self.host}:{self.port}"

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Resident memory in MiB, pages that processes share counted for each; `VmHWM` is the most there ever was."""
        return sum(_kb(f"/proc/{pid}/status", field) for pid in self._members()) / 1024

    def own_memory_mb(self) -> float:
        """Resident memory in MiB, pages that processes share counted once."""
        return sum(_kb(f"/proc/{pid}/smaps_rollup", "Pss") for pid in self._members()) / 1024

    def cpu_s(self) -> float:
        """Processor seconds so far, of all threads."""
        fields = [_stat(pid) for pid in self._members()]
        # With those of children that have ended; of a process that ends in between there are no fields.
        return sum(sum(map(int, each[11:15])) for each in fields if each) / os.sysconf("SC_CLK_TCK")

    def _members(self) -> list[int]:
        return _family(self.pid) + ([] if self.helper is None else _family(self.helper))


@contextlib.contextmanager
def running(
    prepare: Callable[[str], None] | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Serve while the block lasts; `prepare` gets the database's URL first.

    HAJA_ variables of the caller count, except the database's; those of `environment` go before them.

    Raises:
        RuntimeError: the service did not become ready; its log is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="haja-benchmark-") as folder:
        url = f"sqlite:///{folder}/haja.db"
        if prepare is not None:
            prepare(url)
        serve = "from app.commands.main import main; main()"
        command = ["-c", serve, "serve", "--port"]
        with started(command, "/readyz", CLASSIFICATIONS, {"HAJA_DATABASE_URL": url, **(environment or {})}) as service:
            yield service


@contextlib.contextmanager
def started(command: Sequence[str], ready: str, path: str, environment: Mapping[str, str]) -> Iterator[Service]:
    """Run `python COMMAND PORT` while the block lasts, from the moment when a GET of `ready` is answered 200.

    Raises:
        RuntimeError: the server did not become ready; its log is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="haja-benchmark-") as folder:
        port = free_ports(1)[0]
        with (Path(folder) / "log").open("wb") as log:
            begin = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, *command, str(port)],
                cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait_ready(process, port, ready, begin, Path(folder) / "log")
            yield Service("127.0.0.1", port, process.pid, time.perf_counter() - begin, path)
        except httpx.HTTPStatusError as error:
            error.add_note(f"{error.response.text}\nThe service's log ends with:\n{_end(Path(folder) / 'log')}")
            raise
        finally:
            _end_family(process)


def drawn_supports(shots: int = 5) -> list[list[bytes]]:
    """Photos that no load sends, for each shot one of each drawn defect."""
    return [pictures.drawn(480, 640, seed=1000 + shot) for shot in range(shots)]


def register_drawn_classes(service: Service, catalog: str = "default", shots: int = 5) -> None:
    """Register the five drawn defects."""
    supports = drawn_supports(shots)
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


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _wait_ready(process: subprocess.Popen[bytes], port: int, path: str, begin: float, log: Path) -> None:
    while time.perf_counter() - begin < START_TIMEOUT_S:
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise RuntimeError(f"the server did not become ready:\n{_end(log)}")


def _end(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-4000:]


def _end_family(process: subprocess.Popen[bytes]) -> None:
    """End a server in good order, and what it leaves behind after that."""
    family = _family(process.pid)
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        if fields := _stat(int(folder.name)):
            children[int(fields[1])].append(int(folder.name))
    family = [pid]
    for member in family:  # grows while it is walked through
        family.extend(children[member])
    return family


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return []


def _kb(path: str, field: str) -> int:
    """A field of a file that the kernel keeps of a process; 0 where the process has ended."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)
