"""What a request may take: how slowly a body may come, how long the work on it may last."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.errors import BodyTooSlow, QueueFull
from app.server.admission import Admission
from app.server.body_limit import LimitBody
from app.server.concurrency_limit import ConcurrencyLimit
from app.server.limits import Limits

FORM = b"multipart/form-data; boundary=b"


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

    body = LimitBody(
        app,
        Limits(request_bytes=10_000, batch_bytes=10_000, held_bytes=40_000, body_pause_s=pause_s, body_rate=1000),
    )
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


async def test_a_burst_pays_for_no_trickling_after_it() -> None:
    with pytest.raises(BodyTooSlow):
        await _arrive([(0, 9000)] + [(0.05, 1)] * 60)


async def test_a_slow_and_uneven_line_is_no_fault() -> None:
    assert await _arrive([(0.5, 600), (0.7, 800), (0.1, 10), (0.5, 700)], pause_s=5) == 2110


async def test_bodies_are_counted_together_and_nobody_gets_what_the_others_have_left() -> None:
    read = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        await receive()
        await read.wait()

    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(600), "more_body": False}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    body = LimitBody(app, Limits(request_bytes=1000, batch_bytes=1000, held_bytes=2000, body_pause_s=1, body_rate=1))
    scope = {"type": "http", "path": "/", "headers": [(b"content-type", FORM), (b"content-length", b"600")]}
    one, other, third = ({**scope, "client": (f"10.0.0.{number}", 9)} for number in range(3))
    held = [asyncio.create_task(body(one, receive, send))]
    await asyncio.sleep(0.01)
    with pytest.raises(QueueFull):
        await body(one, receive, send)
    held.append(asyncio.create_task(body(other, receive, send)))
    await asyncio.sleep(0.01)
    with pytest.raises(QueueFull):
        await body(third, receive, send)
    read.set()
    await asyncio.gather(*held)
    await body(third, receive, send)


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

    admission = Admission(app, ConcurrencyLimit(1, QueueFull), Limits(work_s=0.1))
    for path in ("/endless", "/"):
        await admission({"type": "http", "path": path, "headers": []}, receive, send)
    assert statuses == [503, 200]
