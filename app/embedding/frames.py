"""JSON and arrays over a socket between a process and its own child; the arrays travel beside the text, uncopied."""

import asyncio
import json
import struct
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LIMIT = 1 << 24
"""Bytes that a stream buffers: some batches."""

Outcome = Literal["done", "full", "failed"]
"""How a call ended."""

Arrays = Sequence[NDArray[Any] | None]

_HEAD = struct.Struct("<Q")


def send(writer: asyncio.StreamWriter, message: Any, arrays: Arrays = ()) -> None:
    """Hand a message to the stream, which keeps what the socket does not take yet."""
    kinds = [None if each is None else (each.dtype.str, each.shape) for each in arrays]
    text = json.dumps([message, kinds]).encode()
    writer.write(_HEAD.pack(len(text)) + text)
    writer.writelines(np.ascontiguousarray(each).data.cast("B") for each in arrays if each is not None and each.size)


async def receive(reader: asyncio.StreamReader) -> tuple[Any, list[NDArray[Any] | None]]:
    """The next message and its arrays, which cannot be written to.

    Raises:
        asyncio.IncompleteReadError, OSError: the other end is gone.
    """
    (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    message, kinds = json.loads(await reader.readexactly(size))
    return message, [None if kind is None else await _array(reader, *kind) for kind in kinds]


async def _array(reader: asyncio.StreamReader, kind: str, shape: list[int]) -> NDArray[Any]:
    dtype = np.dtype(kind)
    data = await reader.readexactly(dtype.itemsize * int(np.prod(shape)))
    return np.frombuffer(data, dtype).reshape(shape)
