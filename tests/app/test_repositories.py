"""Every repository function is called on both kinds of database: one walk through all that a site can do."""

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from inspect import isclass, isfunction, unwrap
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

import app as app_folder
from app.config import Settings
from app.errors import EmbedderUnavailable
from app.metrics import Metrics
from app.services import Services, any_services
from models.backbones import Backbone
from tests.drawn import photo, photos, wide_photo
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, files, register, report_file

FOLDER = Path(app_folder.__file__ or "").parent


def _repositories() -> dict[str, CodeType]:
    """The public functions of every repository, by their full names."""
    found = {}
    for path in sorted(FOLDER.rglob("*.py")):
        if path.stem != "repository" and "Repository:" not in path.read_text("utf-8"):
            continue
        module = import_module(".".join(path.relative_to(FOLDER.parent).with_suffix("").parts))
        classes = [each for each in vars(module).values() if isclass(each) and each.__name__.endswith("Repository")]
        for holder in (module, *classes):
            for name, function in vars(holder).items():
                if isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
                    found[f"{module.__name__}.{function.__qualname__}"] = unwrap(function).__code__
    return found


@pytest.fixture
def called() -> Iterator[set[CodeType]]:
    """What has been called, by any thread, since the test asked for this; before it asks for the app."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            seen.add(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    yield seen
    sys.setprofile(None)
    threading.setprofile(None)


@pytest.mark.both_databases
async def test_each_of_their_functions_is_called(
    called: set[CodeType],
    app: FastAPI,
    client: httpx.AsyncClient,
    settings: Settings,
    other: Backbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = await _recognise(client)
    await _correct(client, answer)
    await _work_in_batches(client, app, monkeypatch)
    named = settings.model_copy(update={"backbone": other.backbone_id.partition("@")[0]})
    async with any_services(named, Metrics(), other) as services:
        await _look_back(services, answer)
        await _change_the_backbone(services)
    await classify(client, photo("rust", 40))
    await _remove(client)
    await _delete_answers(client, app)
    await _hand_out_keys(client, app)
    missed = [name for name, code in _repositories().items() if code not in called]
    assert missed == [], "Let this test walk by what is new."


async def _recognise(client: httpx.AsyncClient) -> str:
    """Catalogs, classes, examples and an answer; its id."""
    key = {"Idempotency-Key": "tower"}
    first, again = [await client.post("/v1/catalogs", json={"name": "tower"}, headers=key) for _ in range(2)]
    assert created(first) == created(again)
    assert (await client.patch("/v1/catalogs/tower", json={"title_en": "Tower"})).status_code == 200
    assert len((await client.get("/v1/catalogs")).json()["items"]) == 2
    for kind in ("crack", "rust"):
        made = await register(client, kind, photos(kind, range(4)))
    address = f"/v1/defect-classes/{made['id']}"
    assert (await client.get(address)).json()["shots"] == 4
    assert len((await client.get(CLASSES)).json()["items"]) == 2
    created(await client.post(f"{address}/support-photos", files=files(photos("rust", range(3, 5)))))
    assert (await client.get(f"{address}/support-photos")).json()["items"][4]["filename"] == "1.jpg"
    assert (await client.get(f"{address}/support-report")).status_code == 200
    assert (await client.get("/v1/catalogs/default/evaluation")).json()["accuracy"] is not None
    assert (await client.get("/catalog")).status_code == 200
    await _take_parts(client)
    answer = await classify(client, photo("rust", 30))
    # What comes now makes a past, which a replay looks back at.
    assert (await client.patch(address, json={"name": "stain"})).status_code == 200
    assert (await client.delete(f"/v1/support-photos/{made['photos'][0]['support_photo_id']}")).status_code == 204
    return str(answer["id"])


async def _take_parts(client: httpx.AsyncClient) -> None:
    """Parts of photos as examples, and what lies outside of them."""
    data, (x, y, w, h) = wide_photo("crack", 1)
    regions = json.dumps([{"photo": 0, "x": x, "y": y, "w": w, "h": h}])
    made = await register(client, "part", [data], regions=regions, rest_is_sound="true")
    assert (await client.delete(f"/v1/defect-classes/{made['id']}")).status_code == 204


async def _correct(client: httpx.AsyncClient, answer: str) -> None:
    """Look at an answer in every way, and judge it."""
    address = f"/v1/classifications/{answer}"
    seen = (await client.get(address)).json()
    assert (await client.get(f"/v1/photos/{seen['photo']['id']}/thumbnail")).status_code == 200
    assert (await client.get(f"{address}/heatmap.png")).status_code == 200
    assert (await client.patch(address, json={"place": "B2"})).json()["place"] == "B2"
    withdrawn = created(await client.post(f"{address}/feedback", json={"verdict": "sound"}))
    assert (await client.delete(f"{address}/feedback/{withdrawn['id']}")).status_code == 204
    created(await client.post(f"{address}/feedback", json={"verdict": "confirmed", "add_to_support": True}))
    region = {
        "box": {"x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2},
        "defect_class_id": seen["predictions"][-1]["defect_class"]["id"],
        "add_to_support": True,
    }
    added = created(await client.post(f"{address}/regions", json=region))
    created(await client.post(f"{address}/regions/{added['region']}/feedback", json={"verdict": "confirmed"}))
    assert (await client.get(f"{address}/regions/{added['region']}/crop.jpg")).status_code == 200
    again = region | {"box": region["box"] | {"x": 0.5}}
    created(await client.post(f"{address}/regions", json=again))
    assert (await client.get("/v1/catalogs/default/agreement")).status_code == 200
    assert len((await client.get("/v1/classifications")).json()["items"]) == 1
    assert (await client.get("/v1/classifications/export.csv")).text.count("B2") == 1
    assert (await client.get("/v1/classifications/export.xlsx")).status_code == 200
    assert (await report_file(client)).status_code == 200


async def _work_in_batches(client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a network that is away at first."""
    embed = app.state.embedder.embed

    async def fail_once(_: Any) -> Any:
        monkeypatch.setattr(app.state.embedder, "embed", embed)
        raise EmbedderUnavailable("Not now.")

    monkeypatch.setattr(app.state.embedder, "embed", fail_once)
    sent = await client.post(f"{CLASSIFICATIONS}/batch", files=files(photos("crack", range(10, 12))))
    job = f"/v1/jobs/{sent.json()['id']}"
    assert "event: finished" in (await client.get(f"{job}/events")).text
    assert len((await client.get(f"{job}/results")).json()["items"]) == 2
    assert len((await client.get("/v1/jobs")).json()["items"]) == 1
    assert (await client.delete(job)).status_code == 204


async def _look_back(services: Services, answer: str) -> None:
    assert (await services.replays.replay(UUID(answer))).differences == []


async def _change_the_backbone(services: Services) -> None:
    """As `haja reembed` does."""
    assert await services.reembedding.catalogs() == ["default", "tower"]
    async with services.database.writing() as session:
        await services.remember_backbone(session)
    job_id = await services.reembedding.begin("default")
    assert job_id is not None
    while await services.reembedding.work_once(job_id):
        pass
    await services.preloader.look()
    _, compared = await services.reembedding.compare("default")
    assert compared.old is not None
    assert await services.reembedding.switch("default") == []


async def _remove(client: httpx.AsyncClient) -> None:
    """Under a service that remembers what was there."""
    made, _ = [await register(client, kind, photos(kind, range(2)), "tower") for kind in ("brick", "rust")]
    assert len((await classify(client, photo(), "tower"))["predictions"]) == 2
    assert (await client.delete(f"/v1/defect-classes/{made['id']}")).status_code == 204
    assert len((await classify(client, photo(), "tower"))["predictions"]) == 1
    assert (await client.delete("/v1/catalogs/tower")).status_code == 204


async def _delete_answers(client: httpx.AsyncClient, app: FastAPI) -> None:
    """By hand and by age, and have them back."""
    ids = [answer["id"] for answer in (await client.get("/v1/classifications")).json()["items"]]
    gone = (await client.delete(f"/v1/classifications/{ids[0]}")).json()
    back = {"deletion_id": gone["deletion_id"]}
    assert created(await client.post("/v1/classifications/restore", json=back)) == {"classifications": 1}
    assert (await client.get("/v1/classifications/counts")).json()["total"]["classifications"] == len(ids)
    assert (await client.get("/v1/classifications/places")).json() == ["B2"]
    assert (await client.patch("/v1/catalogs/default", json={"keep_days": 1})).status_code == 200
    for days in (2, 3):
        await app.state.removal_service.remove_due(datetime.now(UTC) + timedelta(days=days))
    assert (await client.get("/v1/classifications")).json()["items"] == []


async def _hand_out_keys(client: httpx.AsyncClient, app: FastAPI) -> None:
    """Keys and sessions. The first key closes the service."""
    access = app.state.access_service
    wanted = {"name": "root", "role": "admin", "email": "root@example.org"}
    root = {"Authorization": f"Bearer {created(await client.post('/v1/keys', json=wanted))['key']}"}
    made = created(await client.post("/v1/keys", json={"name": "B", "catalogs": {"default": "curator"}}, headers=root))
    key = {"Authorization": f"Bearer {made['key']}"}
    assert (await client.get("/v1/keys/current", headers=key)).json()["catalogs"] == {"default": "curator"}
    assert (await client.get(CLASSES, headers=key)).status_code == 200
    assert (await client.post("/sign-in", data={"key": made["key"], "then": "/"})).status_code == 303
    assert (await client.get("/catalog")).status_code == 200
    leave = {"X-CSRF-Token": client.cookies["haja_csrf"]}
    assert (await client.post("/sign-out", headers=leave)).status_code == 204
    await access.sign_in_by_email("root@example.org", None)
    assert len((await client.get("/v1/keys", headers=root)).json()["items"]) == 2
    assert (await client.delete(f"/v1/keys/{made['id']}", headers=root)).status_code == 204
    assert len((await client.get("/v1/audit", headers=root)).json()["items"]) > 10
    await access._note_use()  # what it does every minute
