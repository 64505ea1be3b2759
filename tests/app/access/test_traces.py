"""What somebody may not see leaves no trace in what they may see: neither names nor ids nor how many there are."""

import io
import json
import re
from typing import Any

import httpx
import pypdf
import pytest

from app.api.pagination import decode_cursor
from app.config import Settings
from app.storage.tables import new_id
from tests.app.access.conftest import MakeKey, Things, bearer
from tests.drawn import photo
from tests.rest import execute, problem, register, report_file


@pytest.fixture
async def admin(make_key: MakeKey, mine: Things) -> dict[str, str]:
    """The headers of a key that is admin in `mine` and nowhere else."""
    return bearer((await make_key(name="admin of mine", catalogs={mine.catalog: "admin"}))["key"])


async def _made(client: httpx.AsyncClient, headers: dict[str, str], key_id: str) -> list[dict[str, Any]]:
    answer = await client.get("/v1/audit", params={"action": "key-created"}, headers=headers)
    assert answer.status_code == 200, answer.text
    return [line["detail"] for line in answer.json()["items"] if line["subject_id"] == key_id]


@pytest.mark.usefixtures("theirs")
@pytest.mark.both_databases
async def test_the_audit_trail_says_of_a_key_what_it_may_in_one_s_own_catalogs(
    client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str], admin: dict[str, str]
) -> None:
    both = await make_key(name="Kim", catalogs={"mine": "inspector", "theirs": "curator"}, role="inspector")
    said = {"name": "Kim", "expires_at": None}
    own = said | {"role": None, "catalogs": {"mine": "inspector"}}
    assert await _made(client, admin, both["id"]) == [own]
    every = [
        said | {"role": "inspector", "catalogs": {}},
        said | {"role": None, "catalogs": {"theirs": "curator"}},
        own,
    ]
    shown = await _made(client, root, both["id"])
    assert len(shown) == len(every)
    assert all(detail in shown for detail in every)
    assert "theirs" not in (await client.get("/v1/audit", headers=admin)).text


@pytest.mark.usefixtures("theirs")
@pytest.mark.both_databases
async def test_lines_of_older_versions_are_shown_without_other_catalogs(
    client: httpx.AsyncClient, mine: Things, settings: Settings, root: dict[str, str], admin: dict[str, str]
) -> None:
    """They named everything that a key may do, and cannot be changed."""
    lines = {
        "of two": {
            "name": "x",
            "role": "curator",
            "catalogs": {"mine": "admin", "theirs": "admin"},
            "expires_at": None,
        },
        "of one": {"name": "y", "role": None, "catalogs": {"mine": "admin"}, "expires_at": None},
    }
    for detail in lines.values():
        execute(
            settings.database_url,
            "INSERT INTO audit_entries (id, at, actor, action, catalog_id, detail) "
            "VALUES (:id, CURRENT_TIMESTAMP, 'root', 'key-created', :catalog, :detail)",
            id=_in_database(settings, str(new_id())),
            catalog=_in_database(settings, mine.catalog_id),
            detail=json.dumps(detail),
        )
    answers = [await client.get("/v1/audit", params={"limit": 2}, headers=headers) for headers in (root, admin)]
    seen = [{line["detail"]["name"]: line["detail"] for line in answer.json()["items"]} for answer in answers]
    assert seen[0] == {"x": lines["of two"], "y": lines["of one"]}
    assert seen[1] == {"x": lines["of two"] | {"role": None, "catalogs": {}}, "y": lines["of one"]}


def _in_database(settings: Settings, some_id: str) -> str:
    return some_id.replace("-", "") if settings.database_url.startswith("sqlite") else some_id


@pytest.mark.usefixtures("theirs")
@pytest.mark.both_databases
async def test_the_list_of_keys_has_no_gaps_where_hidden_ones_are(
    client: httpx.AsyncClient, make_key: MakeKey, admin: dict[str, str]
) -> None:
    """Pages are full, and a cursor is the id of a key that was shown."""
    hidden: list[dict[str, Any]] = [
        {"role": "inspector"},
        {"catalogs": {"mine": "inspector", "theirs": "inspector"}},
        {"catalogs": {"theirs": "admin"}},
    ]
    own = []
    for fields in hidden:
        await make_key(**fields)
        own.append((await make_key(catalogs={"mine": "inspector"}))["id"])
        await make_key(**fields)
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = (await client.get("/v1/keys", params=query, headers=admin)).json()
        seen += [key["id"] for key in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
        assert len(page["items"]) == 2
        assert str(decode_cursor(cursor)) == seen[-1]
    assert seen[1:] == own  # the first is that of `admin`
    assert len(seen) == 4


@pytest.mark.usefixtures("theirs")
async def test_whether_a_name_is_taken_is_told_to_those_only_who_see_every_catalog(
    client: httpx.AsyncClient, mine: Things, root: dict[str, str], admin: dict[str, str]
) -> None:
    address = f"/v1/catalogs/{mine.catalog}"
    refusals = [
        problem(await client.patch(address, json={"name": name}, headers=admin), 403, "role-insufficient")
        for name in ("theirs", "default", "free")
    ]
    assert len({json.dumps(refusal | {"request_id": ""}) for refusal in refusals}) == 1
    problem(await client.post("/v1/catalogs", json={"name": "theirs"}, headers=admin), 403, "role-insufficient")
    for change in ({"title_en": "Ours"}, {"name": "mine", "description": "Tower B"}):
        assert (await client.patch(address, json=change, headers=admin)).status_code == 200
    problem(await client.patch(address, json={"name": "theirs"}, headers=root), 409, "catalog-name-taken")
    assert (await client.patch(address, json={"name": "free"}, headers=root)).json()["name"] == "free"


async def test_a_report_names_no_class_of_others(
    client: httpx.AsyncClient, theirs: Things, root: dict[str, str], admin: dict[str, str]
) -> None:
    named = {"title_en": "Secret seam", "title_ko": "비밀"}
    assert (await client.patch(f"/v1/defect-classes/{theirs.class_id}", json=named, headers=root)).status_code == 200
    absent = str(new_id())
    texts = []
    for class_id in (theirs.class_id, absent):
        query: dict[str, Any] = {"defect_class_id": class_id, "lang": "en"}
        answer = await report_file(client, headers=admin, **query)
        assert answer.status_code == 200, answer.text
        text = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages)
        assert "Secret" not in text
        # Between the two, a minute may have passed.
        texts.append(re.sub(r"Made \d[\d-]+ [\d:]+", "", text.partition("class ")[2].replace(class_id, "")))
    assert texts[0].split() == texts[1].split()


async def test_pages_show_no_other_catalog_when_the_last_one_is_gone(
    client: httpx.AsyncClient, mine: Things, make_key: MakeKey, root: dict[str, str]
) -> None:
    """A process goes by what it has read of a key for two seconds."""
    client.headers.update(root)
    await register(client, "secret seam", [photo("rust", 9)])  # in `default`
    del client.headers["authorization"]
    key = (await make_key(catalogs={mine.catalog: "admin"}))["key"]
    assert (await client.post("/sign-in", data={"key": key})).status_code == 303
    assert "mine" in (await client.get("/catalog")).text
    proof = {"X-CSRF-Token": client.cookies["haja_csrf"]}
    assert (await client.delete("/v1/catalogs/mine", headers=proof)).status_code == 204
    for address in ("/", "/catalog", "/catalog/new", "/history"):
        page = await client.get(address, headers={"Accept": "text/html"})
        assert page.status_code in {403, 404}, address  # 403 once the key has been read again
        assert "secret seam" not in page.text
