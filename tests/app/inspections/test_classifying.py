"""Classifying query photos: the ranked answer, `unknown`, and the history."""

import hashlib
import uuid

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from app.config import Settings
from app.photos.reading import decode
from models.backbones import Backbone
from models.prototypes import embedding_sum, expected_similarity, probabilities, prototype
from models.ridge_head import fit_head
from tests.drawn import photo, photos
from tests.rest import classify, created, execute, files, nothing_stored, problem, register, row_counts


async def _three_classes(client: httpx.AsyncClient) -> dict[str, str]:
    return {kind: (await register(client, kind, photos(kind, range(3))))["id"] for kind in ("crack", "rust", "brick")}


async def test_the_answer_is_what_the_formula_says(client: httpx.AsyncClient, backbone: Backbone) -> None:
    """Worked out again from the photos: ridge scores, softmax over the temperature; cosines to means of embeddings."""
    await _three_classes(client)
    answer = await classify(client, photo("rust", 9))
    kinds = ("crack", "rust", "brick")

    def embed(data: bytes) -> NDArray[np.float32]:
        embedding: NDArray[np.float32] = backbone.embed(decode(data, backbone.transform, 10**9).pixels[np.newaxis])[0]
        return embedding

    query = embed(photo("rust", 9))
    supports = {kind: np.stack([embed(data) for data in photos(kind, range(3))]) for kind in kinds}
    cosines = {kind: float(query @ prototype(embedding_sum(vectors))) for kind, vectors in supports.items()}
    head = fit_head(np.concatenate(list(supports.values())), np.repeat(np.arange(3), 3))
    reading = backbone.manifest.readings["ridge"]
    temperature = reading.temperature + reading.temperature_per_shot / 3
    chances = dict(zip(kinds, probabilities(head.scores(query[np.newaxis])[0], temperature).tolist(), strict=True))
    ranked = sorted(kinds, key=lambda kind: -chances[kind])
    predictions = answer["predictions"]
    assert answer["head"] == "ridge"
    assert [found["defect_class"]["name"] for found in predictions] == ranked
    told = [found["similarity"] for found in predictions]
    assert told == pytest.approx([cosines[kind] for kind in ranked], abs=1e-3)
    assert [found["probability"] for found in predictions] == pytest.approx([chances[k] for k in ranked], abs=1e-3)
    assert sum(found["probability"] for found in predictions) == pytest.approx(1, abs=1e-5)


async def test_one_class_needs_no_head(client: httpx.AsyncClient) -> None:
    await register(client, "crack", photos("crack", range(3)))
    answer = await classify(client, photo("crack", 9))
    assert answer["head"] == "prototypes"
    assert answer["predictions"][0]["probability"] == 1


async def test_the_head_follows_the_catalog(client: httpx.AsyncClient) -> None:
    """A new class, new photos and a removed class are in the next answer."""
    made = [(await register(client, kind, photos(kind, range(3))))["id"] for kind in ("crack", "rust")]
    before = await classify(client, photo("brick", 9))
    assert (before["head"], len(before["predictions"])) == ("ridge", 2)
    added = await register(client, "brick", photos("brick", range(3)))
    again = (await classify(client, photo("brick", 9)))["predictions"]
    assert again[0]["defect_class"]["id"] == added["id"]
    assert len(again) == 3
    for class_id in made:
        assert (await client.delete(f"/v1/defect-classes/{class_id}")).status_code == 204
    last = await classify(client, photo("brick", 9))
    assert last["head"] == "prototypes"
    assert [found["defect_class"]["id"] for found in last["predictions"]] == [added["id"]]


async def test_the_answer_says_how_it_was_made(
    client: httpx.AsyncClient, backbone: Backbone, settings: Settings
) -> None:
    await _three_classes(client)
    data = photo("crack", 9)
    answer = await classify(client, data)
    assert answer["backbone_id"] == backbone.backbone_id
    assert answer["catalog"] == "default"
    assert answer["catalog_version"] == (await client.get("/v1/catalogs/default")).json()["version"]
    assert answer["photo"]["id"] == hashlib.sha256(data).hexdigest()
    assert (answer["photo"]["width"], answer["photo"]["height"]) == (240, 180)
    assert answer["feedback"] is None
    assert not answer["unknown"]
    assert (await client.get(f"/v1/classifications/{answer['id']}")).json() == answer
    query = "SELECT bytes FROM blobs WHERE sha256 = :id"
    assert execute(settings.database_url, query, id=answer["photo"]["id"]) == [(data,)]


async def test_top_k_cuts_the_answer_and_not_the_probabilities(client: httpx.AsyncClient) -> None:
    await _three_classes(client)
    whole = (await classify(client, photo("crack", 9), top_k=100))["predictions"]
    assert len(whole) == 3
    assert (await classify(client, photo("crack", 9), top_k=1))["predictions"] == whole[:1]
    assert len((await classify(client, photo("crack", 9), top_k=2))["predictions"]) == 2


@pytest.mark.parametrize("top_k", ["0", "101", "-1", "x"])
async def test_top_k_is_1_to_100(client: httpx.AsyncClient, settings: Settings, top_k: str) -> None:
    await register(client, "crack", [photo()])
    with nothing_stored(settings):
        answer = await client.post(
            "/v1/catalogs/default/classifications", params={"top_k": top_k}, files=files([photo()], "photo")
        )
        problem(answer, 422, "request-invalid")


async def test_a_class_decides_itself_from_which_similarity_a_photo_is_unknown(
    client: httpx.AsyncClient, backbone: Backbone
) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    address = f"/v1/defect-classes/{made['id']}"
    first = await classify(client, photo("crack", 9))
    similarity = first["predictions"][0]["similarity"]
    assert not first["unknown"]
    # Without a word of its own: what its own photos let expect of the next one, less the backbone's margin.
    own = [
        backbone.embed(decode(data, backbone.transform, 10**9).pixels[np.newaxis])[0]
        for data in photos("crack", range(3))
    ]
    length = np.linalg.norm(embedding_sum(np.stack(own)))
    manifest = backbone.manifest
    common = (
        expected_similarity(np.array([length]), np.array([3]), manifest.typical_similarity)[0] - manifest.unknown_margin
    )
    assert first["threshold"] == pytest.approx(common, abs=1e-3)
    changed = await client.patch(address, json={"threshold": 0.9999})
    assert changed.json()["threshold"] == 0.9999
    strict = await classify(client, photo("crack", 9))
    assert strict["unknown"]
    assert strict["threshold"] == 0.9999
    # The best guess is told all the same.
    assert strict["predictions"][0]["similarity"] == pytest.approx(similarity, abs=1e-6)
    await client.patch(address, json={"threshold": -1})
    assert not (await classify(client, photo("brick", 9)))["unknown"]
    await client.patch(address, json={"threshold": None})
    assert (await classify(client, photo("crack", 9)))["threshold"] == first["threshold"]


@pytest.mark.parametrize("threshold", [b"1.1", b"-1.1", b'"high"', b"NaN", b"Infinity", b"1e999"])
async def test_a_threshold_is_a_cosine(client: httpx.AsyncClient, threshold: bytes) -> None:
    made = await register(client, "crack", [photo()])
    body = b'{"threshold": ' + threshold + b"}"
    headers = {"Content-Type": "application/json"}
    answer = await client.patch(f"/v1/defect-classes/{made['id']}", content=body, headers=headers)
    problem(answer, 422, "request-invalid")
    assert (await client.get(f"/v1/defect-classes/{made['id']}")).json()["threshold"] is None


async def test_the_history_can_be_had_by_catalog_and_by_unknown(client: httpx.AsyncClient) -> None:
    created(await client.post("/v1/catalogs", json={"name": "strict"}))
    await register(client, "crack", [photo("crack", 1)])
    made = await register(client, "crack", [photo("crack", 1)], catalog="strict")
    await client.patch(f"/v1/defect-classes/{made['id']}", json={"threshold": 1})
    known = (await classify(client, photo("crack", 2)))["id"]
    unknown = (await classify(client, photo("crack", 2), "strict"))["id"]

    async def listed(**query: str) -> list[str]:
        body = (await client.get("/v1/classifications", params=query)).json()
        return [item["id"] for item in body["items"]]

    assert await listed() == [unknown, known]
    assert await listed(catalog="strict") == [unknown]
    assert await listed(catalog="default") == [known]
    assert await listed(catalog="nowhere") == []
    assert await listed(unknown="true") == [unknown]
    assert await listed(unknown="false") == [known]
    assert await listed(unknown="false", catalog="strict") == []


async def test_the_same_photo_classified_twice_is_kept_once(client: httpx.AsyncClient, settings: Settings) -> None:
    await register(client, "crack", [photo("crack", 1)])
    first, second = await classify(client, photo("crack", 1)), await classify(client, photo("crack", 1))
    assert first["id"] != second["id"]
    assert first["predictions"] == second["predictions"]
    assert first["predictions"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    counts = row_counts(settings)
    assert (counts["photos"], counts["blobs"], counts["classifications"]) == (1, 1, 2)


async def test_a_catalog_without_classes_says_what_to_do(client: httpx.AsyncClient, settings: Settings) -> None:
    with nothing_stored(settings):
        answer = await client.post("/v1/catalogs/default/classifications", files=files([photo()], "photo"))
        body = problem(answer, 409, "catalog-empty")
    assert "POST /v1/catalogs/default/defect-classes" in body["detail"]


async def test_an_unknown_classification_is_404(client: httpx.AsyncClient) -> None:
    address = f"/v1/classifications/{uuid.uuid4()}"
    problem(await client.get(address), 404, "classification-not-found")
    problem(await client.post(f"{address}/feedback", json={"verdict": "unknown"}), 404, "classification-not-found")
    problem(await client.get("/v1/classifications/7"), 404, "not-found")
