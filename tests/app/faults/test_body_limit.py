"""The limit of a request's body counts what arrives, whatever Content-Length says or does not say."""

import re
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from app.config import Settings
from app.server import body_limit
from app.server.limits import Limits
from tests.conftest import MakeSettings
from tests.drawn import photo
from tests.rest import CLASSES, CLASSIFICATIONS, files, nothing_stored, problem, register, still_answers

LIMIT = 300_000


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(max_photo_bytes=LIMIT)


@pytest.fixture
def limits() -> Limits:
    return Limits(request_bytes=LIMIT)


def test_the_limits_that_are_promised_are_the_defaults(make_settings: MakeSettings) -> None:
    made = make_settings()
    assert (made.max_photo_bytes, Limits().request_bytes) == (32_000_000, 200_000_000)
    assert made.max_photo_pixels == 80_000_000


def _multipart(data: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head + data + b"\r\n--b--\r\n"


def _request(length: int | None, body: bytes) -> bytes:
    framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return (
        b"POST " + CLASSIFICATIONS.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + framing
        + b"\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n" + body
    )  # fmt: skip


def _send(server: str, data: bytes) -> bytes:
    """Send bytes as they are; the first answer that came back."""
    address = urlsplit(server)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        try:
            connection.sendall(data)
            while part := connection.recv(65_536):
                received += part
                head, found, body = received.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                if found and length and len(body) >= int(length[1]):
                    break
        except ConnectionError:
            pass  # the service may close while we still send: it has said what it had to say
    return received


def _send_and_hang_up(server: str, data: bytes) -> None:
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(data)


async def test_an_honest_body_over_the_limit_is_refused(remote: httpx.AsyncClient, settings: Settings) -> None:
    await register(remote, "crack", [photo()])
    with nothing_stored(settings):
        for size in (LIMIT, 20_000_000):
            answer = await remote.post(CLASSIFICATIONS, files=files([bytes(size)], "photo"))
            problem(answer, 413, "request-too-large")
            assert answer.headers["connection"] == "close"
        sent = files([photo(seed=seed) + bytes(100_000) for seed in range(3)])
        problem(await remote.post(CLASSES, data={"name": "wide"}, files=sent), 413, "request-too-large")
    await still_answers(remote, photo())


async def test_a_body_without_content_length_is_counted_as_it_arrives(
    remote: httpx.AsyncClient, settings: Settings
) -> None:
    await register(remote, "crack", [photo()])

    async def long() -> AsyncIterator[bytes]:
        yield _multipart(b"")[:-9]
        for _ in range(80):
            yield bytes(65_536)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with nothing_stored(settings):
        answer = await remote.post(CLASSIFICATIONS, content=long(), headers=headers)
        problem(answer, 413, "request-too-large")
        answer = await remote.post("/v1/catalogs", content=long())
        problem(answer, 413, "request-too-large")
    await still_answers(remote, photo())


async def test_a_body_in_chunks_within_the_limit_is_taken(remote: httpx.AsyncClient, server: str) -> None:
    await register(remote, "crack", [photo()])
    body = _multipart(photo(seed=1))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:5000], body[5000:]))
    assert _send(server, _request(None, chunks + b"0\r\n\r\n")).startswith(b"HTTP/1.1 201")


async def test_a_declared_length_over_the_limit_is_refused_before_the_body_comes(
    remote: httpx.AsyncClient, server: str, settings: Settings
) -> None:
    await register(remote, "crack", [photo()])
    with nothing_stored(settings):
        for length in (LIMIT + 1, 10**12, 2**63):
            answer = _send(server, _request(length, b"--b"))
            assert answer.startswith(b"HTTP/1.1 413"), length
            assert b'"code":"request-too-large"' in answer
            assert b"application/problem+json" in answer
    await still_answers(remote, photo())


async def test_an_answer_before_the_whole_body_keeps_the_connection_where_its_length_is_known(
    remote: httpx.AsyncClient, server: str
) -> None:
    await register(remote, "crack", [photo()])
    early = _request(LIMIT, b"").replace(CLASSIFICATIONS.encode(), b"/nowhere")
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(early)
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 404")
        assert b"connection: close" not in answer.lower()
        connection.sendall(bytes(LIMIT) + _request(len(_multipart(photo(seed=1))), _multipart(photo(seed=1))))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000, "-1", "x", "1e3", "1, 2", ""])
async def test_a_length_that_is_no_number_is_refused(
    remote: httpx.AsyncClient, server: str, settings: Settings, length: str
) -> None:
    await register(remote, "crack", [photo()])
    with nothing_stored(settings):
        head = _request(0, b"").replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
        status = _send(server, head + b"--b").partition(b"\r\n")[0]
        assert status.split()[1] in {b"400", b"413"}
    await still_answers(remote, photo())


async def test_a_length_that_is_too_short_stores_no_part_of_a_photo(
    remote: httpx.AsyncClient, server: str, settings: Settings
) -> None:
    await register(remote, "crack", [photo()])
    with nothing_stored(settings):
        answer = _send(server, _request(2000, _multipart(photo(seed=1))))
        assert answer.split(b" ")[1] in {b"400", b"422"}
    await still_answers(remote, photo())


async def test_a_caller_who_hangs_up_in_the_middle_leaves_nothing(
    remote: httpx.AsyncClient, server: str, settings: Settings
) -> None:
    await register(remote, "crack", [photo()])
    with nothing_stored(settings):
        for data in (_request(50_000, _multipart(photo())[:4000]), _request(None, b"fff\r\n--b"), b"POST /v1/cat"):
            _send_and_hang_up(server, data)
        assert (await remote.get("/readyz")).status_code == 200
    await still_answers(remote, photo())


@pytest.mark.only_on("sqlite", "the database has no part in it")
@pytest.mark.parametrize(
    ("path", "length", "status"),
    [("/nowhere", 90, 404), ("/v1/catalogs/none/classifications/batch", 90, 404), (CLASSIFICATIONS, LIMIT + 1, 413)],
)
async def test_a_refused_expectation_ends_the_connection_and_eats_no_request(
    remote: httpx.AsyncClient,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    length: int,
    status: int,
) -> None:
    monkeypatch.setattr(body_limit, "LINGER_S", 0.5)
    await register(remote, "crack", [photo()])
    head = _request(length, b"").replace(CLASSIFICATIONS.encode(), path.encode())
    answers = _one_after_another(server, _expecting(head), b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert answers[0].startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answers[0].lower()
    assert answers[1:] == [b""]


@pytest.mark.only_on("sqlite", "the database has no part in it")
async def test_an_expectation_that_is_met_keeps_the_connection(remote: httpx.AsyncClient, server: str) -> None:
    await register(remote, "crack", [photo()])
    body = _multipart(photo(seed=1))
    answers = _one_after_another(
        server, _expecting(_request(len(body), b"")), body, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    )
    assert [answer.partition(b"\r\n")[0].split()[1] for answer in answers] == [b"100", b"201", b"200"]


def _expecting(head: bytes) -> bytes:
    return head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")


def _one_after_another(server: str, *sent: bytes) -> list[bytes]:
    """What comes back for each of several sendings on one connection; nothing where it has ended."""
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        answers = []
        for data in sent:
            connection.sendall(data)
            answers.append(connection.recv(65_536))
        return answers
