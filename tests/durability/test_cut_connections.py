"""Connections to PostgreSQL that break anywhere, COMMIT included, or freeze: 503, one result, well again alone."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.config import Settings
from app.errors import DatabaseUnavailable
from app.storage.database import Database
from tests.conftest import MakeSettings
from tests.drawn import photo
from tests.durability.cutting_proxy import CuttingProxy
from tests.postgresql import PostgresServer
from tests.rest import CLASSIFICATIONS, classify, created, execute, files, problem, register

pytestmark = pytest.mark.only_on("postgresql", "a file has no connections")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def proxy(database_url: str) -> Iterator[CuttingProxy]:
    with CuttingProxy(database_url).running() as started:
        yield started


@pytest.fixture
def settings(make_settings: MakeSettings, proxy: CuttingProxy) -> Settings:
    return make_settings(database_url=proxy.url, database_timeout_s=2)


class TestCutAtCommit:
    @pytest.mark.parametrize(
        ("when", "refuses", "status", "stored"),
        [
            pytest.param("before", False, 503, 0, id="COMMIT never arrives"),
            pytest.param("after", False, 201, 1, id="its answer is lost, and the key finds what was stored"),
            pytest.param("after", True, 503, 1, id="its answer is lost, and nobody can be asked"),
        ],
    )
    async def test_a_repeated_request_has_one_result(
        self,
        remote: httpx.AsyncClient,
        proxy: CuttingProxy,
        database_url: str,
        when: str,
        refuses: bool,
        status: int,
        stored: int,
    ) -> None:
        await register(remote, "crack", [photo()])
        key = {"Idempotency-Key": "in-doubt"}

        def send() -> "asyncio.Task[httpx.Response]":
            return asyncio.create_task(remote.post(CLASSIFICATIONS, files=files([photo(seed=1)], "photo"), headers=key))

        proxy.refuses, proxy.at_commit = refuses, when  # type: ignore[assignment]
        answer = await send()
        assert proxy.cuts == 1
        if status == 503:
            assert "may be there or not" in problem(answer, 503, "database-unavailable")["detail"] or refuses
        assert answer.status_code == status
        assert execute(database_url, "SELECT count(*) FROM classifications") == [(stored,)]
        proxy.refuses = False
        first = created(await send())
        assert created(await send()) == first
        assert execute(database_url, "SELECT id::text FROM classifications") == [(first["id"],)]


@pytest.mark.torture
async def test_connections_cut_anywhere(
    remote: httpx.AsyncClient,
    proxy: CuttingProxy,
    database_url: str,
    runs: Callable[[int, int], int],
    haja: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four callers repeat each request with its key until it is answered; every one of them counts once."""
    await register(remote, "crack", [photo()])
    told = await classify(remote, photo(seed=1))
    chance = random.Random(7)  # noqa: S311
    most = runs(5, 6)  # digits of bytes: with few requests, connections that live long would leave few cuts
    proxy.budgets = iter(lambda: int(10 ** chance.uniform(3, most)), 0)
    # Connections of the time before live as long as they like: what holds them lets them go now.
    execute(database_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port > 0")
    count = runs(40, 1000)
    refused = 0

    async def call(numbers: range) -> None:
        nonlocal refused
        for number in numbers:
            sent: dict[str, Any] = (
                {"url": CLASSIFICATIONS, "files": files([photo(seed=number)], "photo")},
                {"url": f"/v1/classifications/{told['id']}/feedback", "json": {"verdict": "confirmed"}},
                {"url": "/v1/catalogs", "json": {"name": f"catalog-{number}"}},
            )[number % 3]
            for _ in range(200):
                answer = await remote.post(**sent, headers={"Idempotency-Key": f"key-{number}"})
                if answer.status_code == 201:
                    break
                problem(answer, 503, "database-unavailable")
                refused += 1
            else:
                raise AssertionError("never answered")

    await asyncio.gather(*(call(range(first, count + 1, 4)) for first in range(1, 5)))
    proxy.budgets = iter(())
    assert proxy.cuts > count / 4
    for table, rest in (("classifications", 0), ("feedback", 1), ("catalogs", 2)):
        effects = len([number for number in range(1, count + 1) if number % 3 == rest])
        others = 0 if table == "feedback" else 1
        assert execute(database_url, f"SELECT count(*) FROM {table}") == [(effects + others,)]  # noqa: S608
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    code, out, err = await asyncio.to_thread(haja, "check")
    assert (code, out) == (0, "Database, photos and prototypes agree.\n"), err
    print(f"\n{count} requests, {proxy.cuts} connections cut, {refused} answers of 503")  # noqa: T201


@pytest.mark.long
async def test_a_server_that_freezes_and_thaws(remote: httpx.AsyncClient, proxy: CuttingProxy) -> None:
    """It takes every byte and says nothing: nobody waits without end, and nobody has to restart anything."""
    await register(remote, "crack", [photo()])
    told = await classify(remote, photo(seed=1))
    proxy.freeze()
    async with asyncio.timeout(120):
        answers = await asyncio.gather(
            *(remote.get("/v1/classifications") for _ in range(12)),
            *(remote.post(CLASSIFICATIONS, files=files([photo(seed=2)], "photo")) for _ in range(4)),
            remote.get("/readyz"),
        )
    for answer in answers:
        problem(answer, 503, "database-unavailable")
    assert (await remote.get("/livez")).status_code == 200
    proxy.thaw()
    assert (await remote.get("/readyz")).status_code == 200
    assert (await remote.get(f"/v1/classifications/{told['id']}")).json() == told
    await classify(remote, photo(seed=3))


async def test_a_statement_that_takes_too_long_is_ended_at_the_server_too(
    database_url: str, postgresql: PostgresServer
) -> None:
    database = Database(database_url, timeout_s=0.1)
    try:
        with pytest.raises(DatabaseUnavailable):
            async with database.reading() as session:
                await session.execute(text("SELECT pg_sleep(300)"))
        active = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300)' AND state = 'active'"
        assert postgresql.execute(active) == [(0,)]
        async with database.reading() as session:
            assert await session.scalar(text("SELECT 1")) == 1
    finally:
        await database.close()


async def test_a_commit_waits_for_the_disk_whatever_the_server_does_by_default(
    database_url: str, postgresql: PostgresServer
) -> None:
    assert postgresql.execute("SHOW synchronous_commit") == [("off",)]
    database = Database(database_url)
    try:
        async with database.writing() as session:
            assert await session.scalar(text("SHOW synchronous_commit")) == "on"
        assert await database.unsafe_settings() == ["fsync", "full_page_writes"]
    finally:
        await database.close()
