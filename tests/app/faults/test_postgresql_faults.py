"""A PostgreSQL that refuses, stops, throws out or makes wait: said as such, and well again without a restart."""

import asyncio
import gc
import itertools
import socket
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import httpx
import psycopg.waiting
import pytest
from sqlalchemy import make_url, text

from app.config import Settings
from app.storage.database import Database
from tests.conftest import MakeSettings
from tests.drawn import photo
from tests.postgresql import PostgresServer
from tests.rest import (
    CLASSES,
    CLASSIFICATIONS,
    classify,
    created,
    database_failures,
    execute,
    files,
    nothing_stored,
    problem,
    register,
)

pytestmark = pytest.mark.only_on("postgresql", "a file has no server that could stop or refuse")

Run = Callable[..., tuple[int, str, str]]


def _name(settings: Settings) -> str:
    name = make_url(settings.database_url).database
    assert name
    return name


class TestAtTheStart:
    @pytest.fixture
    def clerk(self, postgresql: PostgresServer) -> Iterator[str]:
        """Someone who needs a password and owns nothing."""
        rules = postgresql.folder / "pg_hba.conf"
        before = rules.read_text(encoding="utf-8")
        rules.write_text(f"local all clerk scram-sha-256\n{before}", encoding="utf-8")
        postgresql.execute("SELECT pg_reload_conf()")
        postgresql.execute("CREATE ROLE clerk LOGIN PASSWORD 'right'")
        yield "clerk"
        postgresql.execute("DROP ROLE clerk")
        rules.write_text(before, encoding="utf-8")
        postgresql.execute("SELECT pg_reload_conf()")

    def _refused(self, haja: Run, patch: pytest.MonkeyPatch, url: str, reason: str) -> None:
        patch.setenv("HAJA_DATABASE_URL", url)
        for command in ("check", "migrate"):
            code, out, err = haja(command)
            assert (code, out) == (1, "")
            assert err.startswith("The database postgresql+psycopg://")
            assert reason in err
            assert "wrong" not in err

    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            ("wrong", 'password authentication failed for user "clerk"'),
            ("right", "permission denied for schema public"),
        ],
    )
    def test_who_may_not_is_told_so(
        self,
        haja: Run,
        monkeypatch: pytest.MonkeyPatch,
        empty_database_url: str,
        clerk: str,
        password: str,
        reason: str,
    ) -> None:
        url = make_url(empty_database_url).set(username=clerk, password=password)
        self._refused(haja, monkeypatch, url.render_as_string(hide_password=False), reason)

    def test_no_such_database(self, haja: Run, monkeypatch: pytest.MonkeyPatch, postgresql: PostgresServer) -> None:
        self._refused(haja, monkeypatch, postgresql.url("nowhere"), 'database "nowhere" does not exist')

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("postgresql://me:wrong@127.0.0.1:1/haja", "Connection refused"),
            ("postgresql://me:wrong@/haja?host=/nowhere", "No such file or directory"),
        ],
    )
    def test_no_such_server(self, haja: Run, monkeypatch: pytest.MonkeyPatch, url: str, reason: str) -> None:
        self._refused(haja, monkeypatch, url, reason)

    def test_a_server_that_says_nothing(self, haja: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/haja?connect_timeout=2"
            self._refused(haja, monkeypatch, url, "timeout expired")


async def test_a_server_that_stops_and_comes_back(
    remote: httpx.AsyncClient, settings: Settings, postgresql: PostgresServer
) -> None:
    made = await register(remote, "crack", [photo()])
    told = await classify(remote, photo(seed=1))
    key = {"Idempotency-Key": "after-the-stop"}
    with nothing_stored(settings):
        await asyncio.to_thread(postgresql.stop)
        try:
            answers = await asyncio.gather(
                remote.get("/v1/classifications"),
                remote.get("/readyz"),
                remote.post(CLASSIFICATIONS, files=files([photo(seed=2)], "photo"), headers=key),
                remote.post(CLASSES, data={"name": "rust"}, files=files([photo("rust")])),
                remote.patch(f"/v1/defect-classes/{made['id']}", json={"name": "x"}),
                remote.delete(f"/v1/defect-classes/{made['id']}"),
                remote.get(f"/v1/photos/{told['photo']['id']}/thumbnail"),
            )
            assert (await remote.get("/livez")).status_code == 200
        finally:
            await asyncio.to_thread(postgresql.start)
    for answer in answers:
        problem(answer, 503, "database-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    assert (await remote.get("/readyz")).status_code == 200
    assert (await remote.get(f"/v1/classifications/{told['id']}")).json() == told
    created(await remote.post(CLASSIFICATIONS, files=files([photo(seed=2)], "photo"), headers=key))


@pytest.mark.parametrize("fault", ["stop", "throw out"])
async def test_what_was_answered_in_the_middle_of_it_is_stored(
    remote: httpx.AsyncClient, settings: Settings, postgresql: PostgresServer, fault: str
) -> None:
    await register(remote, "crack", [photo()])
    requests = [
        asyncio.create_task(remote.post(CLASSIFICATIONS, files=files([photo(seed=seed)], "photo")))
        for seed in range(1, 40)
    ]
    await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
    if fault == "stop":
        await asyncio.to_thread(postgresql.stop)
        await asyncio.to_thread(postgresql.start)
    else:
        await asyncio.to_thread(_throw_out, settings, postgresql)
    answers = await asyncio.gather(*requests)
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 503, "database-unavailable")
    stored = (await remote.get("/v1/classifications", params={"limit": 100})).json()["items"]
    assert {answer.json()["id"] for answer in answers if answer.status_code == 201} <= {each["id"] for each in stored}


def _throw_out(settings: Settings, server: PostgresServer) -> None:
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    assert server.execute(query, _name(settings))


async def test_connections_that_were_thrown_out_between_requests_are_not_noticed(
    remote: httpx.AsyncClient, settings: Settings, postgresql: PostgresServer
) -> None:
    await register(remote, "crack", [photo()])
    for seed in range(3):
        await asyncio.gather(*(remote.get("/v1/classifications") for _ in range(12)))
        await asyncio.to_thread(_throw_out, settings, postgresql)
        await classify(remote, photo(seed=seed))
        assert (await remote.get("/readyz")).status_code == 200


async def test_more_requests_than_connections_wait_their_turn(
    remote: httpx.AsyncClient, settings: Settings, postgresql: PostgresServer
) -> None:
    made = await register(remote, "crack", [photo()])
    kinds: list[Callable[[int], object]] = [
        lambda seed: remote.post(CLASSIFICATIONS, files=files([photo(seed=seed)], "photo")),
        lambda _: remote.get("/v1/classifications"),
        lambda seed: remote.post(f"/v1/defect-classes/{made['id']}/support-photos", files=files([photo(seed=seed)])),
        lambda _: remote.get("/v1/catalogs/default/evaluation"),
    ]
    answers = await asyncio.gather(*(kinds[number % 4](number) for number in range(64)))  # type: ignore[call-overload]
    assert {answer.status_code for answer in answers} == {200, 201}
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    ((connections,),) = postgresql.execute(query, _name(settings))
    assert connections <= 10


@types.coroutine
def _hanging_up(work: Coroutine[Any, Any, None], moment: int) -> Generator[Any, Any, bool]:
    """Do `work`, cancelled when it waits for the `moment`-th time; whether it has waited so often."""
    steps, error = work.__await__(), None
    for number in itertools.count():
        try:
            waits_for = next(steps) if error is None else steps.throw(error)
        except StopIteration:
            return number > moment
        if number == moment:
            task = asyncio.current_task()
            assert task
            task.cancel()
        error = None
        try:
            yield waits_for
        except asyncio.CancelledError as cancelled:
            error = cancelled
    raise AssertionError


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("kind", ["reading", "writing"])
async def test_callers_who_hang_up_leave_no_connection_behind(
    postgresql: PostgresServer,
    new_database: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    *,
    is_first: bool,
) -> None:
    """Not even one that is still being made, which is nobody's and would stay open until who knows when."""
    url = new_database(migrated=True)
    # As on a busy machine, where that time passes between any two steps; a time without an end does not.
    monkeypatch.setattr(psycopg.waiting, "MAX_BUSY_TIME", psycopg.waiting.MAX_BUSY_TIME / 1e9)

    async def look(database: Database) -> None:
        async with getattr(database, kind)() as session:
            await session.execute(text("SELECT 1"))

    async def hangs_up(moment: int) -> bool:
        database = Database(url)
        try:
            if not is_first:
                await look(database)
            return await _hanging_up(look(database), moment)
        except asyncio.CancelledError:
            return True
        finally:
            await database.close()

    gc.disable()  # or it would close them, some time
    try:
        moments = 0
        while await asyncio.create_task(hangs_up(moments)):
            moments += 1
            # Asked while the loop stands still: nothing is left for it to do.
            assert postgresql.sessions_left(str(make_url(url).database)) == 0
    finally:
        gc.enable()
    assert moments >= 4


class TestLocked:
    @pytest.fixture
    def settings(self, make_settings: MakeSettings) -> Settings:
        return make_settings(database_timeout_s=2)

    async def test_nobody_waits_for_ever_behind_another_program(
        self,
        remote: httpx.AsyncClient,
        settings: Settings,
        postgresql: PostgresServer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await register(remote, "crack", [photo()])
        with postgresql.transaction(_name(settings)) as other:
            other.execute("LOCK TABLE catalogs IN EXCLUSIVE MODE")
            with nothing_stored(settings):
                answer = await remote.post(CLASSES, data={"name": "rust"}, files=files([photo("rust")]))
                problem(answer, 503, "database-unavailable")
                (failure,) = database_failures(caplog)
                assert "lock timeout" in failure
                assert (await remote.get("/v1/classifications")).status_code == 200
        await register(remote, "rust", [photo("rust")])


async def test_a_schema_that_another_version_changed_is_told_and_no_error_of_ours(
    remote: httpx.AsyncClient, settings: Settings
) -> None:
    execute(settings.database_url, "ALTER TABLE catalogs RENAME COLUMN description TO words")
    problem(await remote.get("/v1/catalogs"), 503, "schema-changed")
