"""Several writers at once: every change counts once, nothing is left over, and nobody is told of an error of ours."""

import asyncio
import random
from collections import Counter

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.maintenance.check import find_faults
from tests.drawn import photo, photos
from tests.rest import classify, created, execute, files, register

pytestmark = pytest.mark.both_databases

WRITERS = 8
STEPS = 25
# Few photos and few catalogs: the writers shall run into each other.
POOL = [photo(kind, seed) for kind in ("crack", "rust") for seed in range(3)]
CATALOGS = ["default", "north", "south"]
ORPHANS = (
    "SELECT sha256 FROM photos WHERE sha256 NOT IN (SELECT photo_sha256 FROM support_photos) "
    "AND sha256 NOT IN (SELECT photo_sha256 FROM classifications)"
)


async def _is_sound(app: FastAPI, settings: Settings) -> None:
    assert await find_faults(app.state.database, app.state.blobs) == []
    assert execute(settings.database_url, ORPHANS) == []


async def test_an_example_that_four_remove_at_once_is_removed_once(
    app: FastAPI, client: httpx.AsyncClient, settings: Settings
) -> None:
    made = await register(client, "crack", photos("crack", range(8)))
    for outcome in made["photos"][:6]:
        address = f"/v1/support-photos/{outcome['support_photo_id']}"
        answers = await asyncio.gather(*(client.delete(address) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
    assert (await client.get(f"/v1/defect-classes/{made['id']}")).json()["shots"] == 2
    await _is_sound(app, settings)


async def test_a_class_that_is_removed_under_those_who_change_it(
    app: FastAPI, client: httpx.AsyncClient, settings: Settings
) -> None:
    for number in range(4):
        made = await register(client, f"class {number}", [POOL[0]])
        address = f"/v1/defect-classes/{made['id']}"
        answers = await asyncio.gather(
            client.delete(address),
            client.delete(address),
            client.patch(address, json={"title_en": "Crack"}),
            client.post(f"{address}/support-photos", files=files([POOL[1]])),
        )
        assert sorted(answer.status_code for answer in answers[:2]) == [204, 404]
        assert {answer.status_code for answer in answers[2:]} <= {200, 201, 404}
    await _is_sound(app, settings)


async def test_changes_at_the_same_time_all_count(client: httpx.AsyncClient) -> None:
    """None may overwrite another's sum or version."""
    made = await register(client, "crack", [photo("crack", 0)])
    address = f"/v1/defect-classes/{made['id']}/support-photos"
    answers = await asyncio.gather(*(client.post(address, files=files([photo("crack", seed)])) for seed in range(1, 9)))
    assert sorted(created(answer)["catalog_version"] for answer in answers) == list(range(3, 11))
    plain = await register(client, "plain", photos("crack", range(9)))
    assert plain["shots"] == 9
    first, second = (await classify(client, photo("rust", 3)))["predictions"]
    assert first["similarity"] == second["similarity"]


class Writer:
    """Does anything that the interface offers, with what all writers have made so far."""

    def __init__(self, client: httpx.AsyncClient, seed: int, site: dict[str, list[str]]) -> None:
        self._client = client
        self._random = random.Random(seed)  # noqa: S311 - to be repeated, not a secret
        self._site = site
        self.answers: Counter[tuple[str, int]] = Counter()

    async def work(self) -> None:
        often = [self.register, self.add, self.remove, self.classify, self.feedback]
        steps = [*often, *often, *often, self.rename, self.drop, self.replace_catalog]
        for _ in range(STEPS):
            step = self._random.choice(steps)
            answer = await step()
            if answer is not None:
                self.answers[step.__name__, answer.status_code] += 1
                assert answer.status_code in {200, 201, 204, 404, 409, 422}, f"{step.__name__}: {answer.text}"

    def _photos(self) -> list[tuple[str, tuple[str, bytes, str]]]:
        return files(self._random.sample(POOL, self._random.randint(1, 3)))

    def _one(self, kind: str) -> str | None:
        return self._random.choice(self._site[kind]) if self._site[kind] else None

    def _note(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 201:
            self._site["classes"].append(answer.json()["id"])
            self._site["supports"] += [each["support_photo_id"] for each in answer.json()["photos"]]
        return answer

    async def register(self) -> httpx.Response:
        address = f"/v1/catalogs/{self._random.choice(CATALOGS)}/defect-classes"
        name = {"name": f"class {self._random.randrange(20)}"}
        return self._note(await self._client.post(address, data=name, files=self._photos()))

    async def add(self) -> httpx.Response | None:
        if (class_id := self._one("classes")) is None:
            return None
        address = f"/v1/defect-classes/{class_id}/support-photos"
        return self._note(await self._client.post(address, files=self._photos()))

    async def remove(self) -> httpx.Response | None:
        support_id = self._one("supports")
        return None if support_id is None else await self._client.delete(f"/v1/support-photos/{support_id}")

    async def rename(self) -> httpx.Response | None:
        change = {"name": f"class {self._random.randrange(20)}"}
        class_id = self._one("classes")
        return None if class_id is None else await self._client.patch(f"/v1/defect-classes/{class_id}", json=change)

    async def drop(self) -> httpx.Response | None:
        class_id = self._one("classes")
        return None if class_id is None else await self._client.delete(f"/v1/defect-classes/{class_id}")

    async def classify(self) -> httpx.Response:
        address = f"/v1/catalogs/{self._random.choice(CATALOGS)}/classifications"
        answer = await self._client.post(address, files=files([self._random.choice(POOL)], "photo"))
        if answer.status_code == 201:
            self._site["answers"].append(answer.json()["id"])
        return answer

    async def feedback(self) -> httpx.Response | None:
        if (answer_id := self._one("answers")) is None:
            return None
        sent = {"verdict": "confirmed", "add_to_support": self._random.random() < 0.5}
        return await self._client.post(f"/v1/classifications/{answer_id}/feedback", json=sent)

    async def replace_catalog(self) -> httpx.Response:
        name = self._random.choice(CATALOGS[1:])
        if self._random.random() < 0.5:
            await self._client.delete(f"/v1/catalogs/{name}")
        return await self._client.post("/v1/catalogs", json={"name": name})


async def test_eight_writers_leave_a_sound_site(app: FastAPI, client: httpx.AsyncClient, settings: Settings) -> None:
    site: dict[str, list[str]] = {"classes": [], "supports": [], "answers": []}
    for name in CATALOGS[1:]:
        created(await client.post("/v1/catalogs", json={"name": name}))
    writers = [Writer(client, number, site) for number in range(WRITERS)]
    await asyncio.gather(*(writer.work() for writer in writers))
    done = sum((writer.answers for writer in writers), Counter())
    for step, status in (("register", 201), ("add", 201), ("remove", 204), ("classify", 201), ("feedback", 201)):
        assert done[step, status] > 0, done
    await _is_sound(app, settings)
