"""One connection at a time: what a caller may do before, around and after a request."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from app.server import protocol
from app.server.protocol import BoundedProtocol

HEAD_S = 0.4
MAX_CONNECTIONS = 40
BIG = 50_000_000


class Bounded(BoundedProtocol):
    max_connections = MAX_CONNECTIONS
    head_timeout_s = HEAD_S


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers before it has read anything, or when all is read, or more than fits into a socket."""
    if scope["path"] == "/read":
        while (await receive()).get("more_body", False):
            pass
    size = BIG if scope["path"] == "/big" else 2
    headers = [(b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(size)})


@pytest.fixture(scope="module")
def server() -> Iterator[uvicorn.Server]:
    """A server of nothing but the protocol."""
    made = uvicorn.Server(
        uvicorn.Config(answer, port=0, http=Bounded, ws="none", lifespan="off", log_config=None, access_log=False)
    )

    def work() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(made.serve())

    thread = threading.Thread(target=work)
    thread.start()
    while not made.started:
        time.sleep(0.01)
    yield made
    made.should_exit = True
    thread.join()


class Caller:
    """A bare connection."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the service has said what it had to say
            self.socket.sendall(data)

    def receive(self) -> bytes:
        """Something of an answer; nothing where the service has closed the connection."""
        try:
            return self.socket.recv(65_536)
        except ConnectionError:
            return b""

    def rest(self) -> bytes:
        """What comes until the service closes the connection."""
        received = b""
        while part := self.receive():
            received += part
        return received

    def problem(self) -> tuple[int, str]:
        """Status and code of the answer with which the service closes the connection."""
        head, _, body = self.rest().partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head
        assert b"connection: close" in head
        problem: dict[str, Any] = json.loads(body)
        assert problem["detail"].endswith(".")
        return int(head.split()[1]), problem["code"]

    def is_cut_while_sending(self, drip: bytes) -> bytes | None:
        """Send a little at a time; what the service said when it had enough, None if it never has."""
        self.socket.settimeout(HEAD_S / 10)
        for _ in range(300):
            self.send(drip)
            with contextlib.suppress(TimeoutError):
                said = self.receive()
                return said + self.rest() if said else b""
        return None


Call = Callable[..., Caller]


@pytest.fixture
def call(server: uvicorn.Server) -> Iterator[Call]:
    """Open connections, which end with the test."""
    port = server.servers[0].sockets[0].getsockname()[1]
    open_ones: list[Caller] = []

    def connect(receive_buffer: int | None = None) -> Caller:
        open_ones.append(Caller(port, receive_buffer))
        return open_ones[-1]

    yield connect
    for caller in open_ones:
        caller.socket.close()
    _until(lambda: not server.server_state.connections)


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen")


GET = b"GET / HTTP/1.1\r\nHost: haja\r\n"
POST = b"POST /%s HTTP/1.1\r\nHost: haja\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("begun", [b"G", GET, GET + b"X-Long: aaaa", b"\r\n" + GET])
def test_a_head_that_never_ends_is_given_up(call: Call, begun: bytes) -> None:
    caller = call()
    caller.send(begun)
    assert caller.problem() == (408, "head-too-slow")


def test_a_head_that_trickles_is_given_up_however_steadily(call: Call) -> None:
    caller = call()
    caller.send(GET)
    said = caller.is_cut_while_sending(b"X: 1\r\n")
    assert said is not None
    assert b"head-too-slow" in said


def test_a_connection_on_which_nothing_is_said_is_closed_without_a_word(call: Call) -> None:
    assert call().rest() == b""


def test_a_head_after_an_answer_has_the_same_time(call: Call) -> None:
    caller = call()
    caller.send(GET + b"\r\n")
    assert caller.receive().startswith(b"HTTP/1.1 200")
    caller.send(GET)
    assert caller.problem() == (408, "head-too-slow")


def test_empty_lines_keep_no_connection_open(call: Call) -> None:
    caller = call()
    caller.send(GET + b"\r\n")
    assert caller.receive().startswith(b"HTTP/1.1 200")
    assert caller.is_cut_while_sending(b"\r\n") is not None


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414, "address-too-long"),
        (b"GET /?" + b"a=1&" * 3000 + b" HTTP/1.1\r\n\r\n", 414, "address-too-long"),
        (GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431, "headers-too-large"),
        (GET + b"".join(b"X-%d: 1\r\n" % number for number in range(200)) + b"\r\n", 431, "headers-too-large"),
        (GET + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 5000) for n in range(9)) + b"\r\n", 431, "headers-too-large"),
        (GET + b"X" * 1_000_000, 431, "headers-too-large"),
        (POST % b"read" + CHUNKED + b"0\r\nX: " + b"a" * 2_000_000, 431, "headers-too-large"),
        (POST % b"read" + CHUNKED + b"5;" + b"a" * 2_000_000, 431, "headers-too-large"),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad-request"),
        (b"GET http://localhost@evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad-request"),
        (b"GET http://localhost/ HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"GET /\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/0.9\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.2\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/2.0\r\n\r\n", 400, "bad-request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "bad-request"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", 400, "bad-request"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, "bad-request"),
        (POST % b"read" + CHUNKED + b"no number\r\n", 400, "bad-request"),
    ],
)
def test_what_is_too_large_or_no_http_is_a_problem(call: Call, head: bytes, status: int, code: str) -> None:
    caller = call()
    caller.send(head)
    assert caller.problem() == (status, code)


def test_an_address_in_full_is_read_as_its_path_where_it_names_the_host(call: Call) -> None:
    caller = call()
    caller.send(b"GET http://Localhost:8000/?a=1 HTTP/1.1\r\nHost: localhost:8000\r\n\r\n")
    assert caller.receive().startswith(b"HTTP/1.1 200")


def test_an_answer_that_is_due_comes_before_the_end_for_what_follows_it(call: Call) -> None:
    caller = call()
    caller.send(POST % b"read" + b"Content-Length: 1\r\n\r\na" + b"no request\r\n\r\n")
    said = caller.rest()
    assert said.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 400" not in said


def test_connections_too_many_are_told_so_and_the_others_go_on(call: Call) -> None:
    first = call()
    first.send(POST % b"read" + b"Content-Length: 1\r\n\r\n")
    others = [call() for _ in range(MAX_CONNECTIONS - 1)]
    for other in others:
        other.send(POST % b"read" + b"Content-Length: 1\r\n\r\n")
    late = call()
    late.send(GET + b"\r\n")
    assert late.problem() == (503, "too-many-connections")
    for caller in (first, *others):
        caller.send(b"a")
        assert caller.receive().startswith(b"HTTP/1.1 200")


def test_the_rest_of_a_body_that_was_answered_is_not_awaited_for_ever(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REST_S", 0.5)
    caller = call()
    caller.send(POST % b"" + b"Content-Length: 1000000\r\n\r\n")
    assert caller.receive().startswith(b"HTTP/1.1 200")
    assert caller.is_cut_while_sending(b"a") is not None


@pytest.mark.parametrize("size", [1, 1000, 300_000, 5_000_000])
@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_the_rest_of_a_body_that_was_answered_is_thrown_away_to_the_byte(call: Call, size: int, pieces: int) -> None:
    caller = call()
    for _ in range(3):
        caller.send(POST % b"" + b"Content-Length: %d\r\n\r\n" % size)
        assert caller.receive().startswith(b"HTTP/1.1 200")
        # What looks like a request is none, and behind the last byte another one begins.
        body = (GET + b"\r\n") * (size // len(GET) + 1)
        sent = body[:size] + GET + b"\r\n"
        step = -(-len(sent) // pieces)
        for start in range(0, len(sent), step):
            caller.send(sent[start : start + step])
            time.sleep(0.01)
        assert caller.receive().count(b"HTTP/1.1 200") == 1
    caller.socket.shutdown(socket.SHUT_WR)
    assert caller.rest() == b""


@pytest.mark.parametrize("sent", [0, 10, 999])
def test_who_leaves_within_the_rest_of_a_body_is_forgotten(call: Call, server: uvicorn.Server, sent: int) -> None:
    caller = call()
    caller.send(POST % b"" + b"Content-Length: 1000\r\n\r\n")
    assert caller.receive().startswith(b"HTTP/1.1 200")
    caller.send(bytes(sent))
    caller.socket.close()
    _until(lambda: not server.server_state.connections)


@pytest.mark.parametrize("size", [1000, 5_000_000])
def test_a_body_that_came_with_its_head_may_be_answered_before_it_is_parsed(call: Call, size: int) -> None:
    caller = call()
    for _ in range(3):
        caller.send(POST % b"" + b"Content-Length: %d\r\n\r\n" % size + bytes(size) + GET + b"\r\n")
        answers = caller.receive()
        if answers.count(b"HTTP/1.1 200") == 1:
            answers += caller.receive()
        assert answers.count(b"HTTP/1.1 200") == 2


def test_a_connection_on_which_nothing_is_said_after_the_rest_of_a_body_is_closed(call: Call) -> None:
    caller = call()
    caller.send(POST % b"" + b"Content-Length: 1000\r\n\r\n")
    assert caller.receive().startswith(b"HTTP/1.1 200")
    caller.send(bytes(1000))
    assert caller.rest() == b""


@pytest.mark.parametrize("end", [b"", b"Connection: close\r\n"])
def test_an_answer_that_nobody_reads_is_given_up(
    call: Call, server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_S", 0.5)
    caller = call(receive_buffer=4096)
    caller.send(b"GET /big HTTP/1.1\r\nHost: haja\r\n" + end + b"\r\n")
    _until(lambda: bool(server.server_state.connections))
    _until(lambda: not server.server_state.connections)
    assert len(caller.rest()) < BIG
