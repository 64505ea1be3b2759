"""What a catalog was at each of its versions can be told to the bit, whatever came after."""

from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from app.catalogs.past import index_of, supports_at
from app.catalogs.prototype_cache import PrototypeIndex
from app.catalogs.support_cache import Supports
from app.config import Settings
from tests.app.catalogs.test_prototype_cache import History
from tests.drawn import photos
from tests.rest import CLASSES, created, execute, files, register, row_counts


async def _past(app: FastAPI, catalog_id: UUID, version: int) -> list[Supports]:
    async with app.state.database.reading() as session:
        return await supports_at(session, catalog_id, app.state.embedder.backbone_id, version)


def _said(index: PrototypeIndex) -> dict[str, tuple[float | None, bytes, int, float]]:
    """Names, thresholds, prototypes, shots and lengths, whatever the order of the rows."""
    return {
        candidate.defect_class.model_dump_json(): (candidate.threshold, index.matrix[row].tobytes(), shots, length)
        for candidate, row, shots, length in zip(
            index.candidates, index.rows, index.shots.tolist(), index.lengths.tolist(), strict=True
        )
    }


@pytest.mark.parametrize("seed", [5, *(pytest.param(seed, marks=pytest.mark.long) for seed in (6, 7))])
async def test_after_any_history_every_version_is_what_it_was(
    app: FastAPI, client: httpx.AsyncClient, seed: int
) -> None:
    service = app.state.catalog_service
    history = History(client, seed)
    seen: dict[int, tuple[PrototypeIndex, list[Supports]]] = {}
    for _ in range(45):
        await history.step()
        catalog_id, index = await service.index("default")
        seen[index.version] = index, await service.supports(index.candidates, index)
    for version, (index, supports) in seen.items():
        past = await _past(app, catalog_id, version)
        assert _said(index_of(version, index.backbone_id, past, scans=index.scans)) == _said(index)
        for then, live in zip(past, sorted(supports, key=lambda each: each.candidate.defect_class.id), strict=True):
            assert (then.ids, then.sha256s) == (live.ids, live.sha256s)
            assert then.embeddings.tobytes() == live.embeddings.tobytes()
    assert await _past(app, catalog_id, 1) == []


async def test_a_removed_photo_is_forgotten_and_its_embedding_kept(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    assert (await client.delete(f"/v1/support-photos/{made['photos'][0]['support_photo_id']}")).status_code == 204
    counts = row_counts(settings)
    assert [counts[table] for table in ("photos", "blobs", "embeddings", "past_support_photos")] == [2, 2, 2, 1]
    assert (await client.delete(f"/v1/defect-classes/{made['id']}")).status_code == 204
    counts = row_counts(settings)
    assert [counts[table] for table in ("photos", "blobs", "embeddings", "past_support_photos")] == [0, 0, 0, 3]
    assert counts["past_defect_classes"] == 1


async def test_a_change_that_is_refused_leaves_no_past(client: httpx.AsyncClient, settings: Settings) -> None:
    await register(client, "crack", photos("crack", range(1)))
    rust = await register(client, "rust", photos("rust", range(1)))
    assert (await client.patch(f"/v1/defect-classes/{rust['id']}", json={"name": "crack"})).status_code == 409
    assert row_counts(settings)["past_defect_classes"] == 0


async def test_a_deleted_catalog_takes_its_past_along(client: httpx.AsyncClient, settings: Settings) -> None:
    empty = row_counts(settings)
    created(await client.post("/v1/catalogs", json={"name": "other"}))
    made = await register(client, "crack", photos("crack", range(2)), catalog="other")
    await client.patch(f"/v1/defect-classes/{made['id']}", json={"title_en": "Crack"})
    await client.delete(f"/v1/support-photos/{made['photos'][0]['support_photo_id']}")
    assert row_counts(settings)["past_support_photos"] == 1
    assert (await client.delete("/v1/catalogs/other")).status_code == 204
    assert row_counts(settings) == empty | {"audit_entries": 5}


async def test_support_photos_know_the_version_that_brought_them(client: httpx.AsyncClient, settings: Settings) -> None:
    made = created(await client.post(CLASSES, data={"name": "crack"}, files=files(photos("crack", range(2)))))
    address = f"/v1/defect-classes/{made['id']}/support-photos"
    more = created(await client.post(address, files=files(photos("crack", range(1, 4)))))
    rows = execute(settings.database_url, "SELECT added_in FROM support_photos ORDER BY id")
    assert [row[0] for row in rows] == [made["catalog_version"]] * 2 + [more["catalog_version"]] * 2
