"""Callers who send as much as they can and then next to nothing: everybody else is served as before."""

import asyncio
import hashlib
import select
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.uploads import BodyKind, body_kind
from app.config import Settings
from app.server.limits import Limits
from tests.drawn import photo
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, execute, files, problem, register

DECLARED, SENT, HELD = 300_000, 250_000, 4_000_000
SHARE = HELD // 2
BEGUN = DECLARED // 3
HOLDERS = 24

Hold = Callable[..., list[socket.socket]]


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Limits:
    made = Limits(
        head_s=60,
        request_bytes=DECLARED,
        batch_bytes=DECLARED,
        held_bytes=HELD,
        form_begun_bytes=BEGUN,
        batch_memory_bytes=2 * DECLARED,
    )
    return getattr(request, "param", made)


@pytest.fixture
def hold(server: str) -> Iterator[Hold]:
    """Begin forms that never become whole; the connections, which end with the test."""
    address = urlsplit(server)
    open_ones: list[socket.socket] = []

    def begin(method: str, path: str, count: int, key: str | None = None, size: int = SENT) -> list[socket.socket]:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        authorization = "" if key is None else f"Authorization: Bearer {key}\r\n"
        part = '--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
        sent = f"{head}{authorization}Content-Length: {DECLARED}\r\n\r\n{part}".encode() + bytes(size)
        begun = [socket.create_connection((address.hostname, address.port), timeout=30) for _ in range(count)]
        open_ones.extend(begun)
        for connection in begun:
            connection.sendall(sent)
        return begun

    yield begin
    for connection in open_ones:
        connection.close()


def _statuses(connections: Sequence[socket.socket], at_least: int) -> Counter[int]:
    """The answers that have come when there are `at_least` so many."""
    told: dict[socket.socket, int] = {}
    until = time.monotonic() + 60
    while len(told) < at_least and time.monotonic() < until:
        silent = [each for each in connections if each not in told]
        for connection in select.select(silent, [], [], 1)[0]:
            told[connection] = int(connection.recv(65_536).split()[1])
    return Counter(told.values())


async def _key(client: httpx.AsyncClient, name: str, **headers: str) -> str:
    made = created(await client.post("/v1/keys", json={"name": name, "role": "admin"}, headers=headers))
    return str(made["key"])


async def _everything_goes_on(client: httpx.AsyncClient, key: str) -> None:
    """Somebody else signs in, writes, and sends photos."""
    async with httpx.AsyncClient(base_url=client.base_url, timeout=30) as browser:
        assert (await browser.post("/sign-in", data={"key": key})).status_code == 303
    created(await client.post("/v1/catalogs", json={"name": f"c{time.monotonic_ns()}"}))
    for seed in range(3):
        await classify(client, photo("crack", seed))
    batch = await client.post(f"{CLASSIFICATIONS}/batch", files=files([photo("rust", 9)]))
    assert batch.status_code == 202, batch.text


@pytest.mark.only_on("sqlite", "no database is asked by those who hold")
async def test_strangers_hold_nothing_whatever_they_ask_for(
    app: FastAPI, remote: httpx.AsyncClient, hold: Hold
) -> None:
    await register(remote, "crack", [photo()])
    key = await _key(remote, "honest")
    remote.headers["Authorization"] = f"Bearer {key}"
    document = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    pages = [("POST", path) for path in ("/choose", "/sign-out", "/history", "/offline", "/nowhere", "/v1/nowhere")]
    for sent_key in (None, "haja_wrongwrong_wrong"):
        told = _statuses(hold("POST", "/sign-in", HOLDERS, sent_key), HOLDERS)
        assert told == {413: HOLDERS}, "of a page that everybody may read, and that reads a form"
    private = [each for each in document if each[1] not in {"/livez", "/readyz"}]
    asked = [(method, path.replace("{", "").replace("}", "")) for method, path in private] + pages
    for method, path in asked:
        assert _statuses(hold(method, path, 1), 1).keys() <= {401, 404, 405}, path
    await _everything_goes_on(remote, key)


@pytest.mark.only_on("sqlite", "no database is asked by those who hold")
@pytest.mark.parametrize("address", [CLASSES, CLASSIFICATIONS, f"{CLASSIFICATIONS}/batch"])
async def test_one_key_holds_no_more_than_its_share(
    remote: httpx.AsyncClient, hold: Hold, settings: Settings, address: str
) -> None:
    await register(remote, "crack", [photo()])
    holder = await _key(remote, "holder")
    remote.headers["Authorization"] = f"Bearer {holder}"
    key = await _key(remote, "honest")
    remote.headers["Authorization"] = f"Bearer {key}"
    refused = HOLDERS - (2 if address.endswith("batch") else SHARE // SENT)
    holding = hold("POST", address, HOLDERS, holder)
    assert _statuses(holding, refused).keys() == {429}
    assert execute(settings.database_url, "SELECT count(*) FROM jobs") == [(0,)], "written before a photo was whole"
    await _everything_goes_on(remote, key)
    own = await remote.post(address, files=files([bytes(SENT)]), headers={"Authorization": f"Bearer {holder}"})
    for connection in holding:
        connection.close()
    if own.status_code != 422:  # one of those that held too much may have been refused just before
        problem(own, 429, "queue-full")


@pytest.mark.only_on("sqlite", "no database is asked by those who hold")
async def test_forms_that_have_hardly_begun_count_for_more_than_has_come(remote: httpx.AsyncClient, hold: Hold) -> None:
    await register(remote, "crack", [photo()])
    holder = await _key(remote, "holder")
    remote.headers["Authorization"] = f"Bearer {await _key(remote, 'honest', Authorization=f'Bearer {holder}')}"
    many = SHARE // BEGUN + 4
    holding = hold("POST", CLASSIFICATIONS, many, holder, size=10)
    assert _statuses(holding, 4) == {429: 4}
    await classify(remote, photo("crack", 1))


@pytest.mark.only_on("sqlite", "no database is asked by those who hold")
async def test_a_slow_phone_is_served_while_another_key_holds(remote: httpx.AsyncClient, hold: Hold) -> None:
    await register(remote, "crack", [photo()])
    holder = await _key(remote, "holder")
    key = await _key(remote, "honest", Authorization=f"Bearer {holder}")
    hold("POST", CLASSIFICATIONS, HOLDERS, holder)
    request = remote.build_request("POST", CLASSIFICATIONS, files=files([photo()], "photo"))
    body = request.read()

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(body), len(body) // 20):
            yield body[start : start + len(body) // 20]
            await asyncio.sleep(0.05)

    headers = {"Authorization": f"Bearer {key}", "Content-Type": request.headers["content-type"]}
    created(await remote.post(CLASSIFICATIONS, content=slowly(), headers=headers))


@pytest.mark.only_on("sqlite", "the database sees nothing of it")
@pytest.mark.parametrize("limits", [Limits(head_s=60, form_memory_bytes=5000)], indirect=True)
async def test_photos_that_wait_in_temporary_files_are_the_same_photos(
    remote: httpx.AsyncClient, settings: Settings
) -> None:
    sent = [photo("crack", seed) for seed in range(8)]
    assert (await register(remote, "crack", sent[:5]))["shots"] == 5
    await asyncio.gather(*(classify(remote, each) for each in sent[5:]))
    stored = execute(settings.database_url, "SELECT sha256 FROM photos")
    assert {sha256 for (sha256,) in stored} == {hashlib.sha256(each).hexdigest() for each in sent}


def test_large_bodies_are_for_routes_that_take_photos(app: FastAPI) -> None:
    included = [route.original_router for route in app.routes if hasattr(route, "original_router")]
    routes = [route for router in included for route in router.routes if isinstance(route, APIRoute)]
    large = {route.name: body_kind(route) for route in routes if body_kind(route) is not BodyKind.TEXT}
    assert large == {
        "register_defect_class": BodyKind.FORM,
        "add_support_photos": BodyKind.FORM,
        "classify_photo": BodyKind.FORM,
        "begin_report": BodyKind.FORM,
        "classify_batch": BodyKind.BATCH,
    }
