"""One process that decodes, as the service sees it."""

import math
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import ValidationError

from app.errors import DecoderUnavailable
from app.photos import reading
from app.photos.decoding import answers, wire
from app.photos.quality import PhotoQuality
from models.windows import Region

START_S = 60
"""To start, on a machine that is busy."""

_FALL_S = 1
"""For one whose socket has closed to be gone, so that its exit code says why."""

_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}

_log = structlog.get_logger(__name__)

Expected = TypeVar("Expected", answers.Photo, answers.Picture)


class KilledError(Exception):
    """Somebody ended the process while it worked: an operator, or the kernel in need of memory."""


class DecodingProcess:
    """A started process, which decodes one photo at a time. To be used by one thread at a time."""

    def __init__(self, *, memory_bytes: int, timeout_s: float, max_pixels: int) -> None:
        """Start it and wait until it is ready.

        Raises:
            DecoderUnavailable: it does not start; the log says why.
        """
        self._timeout_s = timeout_s
        self._end, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    # Without `site`, which may run code of any package; it imports from where this process does.
                    [
                        sys.executable,
                        "-S",
                        "-P",
                        "-m",
                        "app.photos.decoding.worker",
                        str(memory_bytes),
                        str(max_pixels),
                    ],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    # Nothing of the service's environment, where passwords are.
                    env={
                        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
                        "OPENBLAS_NUM_THREADS": "1",
                    },
                    # Ctrl+C is the service's to hear. No session of its own: Linux would give it as much of the machine
                    # as all of the service, however it is reniced.
                    process_group=0,
                )
        except OSError as error:
            self._end.close()
            _log.error("a decoder cannot be started", reason=str(error))
            raise DecoderUnavailable from error
        try:
            answer, _ = self._receive(0, time.monotonic() + START_S)
        except (wire.BrokenOffError, TimeoutError, ValidationError) as error:
            _log.error("a decoder does not start", exit_code=self.stop())
            raise DecoderUnavailable from error
        self.is_sealed = isinstance(answer, answers.Ready) and answer.sealed

    @property
    def is_alive(self) -> bool:
        """Whether it can be used."""
        return self._process.poll() is None

    def read(self, data: bytes, width: int, height: int) -> reading.ReadPhoto:
        """As `photos.read`.

        Raises:
            PhotoError: as `photos.read`, and where the photo takes too long (`PhotoTooCostly`) or its decoder crashes.
            KilledError: see there.
        """
        answer, pixels = self._ask(answers.Photo, data, 3 * width * height, width=width, height=height)
        return reading.ReadPhoto(
            **vars(answer) | {"quality": PhotoQuality(**vars(answer.quality))},
            pixels=self._shaped(pixels, (height, width, 3)),
        )

    def fit(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """As `photos.fit`.

        Raises:
            PhotoError, KilledError: as `read`.
        """
        _, pixels = self._ask(answers.Picture, data, 3 * width * height, width=width, height=height, only_pixels=True)
        return self._shaped(pixels, (height, width, 3))

    def shrink(self, data: bytes, side: int, region: Region) -> NDArray[np.uint8]:
        """As `photos.shrink`.

        Raises:
            PhotoError, KilledError: as `read`.
        """
        answer, pixels = self._ask(answers.Picture, data, 3 * side * side, width=side, region=region)
        return self._shaped(pixels, answer.shape)

    def stop(self) -> int:
        """End it, whatever it does; its exit code."""
        self._end.close()
        self._process.kill()
        return self._process.wait()

    def _ask(self, expected: type[Expected], data: bytes, most: int, **wanted: object) -> tuple[Expected, bytearray]:
        until = time.monotonic() + self._timeout_s
        try:
            self._allow_processor_time()
            wire.send(self._end, wanted, data, until)
            answer, pixels = self._receive(most, until)
        except TimeoutError as error:
            raise self._stopped("took too long", self._too_slow()) from error
        except (wire.BrokenOffError, ValidationError) as error:
            raise self._fallen() from error
        if isinstance(answer, expected):
            return answer, pixels
        if isinstance(answer, answers.Refused) and answer.refused in reading.ERRORS:
            refusal = reading.ERRORS[answer.refused](answer.detail)
            # What is left after running out of memory is not relied on.
            raise (
                self._stopped("ran out of memory", refusal) if isinstance(refusal, reading.PhotoTooCostly) else refusal
            )
        raise self._stopped("failed", _crashed(), answer=answer.model_dump())

    def _receive(self, most: int, until: float) -> tuple[answers.Answer, bytearray]:
        text, body = wire.receive(self._end, most, until)
        return answers.read.validate_json(text), body

    def _shaped(self, pixels: bytearray, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        if len(pixels) != math.prod(shape) or shape[2] != 3:  # noqa: PLR2004 - RGB
            raise self._stopped("lied", _crashed())
        return np.frombuffer(pixels, np.uint8).reshape(shape)

    def _fallen(self) -> Exception:
        """What to raise of a process that broke off, or said what nobody would."""
        try:
            code: int | None = self._process.wait(_FALL_S)
        except subprocess.TimeoutExpired:
            code = None
        if code in _FROM_OUTSIDE:
            return self._stopped("was killed", KilledError())
        return self._stopped("fell", self._too_slow() if code == -signal.SIGXCPU else _crashed(), exit_code=code)

    def _stopped(self, event: str, error: Exception, **values: object) -> Exception:
        _log.warning(f"a decoder {event}", pid=self._process.pid, **values)
        self.stop()
        return error

    def _too_slow(self) -> reading.PhotoTooCostly:
        return reading.PhotoTooCostly(
            f"The photo takes longer than {self._timeout_s:g} s to decode: send it smaller, or as an ordinary JPEG."
        )

    def _allow_processor_time(self) -> None:
        # From here, because whoever has taken over the process must not be able to. It ends what spins even where this
        # thread is stuck.
        if sys.platform == "linux":
            try:
                stat = Path(f"/proc/{self._process.pid}/stat").read_text("ascii")
                used = sum(map(int, stat.rpartition(") ")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
                most = math.ceil(used + self._timeout_s) + 1
                resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
            except OSError as error:
                raise wire.BrokenOffError from error


def _crashed() -> reading.PhotoDamaged:
    return reading.PhotoDamaged("The photo is damaged so badly that its decoder failed: send the original file again.")
