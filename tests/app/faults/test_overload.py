"""More photos than the service takes in: the surplus is told so, unread."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from app.config import Settings
from tests.conftest import MakeSettings
from tests.drawn import encode, photo, photos, pixels
from tests.rest import CLASSIFICATIONS, classify, files, problem, register, row_counts

OF_ONE_ANSWER = {"connection", "content-length", "date", "x-request-id"}


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(queue_size=1, decode_processes=1)


async def test_a_full_queue_answers_429_and_takes_photos_again_afterwards(
    remote: httpx.AsyncClient, settings: Settings
) -> None:
    await register(remote, "crack", [photo()])
    before = row_counts(settings)
    slow = encode(pixels("crack", 1, 1200, 1600))  # decoding takes longer than sending
    sent = [remote.post(CLASSIFICATIONS, files=files([slow], "photo")) for _ in range(16)]
    answers = await asyncio.gather(*sent)
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 429, "queue-full")
            assert int(answer.headers["retry-after"]) >= 1
    told = Counter(answer.status_code for answer in answers)
    assert told[201] >= 1
    assert told[429] >= 1
    after = row_counts(settings)
    assert after["classifications"] - before["classifications"] == told[201]
    await classify(remote, photo())


async def test_the_quick_refusal_says_what_the_later_one_does(remote: httpx.AsyncClient) -> None:
    await register(remote, "crack", [photo()])
    slow = encode(pixels("crack", 1, 1200, 1600))
    form = remote.build_request("POST", CLASSIFICATIONS, files=files([slow], "photo"))
    media_type = {"content-type": form.headers["content-type"]}
    body = await form.aread()

    async def in_chunks() -> AsyncIterator[bytes]:
        yield body

    async def refusals(*, chunked: bool) -> list[httpx.Response]:
        content = (in_chunks() if chunked else body for _ in range(12))
        sent = [remote.post(CLASSIFICATIONS, content=each, headers=media_type) for each in content]
        return [answer for answer in await asyncio.gather(*sent) if answer.status_code == 429]

    later, quick = await asyncio.gather(refusals(chunked=True), refusals(chunked=False))
    told = [
        (
            {name: value for name, value in answer.headers.items() if name not in OF_ONE_ANSWER},
            {name: value for name, value in problem(answer, 429, "queue-full").items() if name != "request_id"},
        )
        for answer in (*later, *quick)
    ]
    assert later
    assert quick
    assert all(each == told[0] for each in told)
    ids = {answer.headers["x-request-id"] for answer in quick}
    assert len(ids) == len(quick)
    assert ids == {answer.json()["request_id"] for answer in quick}


async def test_one_registration_does_not_overload_an_idle_service(remote: httpx.AsyncClient) -> None:
    """Its photos queue behind each other, however small the queue is."""
    assert (await register(remote, "crack", photos("crack", range(5))))["shots"] == 5
