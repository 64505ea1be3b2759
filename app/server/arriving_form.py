"""Where the bytes of a form are until all of them have come."""

import asyncio
import tempfile
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

from starlette.types import Message

from app.server.shares import Holding

PIECE_BYTES = 1_000_000
"""Of a temporary file that is read at once."""


class ArrivingForm:
    """The pieces of one form: first `add` them all, then `next` gives them as they came. It is closed by its block.

    They are in memory while their sender has room there, then in a temporary file: who sends much and slowly takes no
    memory from others, and an ordinary photo touches no disk.
    """

    def __init__(self, memory: Holding) -> None:
        """`memory` is what it may take of it."""
        self._memory = memory
        self._pieces: deque[bytes] = deque()
        self._file: IO[bytes] | None = None
        self._work: asyncio.Task[bytes | None] | None = None
        self._left = 0
        self._is_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        file, work = self._file, self._work
        if file is not None and work is not None and not work.done():
            # Closed under a thread that writes, its number may be another file's already.
            work.add_done_callback(lambda _: file.close())
        elif file is not None:
            file.close()

    async def add(self, piece: bytes) -> None:
        """Keep the next piece. Raises `OSError` where a temporary file finds no room."""
        self._left += len(piece)
        if self._file is None and self._memory.take(len(piece)):
            self._pieces.append(piece)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the form
        await self._in_thread(_write, self._file, piece)

    async def next(self) -> Message | None:
        """The next piece as the server would have given it; None behind the last."""
        if self._is_begun and not self._left:
            return None
        if not self._is_begun and self._file is not None:
            self._file.seek(0)
        self._is_begun = True
        piece = b""
        if self._pieces:
            await asyncio.sleep(0)  # parsed at a stretch, 200 MB would keep everybody waiting
            piece = self._pieces.popleft()
            self._memory.give_back(len(piece))
        elif self._file is not None:
            piece = await self._in_thread(self._file.read, PIECE_BYTES) or b""
        self._left -= len(piece)
        return {"type": "http.request", "body": piece, "more_body": self._left > 0}

    async def _in_thread(self, work: Callable[..., bytes | None], *arguments: object) -> bytes | None:
        self._work = asyncio.create_task(asyncio.to_thread(work, *arguments))
        return await asyncio.shield(self._work)


def _write(file: IO[bytes], piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]
