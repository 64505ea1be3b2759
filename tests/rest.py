"""What every test of the REST interface says: send photos, expect a problem, look into the database."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import Executable, text

from app.config import Settings
from app.storage import schema
from app.storage.tables import Base

CLASSES = "/v1/catalogs/default/defect-classes"
CLASSIFICATIONS = "/v1/catalogs/default/classifications"


def files(contents: Sequence[bytes], field: str = "photos") -> list[tuple[str, tuple[str, bytes, str]]]:
    """Photos as httpx sends them; they are named 0.jpg, 1.jpg, ..."""
    return [(field, (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(contents)]


async def register(
    client: httpx.AsyncClient, name: str, contents: Sequence[bytes], catalog: str = "default", **fields: str
) -> dict[str, Any]:
    """Register a class; its answer."""
    address = f"/v1/catalogs/{catalog}/defect-classes"
    return created(await client.post(address, data={"name": name, **fields}, files=files(contents)))


async def classify(client: httpx.AsyncClient, data: bytes, catalog: str = "default", **query: int) -> dict[str, Any]:
    """Classify a photo; its answer."""
    address = f"/v1/catalogs/{catalog}/classifications"
    return created(await client.post(address, params=query, files=files([data], "photo")))


async def begin_report(
    client: httpx.AsyncClient, sent: dict[str, Any] | None = None, headers: dict[str, str] | None = None, **query: Any
) -> dict[str, Any]:
    """Ask for a report, and wait for its end; what is said of it then."""
    answer = await client.post("/v1/reports", params=query, headers=headers, **(sent or {}))
    assert answer.status_code == 202, answer.text
    return await report_once(client, answer.json()["id"], "finished", "failed", headers=headers)


async def report_once(
    client: httpx.AsyncClient, report_id: str, *states: str, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """What is said of a report once it has one of these states."""
    told: dict[str, Any] = {"state": ""}
    while told["state"] not in states:
        await asyncio.sleep(0.02)
        told = (await client.get(f"/v1/reports/{report_id}", headers=headers)).json()
    return told


async def report_file(
    client: httpx.AsyncClient, sent: dict[str, Any] | None = None, headers: dict[str, str] | None = None, **query: Any
) -> httpx.Response:
    """The file of a new report."""
    told = await begin_report(client, sent, headers, **query)
    assert told["problem"] is None, told
    return await client.get(f"/v1/reports/{told['id']}/file", headers=headers)


def created(answer: httpx.Response) -> dict[str, Any]:
    """The body of a 201."""
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an error in the one shape that errors have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"].endswith(".")
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def database_failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of the database's failures."""
    return [str(vars(record)["error"]) for record in caplog.records if record.message == "database failed"]


def execute(url: str, statement: str | Executable, **values: object) -> list[tuple[Any, ...]]:
    """Run a statement on a service's database as another program could; its rows."""
    engine = schema.sync_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement) if isinstance(statement, str) else statement, values)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def row_counts(settings: Settings) -> dict[str, int]:
    """How many rows each table has."""
    each = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in Base.metadata.tables)  # noqa: S608
    return dict(execute(settings.database_url, each))


@contextmanager
def nothing_stored(settings: Settings) -> Iterator[None]:
    """Fail when the block changes the number of rows of any table."""
    before = row_counts(settings)
    yield
    assert row_counts(settings) == before


async def still_answers(client: httpx.AsyncClient, data: bytes) -> None:
    """A neighbour's photo is classified as if nothing had happened."""
    answer = await classify(client, data)
    assert answer["predictions"]
