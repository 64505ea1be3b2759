"""SIGTERM: what is under way is finished, what comes then is refused, and the exit code is 0."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.drawn import encode, photo, pixels
from tests.rest import CLASSIFICATIONS, classify, created, files, register
from tests.service_process import Process, serving

BATCH = 60
LARGE = [encode(pixels("crack", seed, 1200, 1600)) for seed in range(4)]


@pytest.fixture
async def process(database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    with serving(tmp_path, database_url) as started:
        async with httpx.AsyncClient(base_url=started.address, timeout=60) as client:
            for name in ("crack", "rust"):
                await register(client, name, [photo(name)])
        yield started


async def _ended(process: Process) -> int:
    return await asyncio.to_thread(process.handle.wait, 60)


async def test_requests_in_flight_are_answered_and_new_ones_find_nobody(process: Process) -> None:
    host, port = process.address.removeprefix("http://").split(":")
    idle, half = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    half[1].write(b"GET / HTTP/1.1\r\nHost: ha")
    async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
        await classify(client, photo())  # leaves its connection open
        sent = [
            asyncio.create_task(client.post(CLASSIFICATIONS, files=files([LARGE[number % 4]], "photo")))
            for number in range(12)
        ]
        created(await next(asyncio.as_completed(sent)))
        process.handle.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert await _ended(process) == 0
        with pytest.raises(httpx.ConnectError):
            await client.get("/livez")
    for _, writer in (idle, half):
        writer.close()
    # Nor did those who had asked for nothing hold it up until its patience ended, which it would call an error.
    assert "error" not in {line["level"] for line in map(json.loads, process.log.read_text("utf-8").splitlines())}
    # One that had not reached the service yet may be refused, but none is left without a word or half done.
    done = [answer for answer in answers if isinstance(answer, httpx.Response)]
    assert len(done) >= 4
    assert {answer.status_code for answer in done} == {201}
    assert all(isinstance(answer, httpx.Response | httpx.TransportError) for answer in answers)


async def test_a_batch_is_left_where_it_is_and_finished_by_the_next_service(
    process: Process, database_url: str, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
        photos = files([photo("brick", seed) for seed in range(BATCH)])
        job = (await client.post(f"{CLASSIFICATIONS}/batch", files=photos)).json()
        followed: list[dict[str, object]] = []
        async with client.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    followed.append(json.loads(line[5:]))
                    if len(followed) == 1:
                        process.handle.send_signal(signal.SIGTERM)
        assert await _ended(process) == 0  # whoever follows a job is let go as well
    assert followed[0]["total"] == BATCH
    with serving(tmp_path, database_url) as again:
        async with httpx.AsyncClient(base_url=again.address, timeout=60) as client:
            async with client.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
                last = [json.loads(line[5:]) async for line in events.aiter_lines() if line.startswith("data:")][-1]
            assert (last["state"], last["done"], last["failed"]) == ("finished", BATCH, 0)
            made = (await client.get("/v1/classifications", params={"limit": 200})).json()["items"]
            assert len(made) == BATCH
