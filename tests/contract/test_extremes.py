"""Every field of every operation and page, sent the far ends of what a field can hold: each is answered in words."""

import asyncio
import copy
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.config import Settings
from app.inspections.exports import report
from app.server.security_headers import PAGES, security_headers
from app.web import endpoints as page_endpoints
from app.web import sign_in as sign_in_endpoints
from tests.app.access.conftest import Things, bearer, furnish, small_report
from tests.conftest import MakeSettings
from tests.contract.extremes import (
    BODIES,
    CONTENT_TYPES,
    DATABASE_TEXTS,
    MORE_TEXTS,
    TEXTS,
    Field,
    Operation,
    in_address,
    operations,
)
from tests.drawn import encode, pixels
from tests.rest import created, problem

PHOTO = encode(pixels("crack", 1, 40, 40))

BESIDE: dict[str, list[dict[str, str]]] = {
    "create_key": [{"role": '"inspector"'}],
    "give_feedback": [{"verdict": '"unknown"'}],
    "give_region_feedback": [{"verdict": '"not-a-defect"'}],
    "add_region": [{"box": '{"x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2}', "defect_class_id": '"<class>"'}],
    "delete_classifications": [{"ids": '["<class>"]'}],
    "restore_classifications": [{"deletion_id": '"<class>"'}],
    "preview_retention": [{"keep_days": "1"}],
    "change_classifications": [{"ids": '["<class>"]'}],
    "classify_photo": [{"latitude": "0", "longitude": "0"}],
    "begin_report": [{"place": "nowhere"}],
    "GET /history": [{"zone": "+19:59"}, {"zone": "-19:59"}],
}
"""What goes beside an extreme where the document does not say what is needed, or where two fields work together;
`<class>` is the id of a class."""

COSTLY = {"begin_report": {"format", "time_zone", "title", "logo"}}
"""A PDF takes half a second: in the short forms these fields alone are tried; the others are those of the CSV."""


READING = (
    "/v1/catalogs?limit=200", "/v1/keys?limit=200", "/v1/audit?limit=200", "/v1/classifications?limit=200",
    "/v1/classifications/export.csv?time_zone=Pacific/Kiritimati",
    "/v1/classifications/export.xlsx?time_zone=Etc/GMT%2B12", "/history", "/catalog",
)  # fmt: skip
"""Where what was taken in is seen again."""


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(requests_per_minute=1_000_000)


@pytest.fixture
async def things(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> Things:
    """One of everything, in a service that asks for a key; `client` sends that of an administrator."""
    # Reports are made more slowly than this asks for them.
    monkeypatch.setattr(report, "KEPT", 10_000)
    made = await furnish(client, "tower", 1)
    key = created(await client.post("/v1/keys", json={"name": "root", "role": "admin"}))["key"]
    client.headers.update(bearer(key))
    return replace(made, report_id=await small_report(client, "tower"))


def documents(service: FastAPI) -> list[dict[str, Any]]:
    """Of the REST interface, and of the pages."""
    routes = [copy.copy(route) for part in (page_endpoints, sign_in_endpoints) for route in part.router.routes
              if isinstance(route, APIRoute)]  # fmt: skip
    for route in routes:
        route.include_in_schema = True
        route.operation_id = f"{'/'.join(route.methods or ())} {route.path}"
    return [service.openapi(), get_openapi(title="Pages", version="1", routes=routes)]


class Caller:
    """Sends an operation with one of its fields at an extreme, and collects what is wrong with the answers."""

    def __init__(self, client: httpx.AsyncClient, things: Things) -> None:
        self._client = client
        self._things = things
        self.faults: list[str] = []
        self.count = 0

    async def usual(self, operation: Operation) -> None:
        """Send the operation without any extreme: it must succeed, or the extremes would prove nothing."""
        for beside in _beside(operation, self._things):
            answer = await self._send(operation, beside)
            if answer is not None and answer.status_code >= 400:
                self.faults.append(f"{operation.id}: the usual request fails: {answer.text[-300:]}")

    async def extreme(self, operation: Operation, field: Field, value: str) -> None:
        """Send one extreme."""
        said = f"{field.place} {field.name}={value[:60]!r}"
        for beside in _beside(operation, self._things):
            self._judge(operation, said, await self._send(operation, beside | {field.name: value}), field)

    async def raw(self, operation: Operation, body: bytes, content_type: str) -> None:
        """Send a body that may be no body."""
        address = self._things.fill(operation.path)
        headers = {"Content-Type": content_type.encode("latin-1")}
        said = f"{content_type[:60]!r} {body[:40]!r}"
        self._judge(operation, said, await self._answer(operation, said, address, content=body, headers=headers))

    async def _send(self, operation: Operation, sent: dict[str, str]) -> httpx.Response | None:
        by_place: dict[str, dict[str, str]] = {}
        for field in operation.fields:
            if field.name in sent:
                by_place.setdefault(field.place, {})[field.name] = sent[field.name]
        in_path = {name: in_address(text) for name, text in by_place.get("path", {}).items()}
        address = operation.path.format(**vars(self._things) | {"key_id": "0" * 32, "number": "1"} | in_path)
        query = urlencode(by_place.get("query", {}), errors="surrogatepass")
        headers = {name: _header(text) for name, text in by_place.get("header", {}).items()}
        if cookies := by_place.get("cookie"):
            headers["Cookie"] = _header("; ".join(f"{name}={text}" for name, text in cookies.items()))
        body = self._body(operation, by_place.get(operation.body or "", {}))
        return await self._answer(operation, str(sent)[:100], f"{address}?{query}", headers=headers, **body)

    def _body(self, operation: Operation, sent: dict[str, str]) -> dict[str, Any]:
        if operation.body is None:
            return {}
        if operation.body == "application/json":
            text = ", ".join(f"{json.dumps(name)}: {value}" for name, value in sent.items())
            return {"content": f"{{{text}}}".encode(), "headers_of_body": {"Content-Type": "application/json"}}
        if operation.body == "application/x-www-form-urlencoded":
            form = urlencode(sent, errors="surrogatepass").encode()
            return {"content": form, "headers_of_body": {"Content-Type": operation.body}}
        parts: list[tuple[str, tuple[str | None, bytes, str]]] = []
        for field in operation.fields:
            if field.is_file and sent.get(field.name) == "usual":
                parts.append((field.name, ("1.jpg", PHOTO, "image/jpeg")))
            elif field.name in sent and field.place == operation.body:
                parts.append((field.name, (None, sent[field.name].encode(errors="surrogatepass"), "")))
        return {"files": parts}

    async def _answer(
        self, operation: Operation, said: str, address: str, headers_of_body: dict[str, str] | None = None, **sent: Any
    ) -> httpx.Response | None:
        self.count += 1
        sent["headers"] = {**(headers_of_body or {}), **sent.get("headers", {})}
        try:
            return await self._client.request(operation.method, address, **sent)
        except Exception as error:  # noqa: BLE001 - what the app raises is a 500 of the service
            self.faults.append(f"{operation.id} {said}: {type(error).__name__}: {str(error)[:200]}")
            return None

    def _judge(
        self, operation: Operation, said: str, answer: httpx.Response | None, field: Field | None = None
    ) -> None:
        if answer is None:
            return
        try:
            _check(operation, field, answer)
        except (AssertionError, KeyError, ValueError) as error:
            self.faults.append(f"{operation.id} {said}: {answer.status_code} {str(error)[:300]}")


def _beside(operation: Operation, things: Things) -> list[dict[str, str]]:
    needed = {field.name: '"usual"' if field.place == "application/json" else "usual"
              for field in operation.fields if field.is_required and field.place != "path"}  # fmt: skip
    given = BESIDE.get(operation.id, [{}])
    return [
        needed | {name: value.replace("<class>", things.class_id) for name, value in each.items()} for each in given
    ]


def _header(text: str) -> bytes:
    """What of a text a server lets through in a header."""
    return "".join(sign for sign in text if sign >= " " and sign != "\x7f").encode(errors="surrogatepass")


def _check(operation: Operation, field: Field | None, answer: httpx.Response) -> None:
    for name, value in security_headers(PAGES, is_https=False):
        assert answer.headers.get_list(name.decode()) == [value.decode()], name
    assert answer.headers["cache-control"]
    if answer.status_code < 400:
        return
    assert answer.status_code < 500, answer.text
    may_sign_in = operation.path.startswith("/sign-in")
    assert answer.status_code in {400, 404, 405, 409, 413, 415, 422, *({401, 403, 429} if may_sign_in else ())}, (
        answer.text
    )
    if operation.path.startswith("/v1/") or answer.headers["content-type"] == "application/problem+json":
        said = problem(answer, answer.status_code, answer.json()["code"])
        assert said["detail"][0].isupper(), said
        # An address that no page has is no page's.
        assert operation.path.startswith("/v1/") or said["code"] == "not-found", said
        if said["code"] == "request-invalid" and field is not None and not field.is_file:
            parts = {part for fault in said["errors"] for part in fault["field"].split(".")}
            assert field.name in parts or parts == {"body"}, said
    else:
        assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
        assert "<h1>" in answer.text


async def test_extremes_are_answered_in_words(
    app: FastAPI, client: httpx.AsyncClient, things: Things, caplog: pytest.LogCaptureFixture
) -> None:
    await _try(app, client, things, caplog, TEXTS)


@pytest.mark.only_on("postgresql", "these are what it may take differently")
async def test_so_are_those_that_postgresql_has_no_place_for(
    app: FastAPI, client: httpx.AsyncClient, things: Things, caplog: pytest.LogCaptureFixture
) -> None:
    await _try(app, client, things, caplog, DATABASE_TEXTS)


@pytest.mark.long
async def test_so_are_many_more(
    app: FastAPI, client: httpx.AsyncClient, things: Things, caplog: pytest.LogCaptureFixture
) -> None:
    await _try(app, client, things, caplog, MORE_TEXTS)


HEADERS: dict[str, tuple[str, ...]] = {
    "Accept": (), "Accept-Language": ("ko;q=" + "9" * 5000, "ko;q=nan", "en;q=1e999,ko;q=-1e999"),
    "Authorization": ("Bearer", "Bearer haja_a\x80", "Basic \xff", "bearer haja_" + "0" * 9000),
    "Cookie": ("haja_session=\x80", "language=ko;language=\xff", "catalog=" + "x" * 9000, '=";;', 'a="\\377"'),
    "If-Modified-Since": ("Mon, 01 Jan 99999 00:00:00 GMT", "0", "Mon, 01 Jan 0000 99:99:99 +9999", "1" * 5000),
    "If-None-Match": ("*", '"', "W/" * 999), "If-Range": ("W/x", '"'), "Origin": ("null", "http://["),
    "Range": ("bytes=" + "9" * 5000 + "-", "bytes=-0", "bytes=5-1", "bytes=0-0," * 999, "lines=1"),
    "Sec-Fetch-Site": ("none", "\xff"), "User-Agent": (), "X-CSRF-Token": ("\xff",),
    "X-HTTP-Method-Override": ("DELETE",),
}  # fmt: skip
"""What any request may bear, and what is extreme for it."""

PLACES = (
    "/", "/docs", "/openapi.json", "/v1/catalogs", "/metrics", "/livez", "/static/{version}/haja.css", "/nowhere",
)  # fmt: skip
PLACES_OF_TEXT = ("/{}", "/static/{}/x", "/static/x/{}", "/static-offline-docs/{}", "/docs/{}", "/v1/{}", "/catalog/{}")


@pytest.mark.only_on("sqlite", "no header of these reaches a database")
@pytest.mark.usefixtures("things")
async def test_extreme_headers_and_addresses_are_answered_as_well(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    places = [place.format(version=app.state.pages.version) for place in PLACES]
    for place in places:
        assert (await client.get(place)).status_code == (404 if place == "/nowhere" else 200), place
        for name, values in HEADERS.items():
            for value in (*DATABASE_TEXTS, *values):
                answer = await client.get(place, headers=[(name.encode(), _header(value))])
                assert answer.status_code in {200, 206, 304, 400, 401, 403, 404, 416}, (place, name, value, answer.text)
                assert answer.headers["x-content-type-options"] == "nosniff"
    for text in (*TEXTS, "a/" * 2000, "%2e%2e/" * 9 + "etc/passwd", "//evil.example", "a" * 20_000):
        for place in PLACES_OF_TEXT:
            answer = await client.get(place.format(in_address(text)))
            assert answer.status_code in {200, 401, 404, 405, 422}, (place, text, answer.text)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def _try(
    service: FastAPI,
    client: httpx.AsyncClient,
    things: Things,
    caplog: pytest.LogCaptureFixture,
    texts: Sequence[str],
) -> None:
    await _finished(client)
    caller = Caller(client, things)
    for document in documents(service):
        for operation in operations(document):
            await _try_one(caller, operation, texts)
    await _finished(client)
    for address in READING:
        answer = await client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.text[-500:]}"
    assert not caller.faults, f"{len(caller.faults)} of {caller.count}:\n" + "\n".join(caller.faults)
    assert caller.count > 1500
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def _try_one(caller: Caller, operation: Operation, texts: Sequence[str]) -> None:
    # What it is sent would remove what the others ask for; signing in needs a key, and a provider.
    if operation.method != "DELETE" and "sign-in" not in operation.path:
        await caller.usual(operation)
    for field in sorted(operation.fields, key=lambda each: each.name == "name"):  # renamed last
        if texts is MORE_TEXTS or field.name in COSTLY.get(operation.id, {field.name}):
            for value in field.extremes(texts):
                await caller.extreme(operation, field, value)
    if operation.body is not None:
        for body in BODIES:
            await caller.raw(operation, body, operation.body)
        for content_type in CONTENT_TYPES:
            await caller.raw(operation, b"--b\r\n\r\n--b--", content_type)


async def _finished(client: httpx.AsyncClient) -> None:
    for _ in range(600):
        if all(job["state"] == "finished" for job in (await client.get("/v1/jobs?limit=200")).json()["items"]):
            return
        await asyncio.sleep(0.1)
    pytest.fail("a batch is not finished after a minute")
