"""The service in a process of its own that dies at a point of the test's choice and starts again at once."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from tests.durability.failpoints import Failpoints

PROCESSES = multiprocessing.get_context("forkserver")
# pytest is what these processes are told to have for a main module.
PROCESSES.set_forkserver_preload(["pytest", "tests.durability.preloaded"])

PATIENCE_S = 60


class Killable:
    """A service on loopback; `environment` is all that it has of HAJA_* and AWS_*. Its log is in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._log = folder / "service.log"
        self._environment = dict(environment)
        self.address = ""

    def start(self) -> None:
        """Start it, and return when photos can come. Raises RuntimeError with its log where it ends instead."""
        self._pipe, others = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=_serve, args=(others, self._environment, self._log), daemon=True)
        self._process.start()
        others.close()
        self._point: str | None = None
        try:
            address = self._receive()
        except EOFError:
            self._process.join(PATIENCE_S)
            raise RuntimeError(self._log.read_text(encoding="utf-8")[-2000:]) from None
        assert isinstance(address, str)
        self.address = address

    def arm(self, point: int) -> list[str]:
        """Let it die at the `point`-th point from now, never at 0; the points that it has passed since the last time.

        Raises EOFError or OSError where it is dead, or about to be.
        """
        self._pipe.send(point)
        answer = self._receive()
        if isinstance(answer, str):
            self._point = answer
            raise EOFError  # noqa: TRY004 - as where its end of the pipe is closed already
        return answer

    def _receive(self) -> str | list[str]:
        assert self._pipe.poll(PATIENCE_S), "the service does not answer"
        received: str | list[str] = self._pipe.recv()
        return received

    def kill(self) -> None:
        """Kill it wherever it is."""
        self._process.kill()

    def died_at(self) -> str | None:
        """Wait until it is dead; the point at which it killed itself, or None."""
        self._process.join(PATIENCE_S)
        assert self._process.exitcode is not None, "the service lives on"
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                told = self._pipe.recv()
                self._point = told if isinstance(told, str) else self._point
        return self._point

    def command(self, *arguments: str, point: int = 0) -> tuple[int, str]:
        """Run the command `haja` on the same site, up to a point or to its end: exit code, and what it printed."""
        printed = self._log.with_name("command.log")
        process = PROCESSES.Process(target=_command, args=(arguments, self._environment, printed, point), daemon=True)
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode is not None, "the command does not end"
        return process.exitcode, printed.read_text(encoding="utf-8")


def _serve(pipe: Connection, environment: Mapping[str, str], log: Path) -> None:
    _begin(environment, log)
    # Imported here: in this process they are there already, in that of the test it takes seconds.
    from app import logs  # noqa: PLC0415
    from app.config import Settings  # noqa: PLC0415
    from app.serve import running  # noqa: PLC0415
    from tests.durability.preloaded import BACKBONE  # noqa: PLC0415

    logs.configure("warning")
    points = Failpoints(pipe.send)
    points.install()
    with running(Settings(), BACKBONE) as address:
        pipe.send(address)
        while True:
            try:
                pipe.send(points.arm(pipe.recv()))
            except EOFError:  # the test has ended
                return


def _command(arguments: tuple[str, ...], environment: Mapping[str, str], printed: Path, point: int) -> None:
    _begin(environment, printed)
    points = Failpoints(print)
    points.install()
    points.arm(point)
    from tests.durability.preloaded import MAIN  # noqa: PLC0415

    sys.argv = ["haja", *arguments]
    MAIN()


def _begin(environment: Mapping[str, str], log: Path) -> None:
    """Forget the environment of the process that this one was forked from, and write to a file."""
    for name in [name for name in os.environ if name.startswith(("HAJA_", "AWS_"))]:
        del os.environ[name]
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
