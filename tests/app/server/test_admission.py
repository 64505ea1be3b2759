"""Which requests are worked on, and how those are refused that are too many."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.errors import QueueFull
from app.metrics import Metrics
from app.server.admission import Admission
from app.server.concurrency_limit import ConcurrencyLimit
from app.server.limits import Limits
from app.server.load_shedding import LoadShedding

FORM = b"multipart/form-data; boundary=b"
CHUNKED = (b"transfer-encoding", b"chunked")
MAX_BYTES = 1_000_000


class Service:
    """An app behind both middlewares, which reads a whole body and keeps it until `served` is set."""

    def __init__(self, photos: int, others: int = 4) -> None:
        limit = ConcurrencyLimit(photos, QueueFull)
        limits = Limits(requests=others, request_bytes=MAX_BYTES)
        self._admission = Admission(self._app, limit, limits)
        self._load_shedding = LoadShedding(self._between, limit, limits, Metrics(), is_https=False)
        self.served = asyncio.Event()
        self.bytes_read = 0
        self.statuses: list[int] = []
        self.not_shed = 0

    async def send(
        self,
        parts: Iterable[bytes | None],
        media_type: bytes = FORM,
        path: str = "/v1/catalogs",
        length: tuple[bytes, bytes] = CHUNKED,
        more: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send a body part by part; at None the sender falls silent for good."""
        waiting = list(parts)
        headers = [(b"content-type", media_type), length, *more] if waiting else []

        async def receive() -> Message:
            part = waiting.pop(0)
            if part is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": part, "more_body": bool(waiting)}

        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        await self._load_shedding(scope, receive, self._answer)

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])

    async def _between(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.not_shed += 1
        await self._admission(scope, receive, send)

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


async def test_forms_over_the_limit_are_refused_unread_and_taken_again_later() -> None:
    service = Service(2)
    admitted = [asyncio.create_task(service.send([b"photo"])) for _ in range(2)]
    await _settle()
    for _ in range(3):
        await service.send([b"photo"])
    assert service.statuses == [429] * 3
    assert service.bytes_read == 2 * len(b"photo")
    service.served.set()
    await asyncio.gather(*admitted)
    for _ in range(3):
        await service.send([b"photo"])
    assert service.statuses == [429] * 3


async def test_the_limit_may_be_reached_when_the_form_is_read() -> None:
    service = Service(1)
    admitted = asyncio.create_task(service.send([b"photo"]))
    with pytest.raises(QueueFull):
        await service.send([b"another"], path="/late")
    assert service.bytes_read == len(b"photo")
    service.served.set()
    await admitted


async def test_other_requests_are_admitted_however_many_forms_are_in_work() -> None:
    service = Service(1)
    admitted = asyncio.create_task(service.send([b"photo"]))
    await _settle()
    other = asyncio.create_task(service.send([b"{}"], b"application/json"))
    await _settle()
    assert service.bytes_read == len(b"photo{}")
    service.served.set()
    await asyncio.gather(admitted, other)


async def test_who_arrives_slowly_keeps_few_others_out() -> None:
    service = Service(4)
    slow = [asyncio.create_task(service.send([b"p", None])) for _ in range(20)]
    await _settle()
    quick = [asyncio.create_task(service.send([b"photo"])) for _ in range(3)]
    await _settle()
    assert service.bytes_read == 20 * len(b"p") + 3 * len(b"photo")
    await service.send([b"photo"])
    assert service.statuses == [429]
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    quick.append(asyncio.create_task(service.send([b"photo"])))
    await _settle()
    service.served.set()
    await asyncio.gather(*quick)


@pytest.mark.parametrize("parts", [[], [b"{}"]])
async def test_requests_over_the_limit_are_told_so_and_operators_are_not(parts: Sequence[bytes]) -> None:
    service = Service(1, others=2)
    admitted = [asyncio.create_task(service.send(parts, b"application/json")) for _ in range(2)]
    await _settle()
    await service.send(parts, b"application/json")
    assert service.statuses == [503]
    probe = asyncio.create_task(service.send(parts, path="/readyz"))
    await _settle()
    service.served.set()
    await asyncio.gather(*admitted, probe)
    await service.send(parts, b"application/json")
    assert service.statuses == [503]


async def test_who_follows_a_job_takes_nothing_from_others() -> None:
    service = Service(1, others=2)
    admitted = [asyncio.create_task(service.send([], path="/v1/jobs/7/events")) for _ in range(9)]
    await _settle()
    admitted.append(asyncio.create_task(service.send([])))
    await _settle()
    service.served.set()
    await asyncio.gather(*admitted)
    assert service.statuses == [200] * 9


def _said(length: int) -> tuple[bytes, bytes]:
    return b"content-length", str(length).encode()


@pytest.mark.parametrize(
    ("length", "more", "not_shed"),
    [
        (_said(5), [], 0),
        (_said(MAX_BYTES), [], 0),
        (_said(MAX_BYTES + 1), [], 1),
        (CHUNKED, [], 1),
        (_said(5), [(b"expect", b"100-Continue")], 1),
    ],
)
async def test_forms_over_the_limit_are_shed_where_they_come_anyway_with_a_length_known_and_allowed(
    length: tuple[bytes, bytes], more: Sequence[tuple[bytes, bytes]], not_shed: int
) -> None:
    service = Service(1)
    admitted = asyncio.create_task(service.send([b"photo"]))
    await _settle()
    await service.send([b"photo"], length=length, more=more)
    assert service.statuses == [429]
    assert service.not_shed == 1 + not_shed
    service.served.set()
    await admitted


async def test_the_log_has_a_line_for_all_that_were_shed_in_a_second() -> None:
    service = Service(1)
    admitted = asyncio.create_task(service.send([b"photo"]))
    await _settle()
    with capture_logs() as lines:
        for _ in range(30):
            await service.send([b"photo"], length=_said(5))
        await asyncio.sleep(1.2)
        for _ in range(2):
            await service.send([b"photo"], length=_said(5))
        await asyncio.sleep(1.2)
    assert [line["count"] for line in lines] == [30, 2]
    service.served.set()
    await admitted
