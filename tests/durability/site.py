"""A site that is killed in the middle of requests, beside what it must hold: the model."""

import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.durability.killable import Killable
from tests.rest import execute

State = dict[str, Any]
"""All that a site holds, without ids: equal states are equal sites."""

Effect = Callable[[State], None]


class Fate(NamedTuple):
    """How a request ends: at the `point`-th point from its beginning, after `seconds`, or well."""

    point: int = 0
    seconds: float | None = None


WELL = Fate()

WORDS = (
    "SELECT filename, feedback.note FROM feedback JOIN classifications ON classifications.id = classification_id "
    "ORDER BY feedback.id"
)

ABANDONED = (
    "SELECT photo_sha256 FROM job_items JOIN jobs ON jobs.id = job_items.job_id "
    "WHERE NOT ready AND photo_sha256 IS NOT NULL"
)
"""An upload that broke off keeps its photos for a day, see app.jobs.repository."""


@dataclass(frozen=True)
class Request:
    """A request, and what it does to the model."""

    method: str
    path: str
    effect: Effect
    arguments: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass
class Tally:
    """What was tried, for the record."""

    requests: int = 0
    restarts: int = 0
    kept: int = 0
    undone: int = 0
    repeats: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kills.items()))
        return (
            f"{self.requests} requests, {self.kills.total()} kills ({kinds}), of which {self.kept} kept and "
            f"{self.undone} undone whole, {self.repeats} repeated by key"
        )


class Site:
    """A running service and its model. Names say what is what: ids change where a request is repeated."""

    def __init__(self, folder: Path, url: str, blobs: Mapping[str, str], tally: Tally) -> None:
        self._url = url
        self.tally = tally
        environment = {"HAJA_PORT": "0", "HAJA_DATABASE_URL": url, "HAJA_DATABASE_TIMEOUT_S": "60", **blobs}
        self.service = Killable(folder, environment)
        self.service.start()
        self.client = httpx.Client(timeout=60)
        self._passed: list[str] = []
        self.class_ids: dict[tuple[str, str], str] = {}
        self.support_ids: dict[tuple[str, str, str], str] = {}
        self.answer_ids: dict[str, str] = {}
        self.state = self.look()

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.service.kill()
        self.service.died_at()

    def points(self, request: Request) -> list[str]:
        """Do a request well; the points that it passed."""
        self.do(request)
        return self._passed

    def kill_at(self, make: Callable[[], Request], point: int) -> None:
        """Do a request until it dies at its point, or at its last one where it passes fewer.

        Photos of a batch share a transaction where they are ready together, and each transaction has points of its own.
        """
        killed = self.tally.kills.total()
        for _ in range(5):
            self.do(make(), Fate(point=point))
            if self.tally.kills.total() > killed:
                return
            assert len(self._passed) < point
            point = len(self._passed)
        raise AssertionError(f"point {point} was not reached")

    def do(self, request: Request, fate: Fate = WELL) -> None:
        """Send a request to its fate, and compare what is there then; one with a key is repeated until it is answered.

        Answered well, it is there. Not answered, it is there as a whole or not at all.
        """
        self.tally.requests += 1
        after = copy.deepcopy(self.state)
        request.effect(after)
        if request.key is not None:
            after["keys"] = sorted([*after["keys"], request.key])
        answer = self._send_to_its_fate(request, fate)
        found = self.look()
        if answer is not None:
            assert answer.is_success, answer.text
            assert found == after
        else:
            assert found in (self.state, after), (self.state, found, after)
            self.tally.kept += found == after
            self.tally.undone += found != after
            if request.key is not None:
                self._repeat(request, was_there=found == after)
                found = self.look()
                assert found == after
        self.state = found

    def _send_to_its_fate(self, request: Request, fate: Fate) -> httpx.Response | None:
        self.service.arm(fate.point)
        timer = None if fate.seconds is None else threading.Timer(fate.seconds, self.service.kill)
        if timer is not None:
            timer.start()
        answer = None
        dies = fate.seconds is not None
        try:
            answer = self._send(request)
            self._finish_jobs()
            self._passed = self.service.arm(0)
        except (httpx.TransportError, EOFError, OSError):
            dies = True
        if timer is not None:
            timer.join()
        if dies:
            self._rise_again()
        return answer

    def _repeat(self, request: Request, *, was_there: bool) -> None:
        self.tally.repeats += 1
        answer = self._send(request)
        assert answer.is_success, answer.text
        assert ("idempotency-replayed" in answer.headers) == was_there
        self._finish_jobs()

    def _rise_again(self) -> None:
        point = self.service.died_at()
        self.tally.kills[point or "at any moment"] += 1
        # What the dead process had claimed is free when its lease runs out: as if that time had passed.
        execute(self._url, "UPDATE job_items SET claimed_until = NULL WHERE claimed_until IS NOT NULL")
        code, printed = self.service.command("check")
        assert code == 0, printed
        self.service.start()
        self._finish_jobs()

    def _send(self, request: Request) -> httpx.Response:
        headers = {} if request.key is None else {"Idempotency-Key": request.key}
        address = self.service.address + request.path
        return self.client.request(request.method, address, headers=headers, **request.arguments)

    def _finish_jobs(self) -> None:
        for _ in range(1200):
            if all(job["state"] == "finished" for job in self._all("/v1/jobs")):
                return
            time.sleep(0.02)
        raise AssertionError("a batch stands still")

    def look(self) -> State:
        """What the site holds: by its interface, and in the database what the interface does not show."""
        self.class_ids, self.support_ids, self.answer_ids = {}, {}, {}
        state: State = {"catalogs": {}, "answers": {}}
        for catalog in self._all("/v1/catalogs"):
            classes = {
                each["name"]: self._examples(catalog["name"], each)
                for each in self._all(f"/v1/catalogs/{catalog['name']}/defect-classes")
            }
            state["catalogs"][catalog["name"]] = {"version": catalog["version"], "classes": classes}
        for answer in self._all("/v1/classifications"):
            name = answer["photo"]["filename"]
            assert name not in self.answer_ids, f"{name} was classified twice"
            self.answer_ids[name] = answer["id"]
            state["answers"][name] = {"catalog": answer["catalog"], "photo": answer["photo"]["id"], "words": []}
        for name, note in execute(self._url, WORDS):
            state["answers"][name]["words"].append(note)
        jobs = self._all("/v1/jobs")
        assert all(job["failed"] == 0 for job in jobs), jobs
        state["jobs"] = sorted([job["catalog"], job["total"]] for job in jobs)
        state["keys"] = sorted(row[0] for row in execute(self._url, "SELECT key FROM idempotency_keys"))
        kept = {row[0] for row in execute(self._url, "SELECT sha256 FROM photos")}
        abandoned = {row[0] for row in execute(self._url, ABANDONED)}
        assert kept - abandoned <= _photos(state) <= kept
        return state

    def _examples(self, catalog: str, defect_class: Mapping[str, Any]) -> list[str]:
        self.class_ids[catalog, defect_class["name"]] = defect_class["id"]
        found = []
        for support in self._all(f"/v1/defect-classes/{defect_class['id']}/support-photos"):
            self.support_ids[catalog, defect_class["name"], support["photo_id"]] = support["id"]
            found.append(support["photo_id"])
        assert len(found) == defect_class["shots"]
        return sorted(found)

    def _all(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 200}
        while True:
            answer = self.client.get(self.service.address + path, params=query)
            assert answer.status_code == 200, answer.text
            items += answer.json()["items"]
            query["cursor"] = answer.json()["next_cursor"]
            if query["cursor"] is None:
                return items


def _photos(state: State) -> set[str]:
    supports = {
        sha256
        for catalog in state["catalogs"].values()
        for examples in catalog["classes"].values()
        for sha256 in examples
    }
    return supports | {answer["photo"] for answer in state["answers"].values()}
