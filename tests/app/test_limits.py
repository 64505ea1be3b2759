"""What a request may take: who is let in, how slowly a body may come, how long the work on it may last."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.errors import BodyTooSlow, QueueFull
from app.limits import Deadline, Door, LimitBody

FORM = b"multipart/form-data; boundary=b"


class House:
    """An app behind a door, which reads a whole body and keeps it until `served` is set."""

    def __init__(self, places: int, other_places: int = 4) -> None:
        self.door = Door(self._app, places, other_places)
        self.served = asyncio.Event()
        self.bytes_read = 0
        self.statuses: list[int] = []

    async def come(self, parts: Iterable[bytes | None], media_type: bytes = FORM, path: str = "/v1/catalogs") -> None:
        """Send a body part by part; at None the sender falls silent for good."""
        waiting = list(parts)
        headers = [(b"content-type", media_type), (b"transfer-encoding", b"chunked")] if waiting else []

        async def receive() -> Message:
            part = waiting.pop(0)
            if part is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": part, "more_body": bool(waiting)}

        await self.door({"type": "http", "path": path, "headers": headers}, receive, self._send)

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])

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


async def _arrive(pieces: Sequence[tuple[float, int]], work_s: float = 0.0, pause_s: float = 0.2) -> int:
    """Send pieces of so many bytes, each after so many seconds, to an app that works for a while after each."""
    waiting = list(pieces)
    total = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        nonlocal total
        more = True
        while more:
            message = await receive()
            total += len(message["body"])
            more = message["more_body"]
            await asyncio.sleep(work_s)

    async def receive() -> Message:
        seconds, size = waiting.pop(0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": bytes(size), "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    bounds = {"max_bytes": 10_000, "max_batch_bytes": 10_000, "max_held_bytes": 12_000}
    body = LimitBody(app, **bounds, pause_s=pause_s, min_rate=1000)
    headers = [(b"content-type", FORM), (b"transfer-encoding", b"chunked")]
    await body({"type": "http", "path": "/", "headers": headers}, receive, send)
    return total


async def test_a_body_that_stops_or_trickles_is_given_up() -> None:
    with pytest.raises(BodyTooSlow):
        await _arrive([(0, 9000), (60, 1)])  # what came quickly is no leave to fall silent
    with pytest.raises(BodyTooSlow):
        await _arrive([(0.02, 1)] * 100)


async def test_a_body_may_come_at_its_rate_and_the_services_own_work_is_not_counted() -> None:
    assert await _arrive([(0.02, 100)] * 20) == 2000
    assert await _arrive([(0.0, 1)] * 3, work_s=0.3) == 3


async def test_bodies_in_memory_are_counted_together() -> None:
    read = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        await receive()
        await read.wait()

    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(600), "more_body": False}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    body = LimitBody(app, max_bytes=1000, max_batch_bytes=1000, max_held_bytes=1500, pause_s=1, min_rate=1)
    scope = {"type": "http", "path": "/", "headers": [(b"content-type", FORM), (b"content-length", b"600")]}
    held = [asyncio.create_task(body(scope, receive, send)) for _ in range(2)]
    await _settle()
    with pytest.raises(QueueFull):
        await body(scope, receive, send)
    read.set()
    await asyncio.gather(*held)
    await body(scope, receive, send)


async def test_work_has_an_end_and_waiting_for_the_caller_is_no_work() -> None:
    statuses: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            await receive()
        if scope["path"] == "/endless":
            await asyncio.Event().wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.2)  # an answer that has begun is no longer bounded
        await send({"type": "http.response.body"})

    async def receive() -> Message:
        await asyncio.sleep(0.08)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    for path in ("/endless", "/"):
        await Deadline(app, 0.1)({"type": "http", "path": path, "headers": []}, receive, send)
    assert statuses == [503, 200]
