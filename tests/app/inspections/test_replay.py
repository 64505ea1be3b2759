"""Any answer comes out again from photo, backbone and catalog version, and a changed catalog rewrites no history."""

import json
import random
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from sqlalchemy import select, update

from app.config import Settings
from app.errors import EmbedderUnavailable
from app.inspections.errors import ClassificationNotFound
from app.inspections.replay import PastNotKept, Replay, ReplayService
from app.inspections.tables import Classification
from app.photos.errors import PhotoNotFound
from tests.app.catalogs.test_prototype_cache import History
from tests.drawn import KINDS, photo, photos
from tests.rest import CLASSIFICATIONS, classify, created, execute, files, nothing_stored, register

Replaying = Callable[[Any], Any]


@pytest.fixture
def replay(app: FastAPI) -> Replaying:
    """Replay the classification with this id."""
    inspections = app.state.inspection_service
    service = ReplayService(app.state.database, inspections, inspections._photos)

    async def call(classification_id: str) -> Replay:
        return await service.replay(uuid.UUID(classification_id))

    return call


@pytest.fixture
async def made(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """Three classes of four photos."""
    return {kind: await register(client, kind, photos(kind, range(4))) for kind in KINDS}


async def _answer(client: httpx.AsyncClient, data: bytes, **query: float) -> dict[str, Any]:
    return created(await client.post(CLASSIFICATIONS, params=query, files=files([data], "photo")))


async def _all_same(client: httpx.AsyncClient, replay: Replaying, answers: dict[str, bytes]) -> None:
    for classification_id, body in answers.items():
        assert (await client.get(f"/v1/classifications/{classification_id}")).content == body
        replayed = await replay(classification_id)
        assert replayed.differences == []
        assert replayed.largest_difference < 1e-5


async def test_no_change_of_the_catalog_rewrites_history(
    client: httpx.AsyncClient, made: dict[str, dict[str, Any]], replay: Replaying, settings: Settings
) -> None:
    crack, rust, brick = (made[kind] for kind in KINDS)
    given: dict[str, bytes] = {}

    async def ask() -> None:
        for query in ({}, {"top_k": 1}, {"coverage": 0.9}):
            answer = await _answer(client, photo("rust", 9), **query)
            given[answer["id"]] = (await client.get(f"/v1/classifications/{answer['id']}")).content

    async def done(answer: httpx.Response) -> None:
        assert answer.is_success, answer.text
        await _all_same(client, replay, given)
        await ask()

    await ask()
    await done(await client.patch(f"/v1/defect-classes/{rust['id']}", json={"name": "stain", "title_ko": "녹물"}))
    await done(await client.patch(f"/v1/defect-classes/{rust['id']}", json={"threshold": 1, "severity": "high"}))
    added = files(photos("rust", range(5, 8)))
    await done(await client.post(f"/v1/defect-classes/{rust['id']}/support-photos", files=added))
    await done(await client.delete(f"/v1/support-photos/{rust['photos'][2]['support_photo_id']}"))
    sent = {"verdict": "corrected", "defect_class_id": crack["id"], "add_to_support": True}
    other = await _answer(client, photo("rust", 20))
    await done(await client.post(f"/v1/classifications/{other['id']}/feedback", json=sent))
    await done(await client.delete(f"/v1/defect-classes/{rust['id']}"))
    await register(client, "stain", photos("crack", range(8, 10)))
    await done(await client.delete(f"/v1/defect-classes/{brick['id']}"))
    with nothing_stored(settings):
        await _all_same(client, replay, given)
    names = [json.loads(body)["predictions"][0]["defect_class"]["name"] for body in given.values()]
    assert {"rust", "stain", "crack"} <= set(names)


class Site(History):
    """Random changes, and photos that become examples by feedback."""

    async def correct(self, answer: dict[str, Any]) -> None:
        class_id, known = self._random.choice(list(self._supports.items()))
        sent = {"verdict": "corrected", "defect_class_id": class_id, "add_to_support": True}
        kept = created(await self._client.post(f"/v1/classifications/{answer['id']}/feedback", json=sent))
        if kept["support_photo_id"] not in known:
            known.append(kept["support_photo_id"])


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
async def test_after_any_history_every_answer_comes_out_again(
    client: httpx.AsyncClient, replay: Replaying, seed: int
) -> None:
    site, chance = Site(client, seed), random.Random(seed)  # noqa: S311 - to be repeated, not a secret
    given = []
    for number in range(40):
        await site.step()
        query: dict[str, float] = {"top_k": chance.randint(1, 4)}
        if chance.random() < 0.5:
            query["coverage"] = chance.choice([0.5, 0.9, 0.99])
        asked = await client.post(
            CLASSIFICATIONS, params=query, files=files([photo(chance.choice(KINDS), chance.randint(0, 9))], "photo")
        )
        if asked.status_code == 409:  # every class has lost its photos
            continue
        given.append(created(asked))
        if number % 5 == 4 and site._supports:
            await site.correct(given[-1])
    assert len(given) > 30
    for answer in given:
        assert (await replay(answer["id"])).differences == []


async def test_an_answer_is_of_one_version_although_the_catalog_moves_on_meanwhile(
    app: FastAPI,
    client: httpx.AsyncClient,
    made: dict[str, dict[str, Any]],
    replay: Replaying,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the query photo is embedded, the very example that resembles it most is removed."""
    gone = made["rust"]["photos"][2]["support_photo_id"]
    embed = app.state.embedder.embed

    async def slowly(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        monkeypatch.setattr(app.state.embedder, "embed", embed)
        assert (await client.delete(f"/v1/support-photos/{gone}")).status_code == 204
        await classify(client, photo("rust", 2))  # so that the newer version is in the caches, too
        found: NDArray[np.float32] = await embed(pixels)
        return found

    monkeypatch.setattr(app.state.embedder, "embed", slowly)
    answer = await classify(client, photo("rust", 2))
    assert answer["catalog_version"] == made["brick"]["catalog_version"]
    assert answer["nearest"][0]["support_photo_id"] == gone
    assert (await replay(answer["id"])).differences == []
    assert gone not in {each["support_photo_id"] for each in (await classify(client, photo("rust", 2)))["nearest"]}


async def test_classes_and_examples_that_tie_may_swap(client: httpx.AsyncClient, replay: Replaying) -> None:
    """Of two classes with the same photos, the one that changed last comes last in the service's matrix."""
    twins = {name: await register(client, name, photos("rust", range(2))) for name in ("one", "two")}
    named = set()
    for twin in twins.values():
        answer = await _answer(client, photo("rust", 9), top_k=1, coverage=0.5)
        named.add(answer["predictions"][0]["defect_class"]["name"])
        assert (await replay(answer["id"])).differences == []
        await client.patch(f"/v1/defect-classes/{twin['id']}", json={"title_en": "changed"})
    assert named == set(twins)


def _edit(settings: Settings, column: str, answer: dict[str, Any], change: Callable[[Any], Any]) -> None:
    """Change what a row keeps, as somebody with the database file could."""
    its_id = Classification.id == uuid.UUID(answer["id"])
    ((kept,),) = execute(settings.database_url, select(getattr(Classification, column)).where(its_id))
    execute(settings.database_url, update(Classification).where(its_id).values({column: change(kept)}))


def _first(kept: list[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    return [kept[0] | changes, *kept[1:]]


@pytest.mark.parametrize(
    ("column", "change", "sentence"),
    [
        ("predictions", lambda kept: _first(kept, probability=kept[0]["probability"] - 2e-4), "probability of 'rust':"),
        ("predictions", lambda kept: _first(kept, similarity=kept[0]["similarity"] + 1e-4), "similarity of 'rust':"),
        ("predictions", lambda kept: kept[::-1], "classes: "),
        ("predictions", lambda kept: kept[1:], "classes: "),
        ("predictions", lambda kept: [kept[0], kept[0], kept[2]], "classes: "),
        ("predictions", lambda _: [], "classes: "),
        ("predictions", lambda kept: _first(kept, defect_class=kept[0]["defect_class"] | {"name": "x"}), "classes: x,"),
        (
            "predictions",
            lambda kept: _first(kept, defect_class=kept[0]["defect_class"] | {"id": str(uuid.uuid4())}),
            "classes: rust,",
        ),
        ("unknown", lambda kept: not kept, "unknown: True answered, False again."),
        ("threshold", lambda kept: kept - 0.01, "threshold: "),
        ("prediction_set", lambda kept: kept | {"defect_classes": []}, "prediction set: "),
        ("prediction_set", lambda kept: kept | {"defect_classes": kept["defect_classes"] * 2}, "prediction set: "),
        ("nearest", lambda kept: kept[:2], "nearest examples: "),
        ("nearest", lambda kept: kept[::-1], "nearest examples: "),
        ("nearest", lambda kept: _first(kept, photo_id="0" * 64), "nearest examples: "),
        ("nearest", lambda kept: _first(kept, similarity=0.99), "similarity of the example"),
        ("catalog_version", lambda kept: kept - 1, "classes: "),
    ],
)
async def test_a_row_that_was_tampered_with_is_told(
    client: httpx.AsyncClient,
    made: dict[str, dict[str, Any]],
    replay: Replaying,
    settings: Settings,
    column: str,
    change: Callable[[Any], Any],
    sentence: str,
) -> None:
    assert len(made) == 3
    answer = await _answer(client, photo("rust", 9), coverage=0.9)
    assert (await replay(answer["id"])).differences == []
    _edit(settings, column, answer, change)
    found = await replay(answer["id"])
    assert any(difference.startswith(sentence) for difference in found.differences), found.differences
    assert found.doubt == ""


async def test_other_bytes_in_the_place_of_the_photo_are_told(
    client: httpx.AsyncClient, made: dict[str, dict[str, Any]], replay: Replaying, settings: Settings
) -> None:
    assert len(made) == 3
    answer = await classify(client, photo("rust", 9))
    url, row = settings.database_url, {"id": answer["photo"]["id"]}
    execute(url, "UPDATE blobs SET bytes = :other WHERE sha256 = :id", other=photo("brick", 9), **row)
    differences = (await replay(answer["id"])).differences
    assert differences[0].startswith("The photo's bytes have changed: ")
    assert any(each.startswith("classes: rust,") for each in differences)
    execute(url, "DELETE FROM blobs WHERE sha256 = :id", **row)
    with pytest.raises(PhotoNotFound):
        await replay(answer["id"])


async def test_what_cannot_be_replayed_says_why(
    client: httpx.AsyncClient, made: dict[str, dict[str, Any]], replay: Replaying, settings: Settings
) -> None:
    assert len(made) == 3
    answer = await classify(client, photo("rust", 9))
    with pytest.raises(ClassificationNotFound, match="no classification with this id"):
        await replay(str(uuid.uuid4()))
    _edit(settings, "backbone_id", answer, lambda _: "other@12345678")
    with pytest.raises(EmbedderUnavailable, match="There is no checkpoint 'other'"):
        await replay(answer["id"])


async def test_an_answer_from_before_the_past_was_kept_may_differ(
    client: httpx.AsyncClient, made: dict[str, dict[str, Any]], replay: Replaying, settings: Settings
) -> None:
    """As after the migration of an older database: nobody knows what was removed before."""
    answer = await classify(client, photo("rust", 9))
    await client.delete(f"/v1/support-photos/{made['rust']['photos'][0]['support_photo_id']}")
    url = settings.database_url
    execute(url, "DELETE FROM past_support_photos")
    execute(url, "UPDATE catalogs SET recorded_from = version")
    execute(url, "UPDATE support_photos SET added_in = 0")
    found = await replay(answer["id"])
    assert found.differences
    version = answer["catalog_version"]
    assert f"of version {version} of its catalog, whose past is kept from version {version + 1} on" in found.doubt
    newer = await classify(client, photo("rust", 9))
    assert await replay(newer["id"]) == Replay((await replay(newer["id"])).predictions, [], "")
    execute(url, "DELETE FROM support_photos")
    with pytest.raises(PastNotKept, match="whose past is kept from"):
        await replay(answer["id"])
