"""Who is let into the house, and how those are turned away for whom there is no place."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.errors import QueueFull, ServiceBusy
from app.metrics import Metrics
from app.server.door import Door, FullHouse, Room

FORM = b"multipart/form-data; boundary=b"
CHUNKED = (b"transfer-encoding", b"chunked")
MAX_BYTES = 1_000_000


class House:
    """An app behind a door, which reads a whole body and keeps it until `served` is set."""

    def __init__(self, places: int, other_places: int = 4) -> None:
        photos = Room(places, QueueFull)
        self._full_house = FullHouse(photos, MAX_BYTES, [], Metrics())
        self._door = Door(self._app, photos, Room(other_places, ServiceBusy))
        self.served = asyncio.Event()
        self.bytes_read = 0
        self.statuses: list[int] = []
        self.at_the_door = 0

    async def come(
        self,
        parts: Iterable[bytes | None],
        media_type: bytes = FORM,
        path: str = "/v1/catalogs",
        length: tuple[bytes, bytes] = CHUNKED,
    ) -> None:
        """Send a body part by part; at None the sender falls silent for good."""
        waiting = list(parts)
        headers = [(b"content-type", media_type), length] if waiting else []

        async def receive() -> Message:
            part = waiting.pop(0)
            if part is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": part, "more_body": bool(waiting)}

        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        entrance = self._full_house if self._full_house.turns_away(scope) else self._between
        await entrance(scope, receive, self._send)

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])

    async def _between(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.at_the_door += 1
        await self._door(scope, receive, send)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/events"):
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
            )
        if scope["path"] == "/late":
            await _settle()
        more = bool(scope["headers"])
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
        await house.come([b"photo"])
    assert house.statuses == [429] * 3
    assert house.bytes_read == 2 * len(b"photo")
    house.served.set()
    await asyncio.gather(*inside)
    for _ in range(3):
        await house.come([b"photo"])
    assert house.statuses == [429] * 3


async def test_a_place_may_be_gone_when_the_form_is_read() -> None:
    house = House(1)
    inside = asyncio.create_task(house.come([b"photo"]))
    with pytest.raises(QueueFull):
        await house.come([b"another"], path="/late")
    assert house.bytes_read == len(b"photo")
    house.served.set()
    await inside


async def test_other_requests_come_in_whatever_forms_the_house_holds() -> None:
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
    await house.come([b"photo"])
    assert house.statuses == [429]
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    quick.append(asyncio.create_task(house.come([b"photo"])))
    await _settle()
    house.served.set()
    await asyncio.gather(*quick)


@pytest.mark.parametrize("parts", [[], [b"{}"]])
async def test_more_requests_than_places_are_told_so_and_operators_are_not(parts: Sequence[bytes]) -> None:
    house = House(1, other_places=2)
    inside = [asyncio.create_task(house.come(parts, b"application/json")) for _ in range(2)]
    await _settle()
    await house.come(parts, b"application/json")
    assert house.statuses == [503]
    probe = asyncio.create_task(house.come(parts, path="/readyz"))
    await _settle()
    house.served.set()
    await asyncio.gather(*inside, probe)
    await house.come(parts, b"application/json")
    assert house.statuses == [503]


async def test_who_follows_a_job_takes_no_place_from_others() -> None:
    house = House(1, other_places=2)
    inside = [asyncio.create_task(house.come([], path="/v1/jobs/7/events")) for _ in range(9)]
    await _settle()
    inside.append(asyncio.create_task(house.come([])))
    await _settle()
    house.served.set()
    await asyncio.gather(*inside)
    assert house.statuses == [200] * 9


def _said(length: int) -> tuple[bytes, bytes]:
    return b"content-length", str(length).encode()


@pytest.mark.parametrize(
    ("length", "comes_to_the_door"), [(_said(5), 0), (_said(MAX_BYTES), 0), (_said(MAX_BYTES + 1), 1), (CHUNKED, 1)]
)
async def test_nothing_else_is_done_for_whom_there_is_no_place(
    length: tuple[bytes, bytes], comes_to_the_door: int
) -> None:
    house = House(1)
    inside = asyncio.create_task(house.come([b"photo"]))
    await _settle()
    await house.come([b"photo"], length=length)
    assert house.statuses == [429]
    assert house.at_the_door == 1 + comes_to_the_door
    house.served.set()
    await inside


async def test_the_log_has_a_line_for_all_who_were_turned_away_in_a_second() -> None:
    house = House(1)
    inside = asyncio.create_task(house.come([b"photo"]))
    await _settle()
    with capture_logs() as lines:
        for _ in range(30):
            await house.come([b"photo"], length=_said(5))
        await asyncio.sleep(1.2)
        for _ in range(2):
            await house.come([b"photo"], length=_said(5))
        await asyncio.sleep(1.2)
    assert [line["count"] for line in lines] == [30, 2]
    house.served.set()
    await inside
