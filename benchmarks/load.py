"""The load: one thread and one kept connection a caller, which sends prebuilt requests and reads the status.

It shares the cores with the service, so it does as little as it can: a request is three pieces of memory that the
kernel takes in one call, and of the answer only the status line and the length are looked at.
"""

import itertools
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.pictures import unique_start
from benchmarks.service import Service

RAMP_S = 3.0
"""Longer than one answer takes where many callers wait, so that the window sees the steady state."""
_TIMEOUT = struct.pack("ll", 60, 0)
_BOUNDARY = b"haja-benchmark-boundary"
_HEAD = (
    b"--" + _BOUNDARY + b'\r\nContent-Disposition: form-data; name="photo"; filename="query.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n"
)
_TAIL = b"\r\n--" + _BOUNDARY + b"--\r\n"


@dataclass(frozen=True)
class Answers:
    """What callers got within the measured window."""

    callers: int
    seconds: float
    latencies_ms: list[float]
    errors: Counter[str]
    generator_cpu_s: float
    service_cpu_s: float

    @property
    def rate(self) -> float:
        """Photos classified per second."""
        return len(self.latencies_ms) / self.seconds

    def percentile(self, percent: float) -> float:
        """A percentile of the latency, in ms."""
        return float(np.percentile(self.latencies_ms, percent)) if self.latencies_ms else float("nan")


def together(rounds: Sequence[Answers]) -> Answers:
    """Several rounds by the same number of callers as one."""
    return Answers(
        rounds[0].callers,
        sum(answers.seconds for answers in rounds),
        [latency for answers in rounds for latency in answers.latencies_ms],
        sum((answers.errors for answers in rounds), Counter[str]()),
        sum(answers.generator_cpu_s for answers in rounds),
        sum(answers.service_cpu_s for answers in rounds),
    )


class Connection:
    """One keep-alive connection that sends photos to be classified."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._line = (
            f"POST {service.path} HTTP/1.1\r\nHost: {service.host}:{service.port}\r\n{service.headers}"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}\r\nContent-Length: "
        ).encode()
        self._socket: socket.socket | None = None
        self.problem = ""
        """The code of the last answer, where it was a problem."""

    def classify(self, base: bytes) -> int:
        """Send one unique photo, the picture of which is `base`; the answer's status.

        Raises:
            OSError: the connection broke; the next call opens another.
        """
        try:
            connection = self._socket = self._socket or self._connect()
            start = _HEAD + unique_start()
            length = len(start) + len(base) - 2 + len(_TAIL)
            pieces: list[bytes | memoryview] = [
                self._line + b"%d\r\n\r\n" % length + start,
                memoryview(base)[2:],
                _TAIL,
            ]
            sent = connection.sendmsg(pieces)
            whole = sum(map(len, pieces))
            if sent < whole:  # only after a signal: the socket blocks
                connection.sendall(b"".join(pieces)[sent:])
            status, closes, self.problem = _read_answer(connection)
        except OSError:
            self.close()
            raise
        if closes:
            self.close()
        return status

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        connection = socket.create_connection((self._service.host, self._service.port))
        # Python's own timeout would make the socket non-blocking, and wake the thread for every piece that fits.
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def for_seconds(service: Service, bases: Sequence[bytes], callers: int, seconds: float) -> Answers:
    """Keep `callers` busy; counts what is answered in a window of `seconds` after the ramp."""
    begin = time.perf_counter() + RAMP_S
    end = begin + seconds
    notes = _Notes()
    threads = _start(service, bases, callers, notes, lambda: time.perf_counter() < end)
    generator, server = _cpu_s_between(service, begin, end)
    for thread in threads:
        thread.join()
    inside = [latency for finished, latency in notes.good if begin <= finished < end]
    return Answers(callers, seconds, inside, notes.errors, generator, server)


def for_count(service: Service, bases: Sequence[bytes], callers: int, count: int) -> Answers:
    """Classify `count` photos."""
    left = iter(range(count))
    notes = _Notes()
    started = time.perf_counter()
    generator, server = time.process_time(), service.cpu_s()
    for thread in _start(service, bases, callers, notes, lambda: next(left, None) is not None):
        thread.join()
    seconds = time.perf_counter() - started
    latencies = [latency for _, latency in notes.good]
    return Answers(callers, seconds, latencies, notes.errors, time.process_time() - generator, service.cpu_s() - server)


@dataclass(frozen=True)
class Offered:
    """What came of photos that were sent at a fixed rate, however long the answers took."""

    rate: float
    seconds: float
    sent: int
    good_ms: list[float]
    refused_ms: list[float]
    errors: Counter[str]
    latest_ms: float
    generator_cpu_s: float
    service_cpu_s: float

    @property
    def goodput(self) -> float:
        """Photos classified per second."""
        return len(self.good_ms) / self.seconds


def at_rate(service: Service, bases: Sequence[bytes], rate: float, connections: int, seconds: float) -> Offered:
    """Send `rate` photos a second; counts what is answered in a window of `seconds` after the ramp.

    A photo whose time has come while all `connections` wait for answers is sent late; `latest_ms` is the worst.
    """
    begin = time.perf_counter() + RAMP_S
    end = begin + seconds
    numbers = itertools.count()  # several threads may ask it for the next at once; not so a generator
    sent: list[tuple[float, float, str]] = []
    late_ms: list[float] = []

    def call(number: int) -> None:
        connection = Connection(service)
        while (arrival := begin - RAMP_S + next(numbers) / rate) < end:
            time.sleep(max(arrival - time.perf_counter(), 0))
            started = time.perf_counter()
            late_ms.append(1000 * (started - arrival))
            try:
                outcome = f"HTTP {connection.classify(bases[number % len(bases)])}"
            except OSError as error:
                outcome = type(error).__name__
            sent.append((started, time.perf_counter(), outcome))
        connection.close()

    threads = [threading.Thread(target=call, args=(number,), name=f"caller-{number}") for number in range(connections)]
    for thread in threads:
        thread.start()
    generator, server = _cpu_s_between(service, begin, end)
    for thread in threads:
        thread.join()
    inside = [(1000 * (finished - started), outcome) for started, finished, outcome in sent if begin <= finished < end]
    return Offered(
        rate,
        seconds,
        sum(begin <= started < end for started, *_ in sent),
        [ms for ms, outcome in inside if outcome == "HTTP 201"],
        [ms for ms, outcome in inside if outcome == "HTTP 429"],
        Counter(outcome for *_, outcome in sent if outcome not in {"HTTP 201", "HTTP 429"}),
        max(late_ms),
        generator,
        server,
    )


def _cpu_s_between(service: Service, begin: float, end: float) -> tuple[float, float]:
    """Processor seconds that the load and the service take between two times of `time.perf_counter`."""
    time.sleep(max(begin - time.perf_counter(), 0))
    generator, server = time.process_time(), service.cpu_s()
    time.sleep(max(end - time.perf_counter(), 0))
    return time.process_time() - generator, service.cpu_s() - server


@dataclass
class _Notes:
    """Appending is atomic in CPython; the counter is only touched by who failed."""

    good: list[tuple[float, float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _start(
    service: Service, bases: Sequence[bytes], callers: int, notes: _Notes, more: Callable[[], bool]
) -> list[threading.Thread]:
    def call(number: int) -> None:
        connection = Connection(service)
        turn = number
        while more():
            started = time.perf_counter()
            try:
                status = connection.classify(bases[turn % len(bases)])
                fault = None if status in {200, 201} else f"HTTP {status}"
            except OSError as error:
                fault = type(error).__name__
            finished = time.perf_counter()
            if fault is None:
                notes.good.append((finished, 1000 * (finished - started)))
            else:
                with notes.lock:
                    notes.errors[fault] += 1
            turn += 1
        connection.close()

    threads = [threading.Thread(target=call, args=(number,), name=f"caller-{number}") for number in range(callers)]
    for thread in threads:
        thread.start()
    return threads


def _read_answer(connection: socket.socket) -> tuple[int, bool, str]:
    """Read one whole answer: its status, whether it ends the connection, and a problem's code."""
    data = connection.recv(65536)
    while data and (end := data.find(b"\r\n\r\n")) < 0:
        data += connection.recv(65536)
    if not data:
        raise ConnectionResetError("the service closed the connection")
    head = data[:end].lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    while len(data) < end + 4 + length:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionResetError("the service closed the connection within an answer")
        data += piece
    problem = json.loads(data[end + 4 :])["code"] if b"application/problem+json" in head else ""
    return int(head.split(b" ", 2)[1]), b"connection: close" in head, problem
