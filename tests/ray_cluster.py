"""A Ray cluster of two nodes on this machine: `haja worker` and, beside it, a node by Ray's own means."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.config import Settings
from app.embedding.on_ray.cluster import environment
from tests.service_process import free_port

START_S = 300


class RayCluster:
    """Started and stopped by tests; a replica on each node, one CPU each."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        # Short: Ray puts sockets into it, whose paths may not be long.
        self.folder = Path(tempfile.mkdtemp(prefix="ray"))
        self.token = secrets.token_hex(20)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Bring it up, with an embedder on each node."""
        os.environ["RAY_AUTH_TOKEN"] = self.token
        environ = self._environ()
        log = self.folder / "worker.log"
        with log.open("wb") as output:
            self._run(
                "-c",
                "from app.commands.main import main; main()",
                "worker",
                "--cpus",
                "1",
                environ=environ,
                output=output,
            )
            host, port = self.address.split(":")

            def listens() -> bool:
                with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
                    return True
                return False

            self._await(listens, log)
            self._run("-m", "tests.ray_node", self.address, str(self.folder), environ=environ, output=output)
            self._await(lambda: "now runs" in log.read_text(encoding="utf-8"), log)

    def stop(self) -> int:
        """End `haja worker` as an operator would, and the second node at once; gives the exit code of the first."""
        worker, *others = self._processes
        self._processes.clear()
        for process in others:
            process.kill()
        worker.terminate()
        code = worker.wait(60)
        until(self._killed)
        for process in others:
            process.wait()
        return code

    def deploy(self) -> str:
        """What a machine that joins does for the embedder, and says of it."""
        command = [sys.executable, "-m", "app.embedding.on_ray.deploy", self.address]
        return subprocess.run(command, env=self._environ(), capture_output=True, text=True, check=True).stdout

    def replicas(self) -> list[int]:
        """The process ids of its embedders."""
        return list(self._pids(b"ray::ServeReplica"))

    def remove(self) -> None:
        """Stop it, and forget what it left behind."""
        if self._processes:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Embedders stand still meanwhile."""
        pids = self.replicas()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _environ(self) -> dict[str, str]:
        return {
            **environment("127.0.0.1"),
            "RAY_TMPDIR": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "HAJA_RAY_ADDRESS": self.address,
            "HAJA_RAY_MIN_REPLICAS": "2",
            "HAJA_RAY_MAX_REPLICAS": "2",
            "HAJA_RAY_STORE_BYTES": "100000000",
            "HAJA_EMBED_THREADS": "1",
            "HAJA_PRECISION": "f32",  # saves each embedder a comparison
        }

    def _run(self, *arguments: str, environ: dict[str, str], output: object) -> None:
        self._processes.append(
            subprocess.Popen([sys.executable, *arguments], env=environ, stdout=output, stderr=subprocess.STDOUT)  # type: ignore[call-overload]
        )

    def _killed(self) -> bool:
        """Kill what is left; whether nothing was. One that just starts is not seen the first time."""
        left = list(self._pids(b""))
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def _await(self, condition: Callable[[], bool], log: Path) -> None:
        until(lambda: condition() or any(process.poll() is not None for process in self._processes), START_S)
        assert condition(), log.read_text(encoding="utf-8")

    def _pids(self, name: bytes) -> Iterator[int]:
        """Processes of this cluster, told by its token in their environment; services have it, but not the folder."""
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (place / "cmdline").read_bytes().startswith(name):
                    environ = (place / "environ").read_bytes()
                    if b"RAY_TMPDIR=" + bytes(self.folder) in environ:
                        yield int(place.name)


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for it; fail where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def make() -> RayCluster:
    """A cluster that runs.

    Ray gives a node's agents fifteen seconds to start, and ends the node where a busy machine takes longer
    (ray-project/ray#65983): then once more, with what they import in memory by now.
    """
    try:
        return _make()
    except AssertionError:
        return _make()


def _make() -> RayCluster:
    cluster = RayCluster()
    try:
        cluster.start()
    except BaseException:
        cluster.remove()
        raise
    return cluster


def settings(cluster: RayCluster, **changes: object) -> Settings:
    """Settings of a service that uses it."""
    given: dict[str, object] = {"embedder": "ray", "ray_address": cluster.address, "ray_timeout_s": 30} | changes
    return Settings(**given)  # type: ignore[arg-type]
