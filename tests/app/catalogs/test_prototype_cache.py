"""The cached index after any history equals one that is built from nothing, and an index in use never changes."""

import asyncio
import random
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app.catalogs.prototype_cache import Candidate, PrototypeCache, PrototypeIndex
from app.errors import CatalogNotFound
from tests.drawn import photo
from tests.rest import CLASSES, created, files, register

POOL = [photo(kind, seed) for kind in ("crack", "rust", "brick") for seed in range(4)]


def _content(index: PrototypeIndex) -> dict[UUID, tuple[Candidate, bytes]]:
    """What an index says, whatever the order of its rows."""
    assert len(index.rows) == len(index.candidates)
    said = {
        candidate.defect_class.id: (candidate, index.matrix[row].tobytes())
        for row, candidate in zip(index.rows, index.candidates, strict=True)
    }
    assert len(said) == len(index.candidates)
    return said


async def _fresh(app: FastAPI, catalog_id: UUID, version: int) -> PrototypeIndex:
    cache = PrototypeCache(app.state.database)
    return await cache.index(catalog_id, version)


class History:
    """Random changes over the REST interface."""

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        self._client = client
        self._random = random.Random(seed)  # noqa: S311 - a history that can be repeated, not a secret
        self._supports: dict[str, list[str]] = {}
        self._names = 0

    async def step(self) -> None:
        often = [self._register, self._add, self._remove]
        steps = [*often, *often, self._edit, self._drop] if self._supports else [self._register]
        await self._random.choice(steps)()

    def _photos(self) -> list[tuple[str, tuple[str, bytes, str]]]:
        return files(self._random.sample(POOL, self._random.randint(1, 3)))

    def _note(self, body: dict[str, Any]) -> None:
        known = self._supports.setdefault(body["id"], [])
        known += [outcome["support_photo_id"] for outcome in body["photos"] if outcome["status"] == "accepted"]

    async def _register(self) -> None:
        self._names += 1
        self._note(created(await self._client.post(CLASSES, data={"name": f"n{self._names}"}, files=self._photos())))

    async def _add(self) -> None:
        class_id = self._random.choice(list(self._supports))
        address = f"/v1/defect-classes/{class_id}/support-photos"
        self._note(created(await self._client.post(address, files=self._photos())))

    async def _remove(self) -> None:
        known = self._supports[self._random.choice(list(self._supports))]
        if known:
            support = known.pop(self._random.randrange(len(known)))
            assert (await self._client.delete(f"/v1/support-photos/{support}")).status_code == 204

    async def _edit(self) -> None:
        class_id = self._random.choice(list(self._supports))
        self._names += 1
        change = {"name": f"n{self._names}", "threshold": self._random.choice([None, 0.25, -1])}
        assert (await self._client.patch(f"/v1/defect-classes/{class_id}", json=change)).status_code == 200

    async def _drop(self) -> None:
        class_id = self._random.choice(list(self._supports))
        del self._supports[class_id]
        assert (await self._client.delete(f"/v1/defect-classes/{class_id}")).status_code == 204


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 5))])
async def test_after_any_history_the_index_is_the_one_built_from_nothing(
    app: FastAPI, client: httpx.AsyncClient, seed: int
) -> None:
    service = app.state.catalog_service
    history = History(client, seed)
    in_use: list[tuple[PrototypeIndex, dict[UUID, tuple[Candidate, bytes]]]] = []
    for number in range(45):
        await history.step()
        if number % (1 + seed) == 0:  # several changes between two looks, too
            catalog_id, index = await service.index("default")
            fresh = await _fresh(app, catalog_id, index.version)
            assert index.version == fresh.version
            assert _content(index) == _content(fresh)
            in_use.append((index, _content(index)))
    assert max(len(content) for _, content in in_use) > 3
    for index, content in in_use:
        assert _content(index) == content


@pytest.mark.long
async def test_a_thousand_changes_do_not_let_the_matrix_grow(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Old rows are packed away now and then: memory follows the number of classes, not of changes."""
    made = [await register(client, f"class {number}", [POOL[number]]) for number in range(3)]
    sizes = []
    for number in range(60):
        address = f"/v1/defect-classes/{made[number % 3]['id']}/support-photos"
        added = created(await client.post(address, files=files([POOL[5]])))
        await app.state.catalog_service.index("default")
        await client.delete(f"/v1/support-photos/{added['photos'][0]['support_photo_id']}")
        _, index = await app.state.catalog_service.index("default")
        sizes.append(len(index.matrix))
    assert max(sizes) <= 4 * len(made)


async def test_callers_at_the_same_time_get_an_index_that_is_not_older_than_their_question(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    service = app.state.catalog_service
    await register(client, "first", [POOL[0]])

    async def ask() -> None:
        version = (await client.get("/v1/catalogs/default")).json()["version"]
        catalog_id, index = await service.index("default")
        assert index.version >= version
        fresh = await _fresh(app, catalog_id, index.version)
        # A class may have come between the two; what can be compared is the same version.
        if fresh.version == index.version:
            assert _content(index) == _content(fresh)

    changes = [client.post(CLASSES, data={"name": f"c{number}"}, files=files([POOL[number]])) for number in range(6)]
    answers = await asyncio.gather(*changes, *(ask() for _ in range(20)))
    assert [answer.status_code for answer in answers[:6]] == [201] * 6  # type: ignore[union-attr]
    catalog_id, index = await service.index("default")
    assert len(index.candidates) == 7
    assert _content(index) == _content(await _fresh(app, catalog_id, index.version))
    assert np.linalg.norm(index.matrix[index.rows], axis=1) == pytest.approx(np.ones(7), abs=1e-5)


async def test_a_catalog_that_was_made_again_under_the_same_name_starts_empty(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    created(await client.post("/v1/catalogs", json={"name": "again"}))
    await register(client, "crack", [POOL[0]], catalog="again")
    assert len((await app.state.catalog_service.index("again"))[1].candidates) == 1
    await client.delete("/v1/catalogs/again")
    created(await client.post("/v1/catalogs", json={"name": "again"}))
    assert (await app.state.catalog_service.index("again"))[1].candidates == ()


@pytest.mark.usefixtures("client")
async def test_a_catalog_that_was_deleted_since_it_was_found_is_not_there(app: FastAPI) -> None:
    with pytest.raises(CatalogNotFound):
        await _fresh(app, uuid4(), 1)
