"""What else it could be, and which examples the photo resembles."""

import httpx
import pytest

from app.config import Settings
from tests.drawn import photo, photos
from tests.rest import classify, files, nothing_stored, problem, register

ADDRESS = "/v1/catalogs/default/classifications"


async def _classes(client: httpx.AsyncClient) -> dict[str, str]:
    return {kind: (await register(client, kind, photos(kind, range(4))))["id"] for kind in ("crack", "rust", "brick")}


async def test_a_prediction_set_grows_with_the_coverage(client: httpx.AsyncClient) -> None:
    await _classes(client)
    sizes = []
    for coverage in (0.5, 0.9, 0.99):
        answer = (
            await client.post(ADDRESS, params={"coverage": coverage}, files=files([photo("rust", 9)], "photo"))
        ).json()
        found = answer["prediction_set"]
        assert found["coverage"] == coverage
        ranked = [each["defect_class"]["name"] for each in answer["predictions"]]
        names = [each["name"] for each in found["defect_classes"]]
        assert names == ranked[: len(names)]
        sizes.append(len(names))
        assert (await client.get(f"/v1/classifications/{answer['id']}")).json() == answer
    assert sizes == sorted(sizes)
    assert sizes[0] >= 1


async def test_without_coverage_there_is_no_set(client: httpx.AsyncClient) -> None:
    await _classes(client)
    assert (await classify(client, photo("rust", 9)))["prediction_set"] is None


@pytest.mark.parametrize("coverage", ["0.49", "1", "nan", "much"])
async def test_coverage_has_bounds(client: httpx.AsyncClient, settings: Settings, coverage: str) -> None:
    await register(client, "crack", [photo()])
    with nothing_stored(settings):
        answer = await client.post(ADDRESS, params={"coverage": coverage}, files=files([photo()], "photo"))
        problem(answer, 422, "request-invalid")


async def test_the_nearest_examples_are_support_photos(client: httpx.AsyncClient) -> None:
    ids = await _classes(client)
    same = photo("rust", 2)
    answer = await classify(client, same)
    nearest = answer["nearest"]
    assert len(nearest) == 3
    assert [each["similarity"] for each in nearest] == sorted((each["similarity"] for each in nearest), reverse=True)
    assert nearest[0]["similarity"] == pytest.approx(1, abs=1e-4)
    assert nearest[0]["photo_id"] == answer["photo"]["id"]
    assert nearest[0]["defect_class_id"] == ids["rust"]
    listed = (await client.get(f"/v1/defect-classes/{ids['rust']}/support-photos")).json()["items"]
    assert nearest[0]["support_photo_id"] in {each["id"] for each in listed}
    assert (await client.get(f"/v1/classifications/{answer['id']}")).json() == answer


async def test_an_example_that_was_taken_back_or_added_counts_at_once(client: httpx.AsyncClient) -> None:
    ids = await _classes(client)
    same = photo("rust", 2)
    first = (await classify(client, same))["nearest"][0]
    assert (await client.delete(f"/v1/support-photos/{first['support_photo_id']}")).status_code == 204
    assert first["support_photo_id"] not in {
        each["support_photo_id"] for each in (await classify(client, same))["nearest"]
    }
    await client.post(f"/v1/defect-classes/{ids['rust']}/support-photos", files=files([same]))
    again = (await classify(client, same))["nearest"][0]
    assert again["similarity"] == pytest.approx(1, abs=1e-4)
    await client.delete(f"/v1/defect-classes/{ids['rust']}")
    left = (await classify(client, same))["nearest"]
    assert ids["rust"] not in {each["defect_class_id"] for each in left}


async def test_fewer_examples_than_three(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(client, "crack", [photo()])
    assert len((await classify(client, photo("crack", 9)))["nearest"]) == 1
    # A cache too small for one class still answers.
    monkeypatch.setattr("app.catalogs.support_cache.BYTES_KEPT", 0)
    await register(client, "rust", photos("rust", range(2)))
    assert len((await classify(client, photo("crack", 9)))["nearest"]) == 3
