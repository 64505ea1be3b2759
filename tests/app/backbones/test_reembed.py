"""A catalog moves to another backbone while the service answers."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.backbones import repository
from app.backbones import service as reembedding
from app.config import Settings
from app.errors import EmbedderUnavailable
from app.maintenance.check import find_faults
from app.metrics import Metrics
from app.photos.intake import KeptPhoto
from app.photos.tables import Blob
from app.services import Services, any_services, open_services
from models.backbones import Backbone
from tests.drawn import KINDS, photo, photos
from tests.rest import CLASSES, classify, created, execute, files, problem, register


@pytest.fixture
async def moving(app: FastAPI, settings: Settings, other: Backbone) -> AsyncIterator[Services]:
    """Services as `haja reembed` has them, on the database of `app`."""
    assert app
    async with _opened(settings, other) as services:
        yield services


def _opened(settings: Settings, backbone: Backbone) -> Any:
    named = settings.model_copy(update={"backbone": backbone.backbone_id.partition("@")[0]})
    return any_services(named, Metrics(), backbone)


async def _embed(services: Services) -> None:
    async with services.database.writing() as session:
        await services.remember_backbone(session)
    job_id = await services.reembedding.begin("default")
    while job_id is not None and await services.reembedding.work_once(job_id):
        pass


async def _embedded(services: Services, backbone: Backbone, data: bytes) -> Any:
    checked = await services.intake.check(KeptPhoto("photo.jpg", data), backbone.transform)
    return backbone.embed(checked.decoded.pixels[np.newaxis])[0]


async def test_a_catalog_is_switched_and_back_while_it_answers(
    client: httpx.AsyncClient,
    app: FastAPI,
    settings: Settings,
    moving: Services,
    backbone: Backbone,
    other: Backbone,
) -> None:
    made = {kind: await register(client, kind, photos(kind, range(4))) for kind in KINDS}
    before = await classify(client, photo("rust", 9))
    await _embed(moving)
    assert (await classify(client, photo("rust", 9)))["backbone_id"] == backbone.backbone_id
    old, compared = await moving.reembedding.compare("default")
    assert (old, compared.photos) == (backbone.backbone_id, 12)
    evaluation = (await client.get("/v1/catalogs/default/evaluation")).json()
    assert compared.old is not None
    assert compared.old.value == evaluation["accuracy"]["value"]

    async def keep_asking() -> set[str]:
        return {(await classify(client, photo("crack", seed)))["backbone_id"] for seed in range(20, 30)}

    answers = asyncio.create_task(keep_asking())
    assert await moving.reembedding.switch("default") == []
    after = await classify(client, photo("rust", 9))
    assert await answers <= {backbone.backbone_id, other.backbone_id}
    assert (after["backbone_id"], after["catalog_version"]) == (other.backbone_id, before["catalog_version"] + 1)
    assert compared.new is not None
    evaluation = (await client.get("/v1/catalogs/default/evaluation")).json()
    assert (evaluation["backbone_id"], evaluation["accuracy"]["value"]) == (other.backbone_id, compared.new.value)
    # The prototypes are those of the new network, to its last photo.
    total = np.sum([await _embedded(moving, other, each) for each in photos("rust", range(4))], axis=0)
    expected = await _embedded(moving, other, photo("rust", 9)) @ total / np.linalg.norm(total)
    found = {each["defect_class"]["name"]: each["similarity"] for each in after["predictions"]}
    assert found["rust"] == pytest.approx(expected, abs=1e-5)
    problem(await client.get(f"/v1/classifications/{before['id']}/heatmap.png"), 409, "backbone-changed")
    assert (await client.get(f"/v1/classifications/{after['id']}/heatmap.png")).status_code == 200
    address = f"/v1/defect-classes/{made['rust']['id']}/support-photos"
    assert created(await client.post(address, files=files([photo("rust", 8)])))["support_report"] is not None
    await client.delete(f"/v1/support-photos/{made['crack']['photos'][0]['support_photo_id']}")
    assert await find_faults(app.state.database, app.state.blobs) == []
    # Back again: only the photo that came in the meantime has to be embedded.
    async with _opened(settings, backbone) as back:
        job_id = await back.reembedding.begin("default")
        assert job_id is not None
        assert (await back.jobs.get(job_id)).total == 1
        assert await back.reembedding.switch("default") == ["0.jpg"]
        await _embed(back)
        assert await back.reembedding.switch("default") == []
        assert await back.reembedding.switch("default") == []
        replays = [await back.replays.replay(uuid.UUID(each["id"])) for each in (before, after)]
    assert [replay.differences for replay in replays] == [[], []]
    assert (await classify(client, photo("rust", 9)))["backbone_id"] == backbone.backbone_id
    assert await find_faults(app.state.database, app.state.blobs) == []


async def test_what_one_left_is_done_by_another_and_two_at_once_do_no_harm(
    client: httpx.AsyncClient,
    settings: Settings,
    moving: Services,
    backbone: Backbone,
    other: Backbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reembedding, "GROUP", 2)
    async with moving.database.writing() as session:
        await moving.remember_backbone(session)
    await register(client, "crack", photos("crack", range(8)))
    job_id = await moving.reembedding.begin("default")
    assert job_id is not None
    async with _opened(settings, other) as second:
        assert await second.reembedding.begin("default") == job_id
        assert await moving.reembedding.work_once(job_id)
        assert await second.reembedding.work_once(job_id)
        assert (await client.get(f"/v1/jobs/{job_id}")).json()["done"] == 4
        # Two at once, on the same photos.
        assert all(await asyncio.gather(*(each.reembedding.work_once(job_id) for each in (moving, second))))
        assert (await client.get(f"/v1/jobs/{job_id}")).json()["done"] >= 6
        while await second.reembedding.work_once(job_id):
            pass
        # A service has the new backbone before the first photo needs it.
        async with open_services(settings, Metrics(), backbone) as service:
            await service.preloader.look()
            assert set(service.embedders._open) == {backbone.backbone_id, other.backbone_id}
    job = (await client.get(f"/v1/jobs/{job_id}")).json()
    assert (job["kind"], job["state"], job["done"]) == ("reembed", "finished", 8)
    assert await moving.reembedding.begin("default") is None
    assert await moving.reembedding.switch("default") == []


async def test_what_is_out_of_reach_is_tried_again(
    client: httpx.AsyncClient, moving: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client, "crack", photos("crack", range(3)))
    job_id = await moving.reembedding.begin("default")
    assert job_id is not None
    embed = moving.embedders.own.embed

    async def fail(_: Any) -> Any:
        raise EmbedderUnavailable("Not now.")

    monkeypatch.setattr(moving.embedders.own, "embed", fail)
    with pytest.raises(EmbedderUnavailable):
        await moving.reembedding.work_once(job_id)
    monkeypatch.setattr(moving.embedders.own, "embed", embed)
    assert await moving.reembedding.work_once(job_id)
    assert (await moving.jobs.get(job_id)).done == 3


async def test_an_example_that_cannot_be_embedded_keeps_the_catalog_where_it_is(
    client: httpx.AsyncClient, settings: Settings, moving: Services, backbone: Backbone
) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    damaged = update(Blob).where(Blob.sha256 == made["photos"][1]["photo_id"])
    execute(settings.database_url, damaged.values(bytes=b"0"))
    await _embed(moving)
    (job,) = (await client.get("/v1/jobs")).json()["items"]
    assert (job["done"], job["failed"]) == (2, 1)
    assert await moving.reembedding.switch("default") == ["1.jpg"]
    assert (await classify(client, photo()))["backbone_id"] == backbone.backbone_id
    await client.delete(f"/v1/support-photos/{made['photos'][1]['support_photo_id']}")
    assert await moving.reembedding.switch("default") == []


@pytest.mark.both_databases
async def test_a_change_in_the_middle_of_the_switch_counts(
    client: httpx.AsyncClient, app: FastAPI, moving: Services, other: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    await _embed(moving)
    total = repository.missing
    looked: list[int] = []

    async def remove_then(*arguments: Any) -> Any:
        found = await total(*arguments)
        if not looked:
            looked.append(1)
            await client.delete(f"/v1/support-photos/{made['photos'][0]['support_photo_id']}")
        return found

    monkeypatch.setattr(repository, "missing", remove_then)
    assert await moving.reembedding.switch("default") == []
    assert looked
    described = (await client.get(f"/v1/defect-classes/{made['id']}")).json()
    assert described["shots"] == 2
    answer = await classify(client, photo())
    assert (answer["backbone_id"], answer["catalog_version"]) == (other.backbone_id, 4)
    assert await find_faults(app.state.database, app.state.blobs) == []


async def test_photos_that_were_embedded_before_the_switch_are_asked_for_again(
    client: httpx.AsyncClient, app: FastAPI, moving: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    await _embed(moving)
    intake = app.state.catalog_service._photos.intake
    take_all = intake.take_all

    async def switch_then(*arguments: Any) -> Any:
        taken = await take_all(*arguments)
        await moving.reembedding.switch("default")
        return taken

    monkeypatch.setattr(intake, "take_all", switch_then)
    address = f"/v1/defect-classes/{made['id']}/support-photos"
    told = await client.post(address, files=files([photo("crack", 5)]))
    problem(told, 503, "backbone-switched")
    assert told.headers["retry-after"] == "1"
    assert created(await client.post(address, files=files([photo("crack", 5)])))["shots"] == 4
    monkeypatch.setattr(intake, "take_all", take_all)
    assert created(await client.post(CLASSES, data={"name": "rust"}, files=files([photo("rust")])))["shots"] == 1
    assert await find_faults(app.state.database, app.state.blobs) == []


async def test_a_service_with_other_settings_serves_what_is_there(
    client: httpx.AsyncClient, settings: Settings, backbone: Backbone, other: Backbone
) -> None:
    """HAJA_BACKBONE is of new catalogs: those with examples stay with theirs."""
    await register(client, "crack", [photo()])
    created(await client.post("/v1/catalogs", json={"name": "empty"}))
    named = settings.model_copy(update={"backbone": "efficientnet-lite0-imagenet"})
    async with open_services(named, Metrics(), other) as services:
        _, index = await services.catalogs.index("default")
        assert index.backbone_id == backbone.backbone_id
        assert (await services.embedders.get(index.backbone_id)).backbone_id == backbone.backbone_id
        _, index = await services.catalogs.index("empty")
        assert index.backbone_id == other.backbone_id
