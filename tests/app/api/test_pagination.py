"""Keyset lists: every item once, in order, also while others write."""

import base64
import re

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.api.pagination import decode_cursor, encode_cursor
from app.errors import CursorInvalid
from tests.drawn import photo, photos
from tests.rest import classify, created, problem, register


async def _walk(client: httpx.AsyncClient, address: str, limit: int) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        answer = await client.get(address, params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        pages.append([item["id"] for item in body["items"]])
        cursor = body["next_cursor"]
        if cursor is None:
            return pages


@pytest.mark.both_databases
async def test_lists_are_cut_into_pages_without_gap_or_repetition(client: httpx.AsyncClient) -> None:
    catalogs = [(await client.get("/v1/catalogs/default")).json()["id"]]
    catalogs += [created(await client.post("/v1/catalogs", json={"name": f"c{number}"}))["id"] for number in range(6)]
    assert await _walk(client, "/v1/catalogs", 3) == [catalogs[:3], catalogs[3:6], catalogs[6:]]
    assert await _walk(client, "/v1/catalogs", 7) == [catalogs]

    made = [await register(client, f"class {number}", [photo(seed=number)]) for number in range(4)]
    classes = [body["id"] for body in made]
    assert await _walk(client, "/v1/catalogs/default/defect-classes", 2) == [classes[:2], classes[2:]]

    wide = await register(client, "wide", photos("rust", range(5)))
    supports = [outcome["support_photo_id"] for outcome in wide["photos"]]
    assert await _walk(client, f"/v1/defect-classes/{wide['id']}/support-photos", 2) == [
        supports[:2], supports[2:4], supports[4:],
    ]  # fmt: skip


@pytest.mark.both_databases
async def test_the_history_is_newest_first_and_does_not_shift_while_photos_come_in(client: httpx.AsyncClient) -> None:
    await register(client, "crack", [photo()])
    told = [(await classify(client, photo(seed=seed)))["id"] for seed in range(5)][::-1]
    first = (await client.get("/v1/classifications", params={"limit": 2})).json()
    assert [item["id"] for item in first["items"]] == told[:2]
    await classify(client, photo(seed=77))
    second = await client.get("/v1/classifications", params={"limit": 2, "cursor": first["next_cursor"]})
    assert [item["id"] for item in second.json()["items"]] == told[2:4]
    assert [len(page) for page in await _walk(client, "/v1/classifications", 4)] == [4, 2]


@pytest.mark.both_databases
async def test_a_cursor_outlives_the_item_it_was_cut_at(client: httpx.AsyncClient) -> None:
    made = [(await register(client, f"class {number}", [photo(seed=number)]))["id"] for number in range(4)]
    address = "/v1/catalogs/default/defect-classes"
    cursor = (await client.get(address, params={"limit": 2})).json()["next_cursor"]
    await client.delete(f"/v1/defect-classes/{made[1]}")
    rest = (await client.get(address, params={"limit": 2, "cursor": cursor})).json()
    assert [item["id"] for item in rest["items"]] == made[2:]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "=" * 22, base64.urlsafe_b64encode(b"x" * 17).decode()])
@pytest.mark.parametrize("address", ["/v1/catalogs", "/v1/catalogs/default/defect-classes", "/v1/classifications"])
async def test_a_cursor_of_somebody_else_is_refused(client: httpx.AsyncClient, address: str, cursor: str) -> None:
    problem(await client.get(address, params={"cursor": cursor}), 422, "cursor-invalid")


@pytest.mark.parametrize("limit", ["0", "-1", "201", "many", "1e9"])
async def test_a_page_has_1_to_200_items(client: httpx.AsyncClient, limit: str) -> None:
    problem(await client.get("/v1/catalogs", params={"limit": limit}), 422, "request-invalid")


@given(st.uuids())
def test_a_cursor_leads_back_to_its_id(last_id: object) -> None:
    assert decode_cursor(encode_cursor(last_id)) == last_id  # type: ignore[arg-type]


@given(st.text(max_size=64) | st.text("Az09_-.", min_size=20, max_size=24))
@example("-3.349189762184173e-255")
@example(f"{'A' * 22}\n")
def test_a_text_of_another_shape_is_refused(text: str) -> None:
    if re.fullmatch("[A-Za-z0-9_-]{22}", text):
        assert decode_cursor(text)
    else:
        with pytest.raises(CursorInvalid):
            decode_cursor(text)
