"""The door: who is let in, and who is turned away before a byte of the photo is read."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.errors import QueueFull
from app.middleware import Door


class House:
    """An app behind a door, which reads a whole form and keeps it until `served` is set."""

    def __init__(self, places: int) -> None:
        self.door = Door(self._app, places)
        self.served = asyncio.Event()
        self.bytes_read = 0

    async def come(self, parts: Iterable[bytes | None], media_type: bytes = b"multipart/form-data; boundary=b") -> None:
        """Send a form part by part; at None the sender falls silent for good."""
        waiting = list(parts)

        async def receive() -> Message:
            part = waiting.pop(0)
            if part is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": part, "more_body": bool(waiting)}

        async def send(message: Message) -> None:
            raise AssertionError(message)

        await self.door({"type": "http", "headers": [(b"content-type", media_type)]}, receive, send)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        more = True
        while more:
            message = await receive()
            self.bytes_read += len(message["body"])
            more = message["more_body"]
        await self.served.wait()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_full_house_turns_forms_away_unread_and_lets_them_in_again_later() -> None:
    house = House(2)
    inside = [asyncio.create_task(house.come([b"photo"])) for _ in range(2)]
    await _settle()
    for _ in range(3):
        with pytest.raises(QueueFull):
            await house.come([b"photo"])
    assert house.bytes_read == 2 * len(b"photo")
    house.served.set()
    await asyncio.gather(*inside)
    for _ in range(3):
        await house.come([b"photo"])


async def test_other_requests_come_in_whatever_the_house_holds() -> None:
    house = House(1)
    inside = asyncio.create_task(house.come([b"photo"]))
    await _settle()
    other = asyncio.create_task(house.come([b"{}"], b"application/json"))
    await _settle()
    assert house.bytes_read == len(b"photo{}")
    house.served.set()
    await asyncio.gather(inside, other)


async def test_who_arrives_slowly_keeps_few_others_out() -> None:
    house = House(4)
    slow = [asyncio.create_task(house.come([b"p", None])) for _ in range(20)]
    await _settle()
    quick = [asyncio.create_task(house.come([b"photo"])) for _ in range(3)]
    await _settle()
    assert house.bytes_read == 20 * len(b"p") + 3 * len(b"photo")
    with pytest.raises(QueueFull):
        await house.come([b"photo"])
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    quick.append(asyncio.create_task(house.come([b"photo"])))
    await _settle()
    house.served.set()
    await asyncio.gather(*quick)
