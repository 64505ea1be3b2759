"""The processes that decode, and who has which."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import LifoQueue
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from app.photos import reading
from app.photos.decoding.process import DecodingProcess, KilledError
from models.manifest import Transform
from models.windows import ALL, Region

MEMORY_BYTES, MEMORY_BYTES_PER_PIXEL = 256_000_000, 20
"""What a process may take for one photo, beyond what it takes idle: for any, and for each pixel that one may have.

The most that a sound photo of 80 megapixels was seen to take is 1.60 GB, as a transparent WebP on its side.
"""

TRIES = 2
"""For a photo whose process somebody ended: the first time it is hardly to blame."""

Result = TypeVar("Result")

TIMEOUT_S = 10.0
"""What one photo may take before its decoder is ended."""

_log = structlog.get_logger(__name__)


class Decoders:
    """Decodes in processes, so that a decoder which crashes, hangs, or is taken over by a photo costs that photo.

    A process starts with the first photo that finds the others busy, and the first one by `start`. A thread waits for
    each, so that the event loop never does.
    """

    def __init__(self, *, processes: int, max_pixels: int, timeout_s: float = TIMEOUT_S) -> None:
        self.processes = processes
        self._timeout_s = timeout_s
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(processes, "decode")
        # Last in, first out: where photos come one by one, one process is in use, and warm.
        self._idle: LifoQueue[DecodingProcess | None] = LifoQueue()
        for _ in range(processes):
            self._idle.put(None)

    def start(self) -> None:
        """Start the first process, in the background."""
        self._threads.submit(self._with_process, lambda _: None)

    async def decode(self, data: bytes, transform: Transform) -> reading.DecodedPhoto:
        """As `photos.decode`.

        Raises:
            PhotoError: the photo cannot be used; among the reasons, it takes too long or its decoder crashes.
            DecoderUnavailable: no process can be started.
        """

        def work(process: DecodingProcess) -> reading.DecodedPhoto:
            photo = process.read(data, transform.width, transform.height)
            # Not asked of the process: what a photo is stored by is nothing to take anybody's word for.
            return reading.DecodedPhoto(**vars(photo), sha256=hashlib.sha256(data).hexdigest())

        return await self._in_thread(work)

    async def fit(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """As `photos.fit`.

        Raises:
            PhotoError, DecoderUnavailable: as `decode`.
        """
        return await self._in_thread(lambda process: process.fit(data, width, height))

    async def thumbnail(self, data: bytes, side: int, region: Region = ALL) -> bytes:
        """Re-encode a region of a photo as an upright JPEG of at most `side` pixels a side, and nothing else of it.

        Raises:
            PhotoError, DecoderUnavailable: as `decode`.
        """

        def work(process: DecodingProcess) -> bytes:
            # Encoded on this side: whatever has become of the process, what leaves the service is a picture.
            return reading.encode_jpeg(process.shrink(data, side, region), quality=85)

        return await self._in_thread(work)

    def close(self) -> None:
        """Finish what is in work; end threads and processes."""
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self.processes):
            if process := self._idle.get():
                process.stop()

    async def _in_thread(self, work: Callable[[DecodingProcess], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._with_process, work)

    def _with_process(self, work: Callable[[DecodingProcess], Result]) -> Result:
        process = self._idle.get()
        try:
            for _ in range(TRIES):
                if process is None or not process.is_alive:
                    process = self._replace(process)
                try:
                    return work(process)
                except KilledError:
                    continue
            raise reading.PhotoTooCostly("The photo takes more memory than the service has left: send it smaller.")
        finally:
            self._idle.put(process)

    def _replace(self, ended: DecodingProcess | None) -> DecodingProcess:
        if ended:
            ended.stop()
        process = DecodingProcess(
            memory_bytes=MEMORY_BYTES + MEMORY_BYTES_PER_PIXEL * self._max_pixels,
            timeout_s=self._timeout_s,
            max_pixels=self._max_pixels,
        )
        if not process.is_sealed:
            _log.warning("a decoder's system calls are not filtered", reason="this takes Linux and its libseccomp")
        return process
