"""What lasts asks again who it is for: streams, uploads and files that outlive a key end with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from app.acting import COMMAND_LINE, acting_as
from app.api import pagination
from app.config import Settings
from app.inspections.service import InspectionService
from app.jobs.service import MAX_FOLLOWERS_OF_A_KEY, JobService
from tests.app.access.conftest import MakeKey, Things, bearer
from tests.drawn import photo, photos
from tests.rest import classify, created, execute, files, problem, register, row_counts

pytestmark = pytest.mark.only_on("sqlite", "keys and jobs in both databases are tried elsewhere")

Get = Callable[[dict[str, str]], "asyncio.Task[httpx.Response]"]


@pytest.fixture
async def key(make_key: MakeKey, mine: Things) -> dict[str, Any]:
    """The key of an inspector."""
    return await make_key(catalogs={mine.catalog: "inspector"})


@pytest.fixture
async def waiting(client: httpx.AsyncClient, app: FastAPI, mine: Things, root: dict[str, str]) -> str:
    """The address of a job on which nobody works."""
    app.state.batch_task.cancel()
    await asyncio.wait([app.state.batch_task])
    address = f"/v1/catalogs/{mine.catalog}/classifications/batch"
    sent = await client.post(address, files=files(photos("rust", range(2))), headers=root)
    return f"/v1/jobs/{sent.json()['id']}"


@pytest.fixture
async def follow(client: httpx.AsyncClient, app: FastAPI, waiting: str) -> AsyncIterator[Get]:
    """Follow the job that waits; it is deleted in the end, so that nobody follows it for ever."""
    tasks: list[asyncio.Task[httpx.Response]] = []

    def begin(headers: dict[str, str]) -> asyncio.Task[httpx.Response]:
        tasks.append(asyncio.create_task(client.get(f"{waiting}/events", headers=headers)))
        return tasks[-1]

    yield begin
    jobs: JobService = app.state.job_service
    await jobs.delete(UUID(waiting.rpartition("/")[2]))
    await asyncio.wait(tasks)


def _followers(app: FastAPI) -> int:
    return len(app.state.job_service._followed)


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not happen")


async def test_a_key_has_a_share_of_the_places_to_follow_jobs(
    client: httpx.AsyncClient, app: FastAPI, waiting: str, follow: Get, key: dict[str, Any], make_key: MakeKey
) -> None:
    ten = [follow(bearer(key["key"])) for _ in range(MAX_FOLLOWERS_OF_A_KEY)]
    await _until(lambda: _followers(app) == MAX_FOLLOWERS_OF_A_KEY)
    events = f"{waiting}/events"
    async with asyncio.timeout(60):
        refusal = await client.get(events, headers=bearer(key["key"]))
    problem(refusal, 429, "too-many-followers")
    assert refusal.headers["retry-after"] == "5"
    assert (await client.get(waiting, headers=bearer(key["key"]))).status_code == 200
    # There is room for others, and for this one once it has let a place go.
    follow(bearer((await make_key(role="inspector"))["key"]))
    await _until(lambda: _followers(app) == MAX_FOLLOWERS_OF_A_KEY + 1)
    ten[0].cancel()
    await asyncio.wait([ten[0]])
    again = follow(bearer(key["key"]))
    await _until(lambda: _followers(app) == MAX_FOLLOWERS_OF_A_KEY + 1)
    assert not again.done()


@pytest.mark.parametrize("how", ["revoked here", "revoked elsewhere", "expired", "signed out"])
async def test_a_stream_ends_with_the_key(
    client: httpx.AsyncClient,
    app: FastAPI,
    settings: Settings,
    follow: Get,
    key: dict[str, Any],
    root: dict[str, str],
    expire: Callable[[str], None],
    how: str,
) -> None:
    other = follow(root)
    if how == "signed out":
        assert (await client.post("/sign-in", data={"key": key["key"]})).status_code == 303
        stream = follow({})
    else:
        stream = follow(bearer(key["key"]))
    await _until(lambda: _followers(app) == 2)
    if how == "revoked here":
        assert (await client.delete(f"/v1/keys/{key['id']}", headers=root)).status_code == 204
    elif how == "revoked elsewhere":
        statement = "UPDATE api_keys SET revoked_at = CURRENT_TIMESTAMP WHERE prefix = :prefix"
        execute(settings.database_url, statement, prefix=key["prefix"])
    elif how == "expired":
        expire(key["prefix"])
    else:
        await client.post("/sign-out", headers={"X-CSRF-Token": client.cookies["haja_csrf"]})
    async with asyncio.timeout(60):
        answer = await stream
    assert answer.status_code == 200
    assert (answer.text.count("event: progress"), "event: finished" in answer.text) == (1, False)
    assert not other.done()


def _ending_key(app: FastAPI, key: dict[str, Any]) -> Callable[[], Awaitable[None]]:
    async def end() -> None:
        with acting_as(COMMAND_LINE):
            await app.state.access_service.revoke_key(UUID(key["id"]))

    return end


async def _sent_slowly(request: httpx.Request, between: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    body = request.read()
    yield body[: len(body) // 2]
    await between()
    yield body[len(body) // 2 :]


@pytest.mark.parametrize("path", ["classifications/batch", "classifications", "defect-classes"])
async def test_an_upload_that_outlives_its_key_is_refused(
    client: httpx.AsyncClient,
    app: FastAPI,
    settings: Settings,
    mine: Things,
    make_key: MakeKey,
    root: dict[str, str],
    path: str,
) -> None:
    key = await make_key(catalogs={mine.catalog: "admin"})
    await client.get(f"/v1/jobs/{mine.job_id}/events", headers=root)  # until its photo is classified
    before = row_counts(settings)
    whole = client.build_request(
        "POST",
        f"/v1/catalogs/{mine.catalog}/{path}",
        files=files([photo("brick", 3)], "photo" if path == "classifications" else "photos"),
        data={"name": "brick"} if path == "defect-classes" else {},
    )
    kept = {name: whole.headers[name] for name in ("content-type", "content-length")}
    sent = _sent_slowly(whole, _ending_key(app, key))
    problem(await client.post(whole.url, content=sent, headers=kept | bearer(key["key"])), 401, "unauthenticated")
    # But for the line that says who ended the key.
    assert row_counts(settings) == before | {"audit_entries": before["audit_entries"] + 1}


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Do something after the first page of the history was read for an export."""

    def after_first_page(then: Callable[[], Awaitable[None]]) -> None:
        read = InspectionService.list_classifications
        monkeypatch.setattr(pagination, "MOST", 1)

        async def read_and_end(self: InspectionService, *args: Any, **options: Any) -> Any:
            page = await read(self, *args, **options)
            await then()
            return page

        monkeypatch.setattr(InspectionService, "list_classifications", read_and_end)

    return after_first_page


async def test_a_report_that_outlives_its_key_is_refused(
    client: httpx.AsyncClient, app: FastAPI, mine: Things, key: dict[str, Any], ending: Callable[..., None]
) -> None:
    assert mine.classification_id
    ending(_ending_key(app, key))
    began = await client.post("/v1/reports", headers=bearer(key["key"]))
    assert began.status_code == 202
    await asyncio.wait(app.state.report_service._tasks)
    report = app.state.report_service._reports[UUID(began.json()["id"])]
    assert (report.told.state, report.told.problem.code) == ("failed", "unauthenticated")
    assert not report.path.exists()


async def test_a_table_breaks_off_with_the_key(
    remote: httpx.AsyncClient, ending: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """So that nobody takes what has come for all of it."""
    await register(remote, "rust", photos("rust", range(2)))
    for seed in range(4):
        await classify(remote, photo("rust", seed))
    root = created(await remote.post("/v1/keys", json={"name": "root", "role": "admin"}))
    key = created(await remote.post("/v1/keys", json={"name": "x", "role": "inspector"}, headers=bearer(root["key"])))
    ended: list[str] = []

    async def end() -> None:
        if not ended:
            ended.append(key["id"])
            address = f"{remote.base_url}/v1/keys/{key['id']}"
            answer = await asyncio.to_thread(httpx.delete, address, headers=bearer(root["key"]))
            assert answer.status_code == 204

    ending(end)
    come = b""
    with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - it breaks off while it is read
        async with remote.stream("GET", "/v1/classifications/export.csv", headers=bearer(key["key"])) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_bytes():
                come += piece
    assert come.count(b"\r\n") == 2
    assert "Traceback" not in caplog.text
    whole = await remote.get("/v1/classifications/export.csv", headers=bearer(root["key"]))
    assert whole.content.count(b"\r\n") == 5
