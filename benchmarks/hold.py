"""Callers who send as much as they can and then next to nothing: what is left for the photos of others, and memory."""

import contextlib
import dataclasses
import itertools
import re
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np
from fastapi.routing import APIRoute

import app.web.endpoints
import app.web.sign_in
from app.server.limits import DEFAULT
from benchmarks import load, pictures, report, service
from benchmarks.report import Section, counted, verdict

CALLERS = 8
CONNECTIONS = (10, 100, 200)
KEPT = 0.9
GROWTH = 1.2
TRICKLE_S = 0.5
SENDING_S = 5
"""Longest wait for the service to take or refuse what is sent."""

SETTLE_S = 1.0
"""From the end of a burst on, until no photo is left that waited behind it."""

_PART = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
_ZEROS = memoryview(bytes(256_000))

Window = tuple[float, float]
"""From one time of `time.perf_counter` to another."""


@dataclass(frozen=True)
class Target:
    """A request that is begun."""

    method: str
    name: str
    path: str
    has_photos: bool


@dataclass(frozen=True)
class Cell:
    """Who holds what: connections by the same caller, dealt out to `targets` in turns."""

    who: str
    key: str | None
    targets: Sequence[Target]
    connections: int

    def groups(self) -> Iterator[list[Target]]:
        """The targets of connections that are open together, until each target has had its turn."""
        turns = itertools.cycle(self.targets)
        for _ in range(-(-len(self.targets) // self.connections)):
            yield list(itertools.islice(turns, self.connections))


@dataclass
class Others:
    """Photos of others, which are sent all the time, and the memory of the service."""

    running: service.Service
    answered: list[tuple[float, str]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    processor: list[tuple[float, float]] = field(default_factory=list)

    def rate(self, windows: Sequence[Window]) -> float:
        """Photos classified per second."""
        return self._outcomes(windows)["HTTP 201"] / sum(end - begin for begin, end in windows)

    def cost_ms(self, windows: Sequence[Window]) -> float:
        """Processor time of the service per photo, whatever else the machine does meanwhile."""
        times, seconds = zip(*self.processor, strict=True)
        spent = sum(np.interp(end, times, seconds) - np.interp(begin, times, seconds) for begin, end in windows)
        return 1000 * float(spent) / max(1, self._outcomes(windows)["HTTP 201"])

    def errors(self, windows: Sequence[Window]) -> Counter[str]:
        """Whatever else was answered."""
        found = self._outcomes(windows)
        del found["HTTP 201"]
        return found

    def most_mb(self, begin: float, end: float) -> float:
        """Most resident memory, in MiB."""
        return max(mb for at, mb in self.memory if begin <= at < end)

    @contextlib.contextmanager
    def sending(self, bases: Sequence[bytes]) -> Iterator[None]:
        """Send photos while the block lasts."""
        ended = threading.Event()

        def call(number: int) -> None:
            connection = load.Connection(self.running)
            while not ended.is_set():
                try:
                    outcome = f"HTTP {connection.classify(bases[number % len(bases)])}"
                    if outcome != "HTTP 201":
                        outcome += f" {connection.problem}"
                except OSError as error:
                    outcome = type(error).__name__
                self.answered.append((time.perf_counter(), outcome))
            connection.close()

        def watch() -> None:
            while not ended.wait(0.2):
                self.memory.append((time.perf_counter(), self.running.memory_mb()))
                self.processor.append((time.perf_counter(), self.running.cpu_s()))

        threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
        threads.append(threading.Thread(target=watch))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _outcomes(self, windows: Sequence[Window]) -> Counter[str]:
        return Counter(outcome for at, outcome in self.answered if any(begin <= at < end for begin, end in windows))


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    connections, warm_s, hold_s = ((10,), 3.0, 1.0) if quick else (CONNECTIONS, 20.0, 4.0)
    section = Section("hold", "Callers who hold what they can")
    section.text(
        f"{CALLERS} callers send photos of 12 MP all the time, with a key of their own. Meanwhile somebody opens "
        f"connections, declares a form of {DEFAULT.request_bytes / 1e6:g} MB on each, sends up to "
        f"{DEFAULT.held_bytes / 1e9:g} GB together as fast as he can, until he is answered or for {SENDING_S} s (the "
        f"burst), and then a byte each {TRICKLE_S:g} s (the hold, measured for {hold_s:g} s from {SETTLE_S:g} s after "
        "the burst). Where the table says all, the connections are dealt out to all operations of the OpenAPI document "
        "and all pages, in turns, until each had one. Photos a second are compared with those in the "
        f"{hold_s:g} s of rest before and after. Memory is resident, MiB, the most from the beginning of the burst on, "
        f"against the most in {warm_s:g} s of the same photos before anybody held anything, with one GET of everything "
        "among them. Both cores are shared by the service, its callers and those who hold. "
        "The last rows also ask for work that the key may have done, such as exports of all photos."
    )
    bases = pictures.drawn(*pictures.SIZES["12 MP (4000 x 3000)"])
    with service.running(environment={"HAJA_REQUESTS_PER_MINUTE": "1000000"}) as running:
        service.register_drawn_classes(running)
        httpx.post(f"{running.address}/v1/catalogs", json={"name": "held"}).raise_for_status()
        service.register_drawn_classes(running, "held")
        holder = _key(running, None)
        honest = _key(running, holder)
        others = Others(dataclasses.replace(running, headers=f"Authorization: Bearer {honest}\r\n"))
        targets = _targets(running, holder)
        with others.sending(bases):
            began = time.perf_counter()
            _read_all(running, targets, honest)
            time.sleep(warm_s)
            before_mb = others.most_mb(began, time.perf_counter())
            _compare(section, others, _cells(targets, holder, connections), before_mb, hold_s)
    return section


def _compare(section: Section, others: Others, cells: Sequence[Cell], before_mb: float, hold_s: float) -> None:
    rows, shares, growths = [], [], []
    rest = _rest(hold_s)
    for cell in cells:
        begin = time.perf_counter()
        groups = list(cell.groups())
        held = [_hold(others.running, cell.key, each, hold_s / len(groups)) for each in groups]
        end = time.perf_counter()
        time.sleep(SETTLE_S)
        rests = [rest, rest := _rest(hold_s)]
        holds = [each.hold for each in held]
        before, during, after = others.rate(rests[:1]), others.rate(holds), others.rate(rests[1:])
        shares.append(2 * during / (before + after))
        most_mb = others.most_mb(begin, end)
        growths.append(most_mb / before_mb)
        bursts = [each.burst for each in held]
        rows.append(
            [cell.who, cell.connections, f"{before:.1f}", f"{others.rate(bursts):.1f}",
             f"{sum(end - begin for begin, end in bursts):.1f}", f"{during:.1f}", f"{after:.1f}", f"{shares[-1]:.2f}",
             f"{others.cost_ms(rests):.1f}", f"{others.cost_ms(holds):.1f}", f"{most_mb:.0f}", f"{growths[-1]:.2f}",
             counted(sum((each.told for each in held), Counter[str]())), counted(others.errors([(begin, end)]))]
        )  # fmt: skip
    section.text(
        f"Photos of others during the hold, median of {len(rows)} rows, {verdict(statistics.median(shares), KEPT)} "
        f"({min(shares):.2f} to {max(shares):.2f}); memory in the worst row "
        f"against the {before_mb:.0f} MiB before {verdict(max(growths), GROWTH, at_most=True)}."
    )
    section.table(
        ["who holds what", "connections", "photos/s before", "in the burst", "of s", "in the hold", "after", "kept",
         "processor ms a photo at rest", "in the hold", "most MiB", "of that before", "holders were answered",
         "others were answered, except 201"],
        rows,
    )  # fmt: skip


def _rest(seconds: float) -> Window:
    begin = time.perf_counter()
    time.sleep(seconds)
    return begin, time.perf_counter()


def _cells(targets: Sequence[Target], key: str, connections: Sequence[int]) -> list[Cell]:
    plain = [each for each in targets if not each.has_photos]
    photos = [each for each in targets if each.has_photos]
    sign_in = [each for each in targets if (each.method, each.path) == ("POST", "/sign-in")]
    wrong = f"{key[:-8]}aaaaaaaa"
    whole: list[tuple[str, str | None, Sequence[Target]]] = [
        ("no key: POST /sign-in", None, sign_in),
        (f"no key: all {len(targets)}", None, targets),
        (f"wrong key: all {len(targets)}", wrong, targets),
        *((f"key: {each.method} {each.name}", key, [each]) for each in photos),
        (f"key: {len(plain)} without photos", key, plain),  # last, since some of them delete the catalog
    ]
    return [Cell(*each, count) for each in whole for count in connections]


def _key(running: service.Service, by: str | None) -> str:
    headers = {} if by is None else {"Authorization": f"Bearer {by}"}
    wanted = {"name": "caller", "role": "admin"}
    made = httpx.post(f"{running.address}/v1/keys", json=wanted, headers=headers).raise_for_status()
    return str(made.json()["key"])


def _targets(running: service.Service, key: str) -> list[Target]:
    """Every operation of the document, every page, and an address where nothing is."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=running.address, headers=headers) as client:
        document = client.get("/openapi.json").raise_for_status().json()
        classes = client.get("/v1/catalogs/held/defect-classes").raise_for_status().json()
    filled = {"catalog": "held", "class_id": classes["items"][0]["id"]}
    found = [
        Target(
            method.upper(),
            path,
            _filled(path, filled),
            "multipart/form-data" in operation.get("requestBody", {}).get("content", {}),
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    for router in (app.web.endpoints.router, app.web.sign_in.router):
        found += [
            Target(method, route.path, _filled(route.path, filled), has_photos=False)
            for route in router.routes
            if isinstance(route, APIRoute)
            for method in sorted(route.methods or ())
        ]
    return found + [Target("POST", path, path, has_photos=False) for path in ("/nowhere", "/static/x/y")]


def _read_all(running: service.Service, targets: Sequence[Target], key: str) -> None:
    """Let the service load what it needs for single answers, such as the fonts of reports."""
    with httpx.Client(base_url=running.address, headers={"Authorization": f"Bearer {key}"}, timeout=120) as client:
        for target in targets:
            if target.method == "GET" and not target.path.endswith("/events"):
                client.get(target.path, headers={"Connection": "close"})


def _filled(path: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
    return re.sub(r"[{}]", "", path)


@dataclass(frozen=True)
class Held:
    """When connections were held, and what was answered to them."""

    burst: Window
    hold: Window
    told: Counter[str]


def _hold(running: service.Service, key: str | None, targets: Sequence[Target], seconds: float) -> Held:
    """Hold a connection to each of the targets."""
    quota = min(DEFAULT.request_bytes - 1_000_000, DEFAULT.held_bytes // len(targets))
    begin = time.perf_counter()
    with contextlib.ExitStack() as stack:
        holders = []
        for target in targets:
            connection = stack.enter_context(socket.create_connection((running.host, running.port)))
            connection.sendall(_head(running, target, key))
            connection.setblocking(False)
            holders.append(_Holder(connection, quota))
        while any(each.is_sending for each in holders) and time.perf_counter() < begin + SENDING_S:
            for each in holders:
                each.send()
        sent = time.perf_counter()
        while (now := time.perf_counter()) < sent + SETTLE_S + seconds:
            for each in holders:
                each.trickle()
            time.sleep(max(0.0, min(TRICKLE_S, sent + SETTLE_S + seconds - now)))
        end = time.perf_counter()
        return Held((begin, sent), (sent + SETTLE_S, end), Counter(each.told for each in holders))


def _head(running: service.Service, target: Target, key: str | None) -> bytes:
    authorization = "" if key is None else f"Authorization: Bearer {key}\r\n"
    head = (
        f"{target.method} {target.path} HTTP/1.1\r\nHost: {running.host}:{running.port}\r\n{authorization}"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {DEFAULT.request_bytes}\r\n\r\n"
    )
    return head.encode() + _PART


@dataclass
class _Holder:
    """One connection of those who hold."""

    connection: socket.socket
    left: int
    told: str = "nothing"

    @property
    def is_sending(self) -> bool:
        return self.left > 0 and self.told == "nothing"

    def send(self) -> None:
        """Look whether the service has answered, and send a little more if not."""
        self._listen()
        if self.is_sending:
            self.left -= self._say(_ZEROS[: self.left])

    def trickle(self) -> None:
        """Send one byte more, also after an answer."""
        self._say(b"a")
        self._listen()

    def _say(self, data: bytes | memoryview) -> int:
        try:
            return self.connection.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._note(type(error).__name__)
            return 0

    def _listen(self) -> None:
        try:
            answer = self.connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError as error:
            self._note(type(error).__name__)
        else:
            self._note(f"HTTP {answer[9:12].decode(errors='replace')}" if answer else "closed")

    def _note(self, told: str) -> None:
        if self.told == "nothing":  # else it is more of the answer, or the end
            self.told = told


if __name__ == "__main__":
    report.main(measure)
