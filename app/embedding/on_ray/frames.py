"""JSON, each with an array beside it, over a socket between a process and its own child."""

import asyncio
import json
import struct
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LIMIT = 1 << 24
"""Bytes that a stream buffers: some batches."""

Outcome = Literal["done", "full", "failed"]
"""How a call ended."""

_HEAD = struct.Struct("<Q")


def send(writer: asyncio.StreamWriter, message: Any, array: NDArray[Any] | None = None) -> None:
    """Hand a message to the stream, which keeps what the socket does not take yet."""
    kind = None if array is None else (array.dtype.str, array.shape)
    text = json.dumps([message, kind]).encode()
    writer.write(_HEAD.pack(len(text)) + text)
    if array is not None and array.size:
        writer.write(np.ascontiguousarray(array).data.cast("B"))


async def receive(reader: asyncio.StreamReader) -> tuple[Any, NDArray[Any] | None]:
    """The next message and its array, which cannot be written to.

    Raises:
        asyncio.IncompleteReadError, OSError: the other end is gone.
    """
    (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    message, kind = json.loads(await reader.readexactly(size))
    return message, None if kind is None else await _array(reader, *kind)


async def _array(reader: asyncio.StreamReader, kind: str, shape: list[int]) -> NDArray[Any]:
    dtype = np.dtype(kind)
    data = await reader.readexactly(dtype.itemsize * int(np.prod(shape)))
    return np.frombuffer(data, dtype).reshape(shape)
