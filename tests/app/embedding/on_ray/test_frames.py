"""What the service and its child say to each other arrives as it was sent."""

import asyncio
import socket

import numpy as np
import pytest

from app.embedding.on_ray import frames


async def test_messages_and_arrays_arrive_in_order_and_unchanged() -> None:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_unix_connection(sock=ours)
    reader, other = await asyncio.open_unix_connection(sock=theirs, limit=frames.LIMIT)
    random = np.random.default_rng(1)
    photo = random.integers(0, 256, (224, 224, 3), np.uint8)
    embedding = random.normal(size=1280).astype(np.float32)
    arrays = [photo, None, embedding, photo[::2, :, ::-1], np.stack([photo, photo]), np.empty((0, 3), np.float32)]
    for number, array in enumerate(arrays):
        frames.send(writer, ("하자", number, None), array)
    for number, sent in enumerate(arrays):
        message, got = await frames.receive(reader)
        assert message == ["하자", number, None]
        assert (sent is None) == (got is None)
        if sent is not None and got is not None:
            assert got.dtype == sent.dtype
            np.testing.assert_array_equal(got, sent)

    writer.close()
    with pytest.raises(asyncio.IncompleteReadError):
        await frames.receive(reader)
    other.close()
