"""Callers who send slowly, or all at once: the others are served, and nobody is left without an answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from app.config import Settings
from app.server.limits import Limits
from tests.conftest import MakeSettings
from tests.drawn import encode, photo, pixels
from tests.rest import CLASSIFICATIONS, classify, files, problem, register, row_counts

SLOW = 200


@pytest.fixture
def settings(make_settings: MakeSettings, request: pytest.FixtureRequest) -> Settings:
    return make_settings(**getattr(request, "param", {}))


@pytest.fixture
async def slow(server: str) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections that never get further: half in their headers, half in their forms, a byte at a time."""
    address = urlsplit(server)
    streams = [await asyncio.open_connection(address.hostname, address.port) for _ in range(SLOW)]
    form = f"POST {CLASSIFICATIONS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    for number, (_, writer) in enumerate(streams):
        writer.write(b"GET / HTTP/1.1\r\nX: " if number % 2 else f"{form}Content-Length: 9999\r\n\r\n--b\r\n".encode())

    async def drip() -> None:
        while True:
            for _, writer in streams:
                writer.write(b"a")
            await asyncio.sleep(0.2)

    dripping = asyncio.create_task(drip())
    yield [reader for reader, _ in streams]
    dripping.cancel()
    for _, writer in streams:
        writer.close()


@pytest.mark.only_on("sqlite", "no database is asked by those who are slow")
async def test_200_slow_connections_starve_nobody(
    remote: httpx.AsyncClient, slow: list[asyncio.StreamReader], settings: Settings
) -> None:
    for name in ("crack", "rust"):
        await register(remote, name, [photo(name)])
    before = row_counts(settings)["classifications"]
    for seed in range(10):
        answers = await asyncio.gather(*(classify(remote, photo("crack", seed * 4 + each)) for each in range(4)))
        assert all(answer["predictions"] for answer in answers)
    assert (await remote.get("/v1/catalogs")).status_code == 200
    assert row_counts(settings)["classifications"] - before == 40
    assert len(slow) == SLOW


@pytest.mark.only_on("sqlite", "no database is asked by those who are slow")
@pytest.mark.parametrize("limits", [Limits(head_s=1.0, body_pause_s=1.0)])
async def test_slow_connections_are_told_so_and_end(
    remote: httpx.AsyncClient, slow: list[asyncio.StreamReader]
) -> None:
    await register(remote, "crack", [photo()])
    ends = await asyncio.gather(*(reader.read() for reader in slow), return_exceptions=True)
    # One whose byte crosses the service's last word is reset; the others have read it.
    told = [end for end in ends if isinstance(end, bytes)]
    assert all(end.startswith(b"HTTP/1.1 408 ") for end in told if end)
    assert len([end for end in told if end]) > SLOW / 2
    await classify(remote, photo())


@pytest.mark.only_on("sqlite", "how many get in depends on no database")
@pytest.mark.parametrize("settings", [{"queue_size": 8, "decode_processes": 2}], indirect=True)
async def test_four_times_too_many_each_get_an_answer_and_what_was_taken_is_stored(
    remote: httpx.AsyncClient, settings: Settings
) -> None:
    await register(remote, "crack", [photo()])
    before = row_counts(settings)["classifications"]
    large = [encode(pixels("crack", seed, 900, 1200)) for seed in range(4)]
    taken: list[str] = []
    told: Counter[int] = Counter()

    async def send(number: int) -> None:
        form = files([large[number % 4]], "photo")
        answer = await remote.post(CLASSIFICATIONS, files=form, headers={"Idempotency-Key": f"k{number}"})
        told[answer.status_code] += 1
        if answer.status_code == 201:
            taken.append(answer.json()["id"])
        else:
            problem(answer, 429, "queue-full")
            assert int(answer.headers["retry-after"]) >= 1

    async with asyncio.timeout(120):  # nobody hangs
        for wave in range(6):
            await asyncio.gather(*(send(wave * 32 + number) for number in range(32)))
    assert told[201] >= 6
    assert told[429] >= 6
    assert told.total() == 192
    assert len(set(taken)) == told[201] == row_counts(settings)["classifications"] - before
    for each in taken:
        assert (await remote.get(f"/v1/classifications/{each}")).json()["id"] == each
