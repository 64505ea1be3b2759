"""Callers who send as much as they can and then next to nothing: what is left for the photos of others, and memory."""

import contextlib
import dataclasses
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
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
SENDING_S = 20
"""Longest wait for the service to take or refuse what is sent."""

_PART = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
_ZEROS = memoryview(bytes(1_000_000))


@dataclass(frozen=True)
class Target:
    """A request that is begun."""

    method: str
    name: str
    path: str
    has_photos: bool


Window = tuple[float, float]
"""From one time of `time.perf_counter` to another."""


@dataclass
class Others:
    """Photos of others, which are sent all the time, and the memory of the service."""

    running: service.Service
    answered: list[tuple[float, str]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def rate(self, windows: Sequence[Window]) -> float:
        """Photos classified per second."""
        return self._outcomes(windows)["HTTP 201"] / sum(end - begin for begin, end in windows)

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
                except OSError as error:
                    outcome = type(error).__name__
                self.answered.append((time.perf_counter(), outcome))
            connection.close()

        def watch() -> None:
            while not ended.wait(0.2):
                self.memory.append((time.perf_counter(), self.running.memory_mb()))

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
    connections, rest_s, walk_s, hold_s = ((10,), 1.0, 0.05, 1.0) if quick else (CONNECTIONS, 2.0, 0.1, 3.0)
    section = Section("hold", "Callers who hold what they can")
    section.text(
        f"{CALLERS} callers send photos of 12 MP all the time, with a key of their own. Meanwhile others open as many "
        f"connections to one path as the table says, declare a form of {DEFAULT.request_bytes / 1e6:g} MB on each, "
        f"send up to {DEFAULT.held_bytes / 1e9:g} GB together as fast as they can, until they are answered, and then a "
        f"byte each {TRICKLE_S:g} s. This last is what is measured: {hold_s:g} s of it for each path with photos, "
        f"and {walk_s:g} s for each of the others, which are all operations of the OpenAPI document and all pages. "
        f"Photos a second are compared with those in {rest_s:g} s of rest before and after. Memory is resident, MiB, "
        f"also while the bytes come in, and compared with what {load_callers(quick)} callers and one GET of everything "
        "had left before."
    )
    bases = pictures.drawn(*pictures.SIZES["12 MP (4000 x 3000)"])
    rows, shares, growths = [], [], []
    with service.running(environment={"HAJA_REQUESTS_PER_MINUTE": "1000000"}) as running:
        service.register_drawn_classes(running)
        httpx.post(f"{running.address}/v1/catalogs", json={"name": "held"}).raise_for_status()
        service.register_drawn_classes(running, "held")
        load.for_count(running, bases, load_callers(quick), 10 * load_callers(quick))
        holder = _key(running, None)
        others = Others(dataclasses.replace(running, headers=f"Authorization: Bearer {_key(running, holder)}\r\n"))
        targets = _targets(running, holder)
        _read_all(running, targets, holder)
        before_mb = running.memory_mb()
        cells = _cells(targets, holder, connections)
        with others.sending(bases):
            time.sleep(load.RAMP_S)
            before = others.rate([_rest(rest_s)])
            for who, key, tried, count in cells:
                begin = time.perf_counter()
                held = [_hold(running, each, key, count, hold_s if len(tried) == 1 else walk_s) for each in tried]
                windows = [window for window, _ in held]
                end = time.perf_counter()
                after = others.rate([_rest(rest_s)])
                during = others.rate(windows)
                shares.append(2 * during / (before + after))
                most_mb = others.most_mb(begin, end)
                growths.append(most_mb / before_mb)
                rows.append(
                    [who, count, f"{before:.1f}", f"{during:.1f}", f"{after:.1f}", f"{shares[-1]:.2f}",
                     f"{most_mb:.0f}", f"{growths[-1]:.2f}", counted(sum((told for _, told in held), Counter[str]())),
                     counted(others.errors([(begin, end)]))]
                )  # fmt: skip
                before = after
    section.text(
        f"Photos of others in the worst row {verdict(min(shares), KEPT)}; memory in the worst row against the "
        f"{before_mb:.0f} MiB before {verdict(max(growths), GROWTH, at_most=True)}."
    )
    section.table(
        ["who holds what", "connections", "photos/s before", "meanwhile", "after", "kept", "most MiB", "of that before",
         "holders were answered", "others were answered, except 201"],
        rows,
    )  # fmt: skip
    return section


def load_callers(quick: bool) -> int:
    """How many callers warm the service up."""
    return CALLERS if quick else 4 * CALLERS


def _rest(seconds: float) -> Window:
    begin = time.perf_counter()
    time.sleep(seconds)
    return begin, time.perf_counter()


def _cells(
    targets: Sequence[Target], key: str, connections: Sequence[int]
) -> list[tuple[str, str | None, list[Target], int]]:
    """Who holds what: a name for the table, the key that is sent, the paths, and the connections to each."""
    plain = [each for each in targets if not each.has_photos]
    photos = [each for each in targets if each.has_photos]
    whole: list[tuple[str, str | None, list[Target]]] = [
        (f"no key: all {len(targets)}", None, list(targets)),
        (f"key: {len(plain)} without photos", key, plain),
        *((f"key: {each.method} {each.name}", key, [each]) for each in photos),
    ]
    wrong = (f"wrong key: all {len(targets)}", f"{key[:-8]}aaaaaaaa", list(targets), connections[-1])
    return [*((*each, count) for each in whole for count in connections), wrong]


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
    for target in targets:
        if target.method == "GET" and not target.path.endswith("/events"):
            try:
                httpx.get(f"{running.address}{target.path}", headers={"Authorization": f"Bearer {key}"}, timeout=120)
            except httpx.ReadError as error:
                error.add_note(target.path)
                raise


def _filled(path: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{", "").replace("}", "")


def _hold(
    running: service.Service, target: Target, key: str | None, count: int, seconds: float
) -> tuple[Window, Counter[str]]:
    """Hold a number of connections for a while from when all have been sent; from when on, and what was answered."""
    authorization = "" if key is None else f"Authorization: Bearer {key}\r\n"
    head = (
        f"{target.method} {target.path} HTTP/1.1\r\nHost: {running.host}:{running.port}\r\n{authorization}"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {DEFAULT.request_bytes}\r\n\r\n"
    ).encode()
    quota = min(DEFAULT.request_bytes - 1_000_000, DEFAULT.held_bytes // count)
    with contextlib.ExitStack() as stack:
        holders = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((running.host, running.port)))
            connection.sendall(head + _PART)
            connection.setblocking(False)
            holders.append(_Holder(connection, quota))
        late = time.perf_counter() + SENDING_S
        while any(each.is_sending for each in holders) and time.perf_counter() < late:
            for each in holders:
                each.send()
        begin = time.perf_counter()
        while (now := time.perf_counter()) < begin + seconds:
            for each in holders:
                each.trickle()
            time.sleep(min(TRICKLE_S, begin + seconds - now))
        return (begin, time.perf_counter()), Counter(each.told for each in holders)


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
        """Send as much as the service takes, and look whether it has answered."""
        with contextlib.suppress(BlockingIOError):
            self._listen()
        with contextlib.suppress(BlockingIOError):
            while self.is_sending:
                self.left -= self._say(_ZEROS[: self.left])

    def trickle(self) -> None:
        """Send one byte more, also after an answer."""
        with contextlib.suppress(BlockingIOError):
            self._say(b"a")
        with contextlib.suppress(BlockingIOError):
            self._listen()

    def _say(self, data: bytes | memoryview) -> int:
        try:
            return self.connection.send(data)
        except BlockingIOError:
            raise
        except OSError as error:
            self._note(type(error).__name__)
            return 0

    def _listen(self) -> None:
        try:
            answer = self.connection.recv(65_536)
        except BlockingIOError:
            raise
        except OSError as error:
            self._note(type(error).__name__)
        else:
            self._note(f"HTTP {answer[9:12].decode(errors='replace')}" if answer else "closed")

    def _note(self, told: str) -> None:
        if self.told == "nothing":  # else it is more of the answer, or the end
            self.told = told


if __name__ == "__main__":
    report.main(measure)
