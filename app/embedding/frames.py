"""Python objects over a socket between a process and its own child; arrays travel beside the pickle, uncopied."""

import asyncio
import pickle
import struct
from collections.abc import Iterator
from typing import Any

LIMIT = 1 << 24
"""Bytes that a stream buffers: some batches."""


def send(writer: asyncio.StreamWriter, message: object) -> None:
    """Hand a message to the stream, which keeps what the socket does not take yet."""
    buffers: list[pickle.PickleBuffer] = []
    parts: list[bytes | memoryview] = [
        pickle.dumps(message, 5, buffer_callback=buffers.append),
        *(buffer.raw() for buffer in buffers),
    ]
    writer.write(struct.pack(f"<{1 + len(parts)}Q", len(parts), *map(len, parts)))
    writer.writelines(parts)


async def receive(reader: asyncio.StreamReader) -> Any:
    """The next message; its arrays cannot be written to.

    Raises:
        asyncio.IncompleteReadError, OSError: the other end is gone.
    """
    (count,) = struct.unpack("<Q", await reader.readexactly(8))
    sizes = struct.unpack(f"<{count}Q", await reader.readexactly(8 * count))
    body, *buffers = _cut(await reader.readexactly(sum(sizes)), sizes)
    return pickle.loads(body, buffers=buffers)  # noqa: S301 - from our own child or parent, over a socket of theirs alone


def _cut(data: bytes, sizes: tuple[int, ...]) -> Iterator[memoryview]:
    view, start = memoryview(data), 0
    for size in sizes:
        yield view[start : start + size]
        start += size
