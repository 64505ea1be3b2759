"""A pool of embedders on machines that a network connects, which loses machines and cables while photos come."""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.drawn import photos
from tests.machines import Machine, machines
from tests.ray_cluster import until
from tests.service_process import HAJA

pytestmark = pytest.mark.long

CALLERS = 16
RAY_TIMEOUT_S = 5
LONGEST_S = 20
"""Until anybody has an answer: the time that a call may take, what its process may be late, and some for two cores."""
EMBEDDER = b"ray::ServeReplica"


@dataclass
class Site:
    """A head with an embedder, a machine with another one, and a third that runs a service only."""

    head: Machine
    other: Machine
    third: Machine
    logs: Path
    client: httpx.Client = field(init=False)

    @property
    def address(self) -> str:
        """Where Ray's head listens."""
        return f"{self.head.address}:6379"

    def start_head(self) -> None:
        """`haja worker` on the first machine; makes the token where there is none yet."""
        self.head.run(
            *HAJA, "worker", "--cpus", "1", log=self.logs / "head.log", HAJA_RAY_ADDRESS=self.address,
            HAJA_RAY_MIN_REPLICAS="2", HAJA_RAY_MAX_REPLICAS="2", HAJA_EMBED_THREADS="1", OMP_NUM_THREADS="1",
        )  # fmt: skip

    def join(self, machine: Machine, cpus: int) -> None:
        """`haja worker --address`, again whenever it ends, with a copy of the token."""
        token = Path(".ray/auth_token")
        until((self.head.home / token).exists)
        (machine.home / token).parent.mkdir()
        shutil.copy(self.head.home / token, machine.home / token)
        worker = f'"$@" worker --address {self.address} --cpus {cpus}'
        log = self.logs / f"{machine.home.name}.log"
        machine.run("sh", "-c", f"while :; do {worker}; sleep 1; done", "-", *HAJA, log=log)

    def serve(self) -> None:
        """`haja serve` on the third machine, with a key, and two classes in its catalog."""
        log = self.logs / "key.log"
        assert self.third.run(*HAJA, "keys", "create", "test", "--role", "admin", log=log).wait(60) == 0
        key = re.search(r"haja_\w{40,}", log.read_text("utf-8"))
        assert key, log.read_text("utf-8")
        self.third.run(
            *HAJA, "serve", log=self.logs / "service.log", HAJA_HOST=self.third.address, HAJA_EMBEDDER="ray",
            HAJA_RAY_ADDRESS=self.address, HAJA_RAY_TIMEOUT_S=str(RAY_TIMEOUT_S), HAJA_REQUESTS_PER_MINUTE="1000000",
        )  # fmt: skip
        self.client = httpx.Client(
            base_url=f"http://{self.third.address}:8000", timeout=60, headers={"Authorization": f"Bearer {key[0]}"}
        )
        until(self._answers)
        for name in ("crack", "rust"):
            made = self.client.post(
                "/v1/catalogs/default/defect-classes",
                data={"name": name},
                files=[("photos", (f"{number}.jpg", data)) for number, data in enumerate(photos(name, range(5)))],
            )
            assert made.status_code == 201, made.text

    def says(self, text: str) -> bool:
        """Whether the head has said that."""
        return text in (self.logs / "head.log").read_text("utf-8")

    def recognises(self) -> bool:
        """Whether photos are classified now, each rightly."""
        names = {}
        for name in ("crack", "rust"):
            answer = self.client.post(
                "/v1/catalogs/default/classifications", files={"photo": photos(name, range(7, 8))[0]}
            )
            if answer.status_code == 503:
                return False
            assert answer.status_code == 201, answer.text
            names[name] = answer.json()["predictions"][0]["defect_class"]["name"]
        return all(name == given for name, given in names.items())

    def _answers(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All three at work."""
    folder = tmp_path_factory.mktemp("machines")
    try:
        with machines(3, folder) as (head, other, third):
            made = Site(head, other, third, folder)
            made.start_head()
            made.join(other, 1)
            made.join(third, 0)
            until(lambda: made.says("now runs"), 600)
            made.serve()
            yield made
            made.client.close()
    except OSError as error:
        pytest.skip(f"machines cannot be made here: {error}")


@asynccontextmanager
async def _load(site: Site) -> AsyncIterator[list[tuple[float, int]]]:
    """Callers meanwhile; the moments and the statuses of what they were answered, none of which took too long."""
    given: list[tuple[float, int]] = []
    stop = asyncio.Event()
    taken: list[float] = []
    files = [data for name in ("crack", "rust") for data in photos(name, range(5, 9))]

    async def caller(client: httpx.AsyncClient, number: int) -> None:
        while not stop.is_set():
            began = time.monotonic()
            answer = await client.post(
                "/v1/catalogs/default/classifications", files={"photo": files[number % len(files)]}
            )
            taken.append(time.monotonic() - began)
            given.append((time.monotonic(), answer.status_code))
            if answer.status_code == 503:
                assert answer.json()["code"] == "embedder-unavailable"
                await asyncio.sleep(0.2)

    async with httpx.AsyncClient(base_url=site.client.base_url, headers=site.client.headers, timeout=60) as client:
        callers = asyncio.gather(*(caller(client, number) for number in range(CALLERS)))
        yield given
        stop.set()
        await callers
    assert {status for _, status in given} <= {201, 503}
    assert max(taken) < LONGEST_S


def _since(given: list[tuple[float, int]], moment: float) -> set[int]:
    return {status for when, status in given if when >= moment}


async def test_a_machine_without_cores_reaches_the_embedders_of_the_others(site: Site) -> None:
    assert site.head.runs(EMBEDDER)
    assert site.other.runs(EMBEDDER)
    assert not site.third.runs(EMBEDDER)
    assert site.recognises()


async def test_a_machine_whose_cable_is_pulled_is_done_without_and_comes_back(site: Site) -> None:
    async with _load(site) as given:
        await asyncio.to_thread(until, lambda: len(given) > 50)
        site.other.cut()
        await asyncio.sleep(40)  # Ray takes half of that to give it up
        calm = time.monotonic()
        await asyncio.sleep(10)
    assert _since(given, calm) == {201}
    site.other.plug_in()
    # Its own node has ended by then, or ends now; `haja worker` runs again, and Ray puts the second embedder there.
    await asyncio.to_thread(until, lambda: not site.other.runs(EMBEDDER), 120)
    await asyncio.to_thread(until, lambda: site.other.runs(EMBEDDER), 120)
    assert "now runs" not in (site.logs / "machine2.log").read_text("utf-8"), "all embedders were started anew"
    assert site.head.runs(EMBEDDER)
    assert site.recognises()


async def test_a_service_outlives_the_head(site: Site) -> None:
    async with _load(site) as given:
        await asyncio.to_thread(until, lambda: len(given) > 50)
        site.head.switch_off()
        await asyncio.to_thread(until, lambda: given[-1][1] == 503, 120)
        site.head.switch_on()
        site.start_head()
        await asyncio.sleep(LONGEST_S)
    await asyncio.to_thread(until, site.recognises, 240)
