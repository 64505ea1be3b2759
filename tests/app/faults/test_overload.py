"""More photos than the service takes in: the surplus is told so at the door."""

import asyncio
from collections import Counter

import httpx
import pytest

from app.config import Settings
from tests.conftest import MakeSettings
from tests.drawn import encode, photo, photos, pixels
from tests.rest import CLASSIFICATIONS, classify, files, problem, register, row_counts


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


async def test_one_registration_does_not_overload_an_idle_service(remote: httpx.AsyncClient) -> None:
    """Its photos queue behind each other, however small the queue is."""
    assert (await register(remote, "crack", photos("crack", range(5))))["shots"] == 5
