"""API keys: what is kept of them, who may make them, and when they end."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.access.secrets import new_key, parse_key
from app.config import Settings
from tests.app.access.conftest import MakeKey, Things, bearer
from tests.rest import created, execute, problem


def test_a_key_is_random_and_has_one_shape() -> None:
    first, second = new_key(), new_key()
    assert first != second
    assert len(bytes.fromhex(first.secret)) == 32
    assert parse_key(str(first)) == first


KEY = f"haja_{'0a' * 6}_{'f9' * 32}"


def test_nothing_but_a_key_is_a_key() -> None:
    assert parse_key(KEY) is not None
    for text in ("", "haja_", "haja_0_0", f"{KEY} ", f"{KEY}\n", KEY.upper()):
        assert parse_key(text) is None


async def test_only_the_hash_is_kept(client: httpx.AsyncClient, make_key: MakeKey, settings: Settings) -> None:
    made = await make_key(role="inspector")
    _, prefix, secret = made["key"].split("_")
    rows = execute(settings.database_url, "SELECT secret_sha256 FROM api_keys WHERE prefix = :prefix", prefix=prefix)
    assert [bytes(row[0]) for row in rows] == [hashlib.sha256(secret.encode()).digest()]
    for table in ("api_keys", "audit_entries", "idempotency_keys"):
        assert secret not in str(execute(settings.database_url, f"SELECT * FROM {table}"))  # noqa: S608
    listed = await client.get("/v1/keys", headers=bearer(made["key"]))
    problem(listed, 403, "role-insufficient")


async def test_a_key_says_who_it_is_and_when_it_was_used(
    client: httpx.AsyncClient, mine: Things, make_key: MakeKey, root: dict[str, str]
) -> None:
    made = await make_key(name="Kim", catalogs={mine.catalog: "curator"}, email="Kim@Example.org")
    assert made["email"] == "kim@example.org"
    assert made["created_by"] == "root"
    answer = await client.get("/v1/keys/current", headers=bearer(made["key"]))
    assert answer.json() == {
        "id": made["id"], "name": "Kim", "role": None, "catalogs": {"mine": "curator"}, "expires_at": None,
    }  # fmt: skip
    listed = {key["name"]: key for key in (await client.get("/v1/keys", headers=root)).json()["items"]}
    assert listed["Kim"] == {name: value for name, value in made.items() if name != "key"}


async def test_use_is_noted_when_the_service_ends(settings: Settings, client: httpx.AsyncClient, app: Any) -> None:
    key = created(await client.post("/v1/keys", json={"name": "a", "role": "admin"}))
    assert (await client.get("/v1/catalogs", headers=bearer(key["key"]))).status_code == 200
    await app.state.access_service._note_use()
    ((noted,),) = execute(settings.database_url, "SELECT last_used_at FROM api_keys")
    assert str(noted)[:13] == f"{datetime.now(UTC):%Y-%m-%d %H}"


@pytest.mark.usefixtures("mine")
async def test_a_key_never_widens_itself(client: httpx.AsyncClient, make_key: MakeKey) -> None:
    """Whatever a key makes may do no more, nowhere else, and no longer than itself."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    later = soon + timedelta(seconds=1)
    own = bearer((await make_key(catalogs={"mine": "admin"}, expires_at=soon.isoformat()))["key"])
    wider: list[tuple[dict[str, Any], int, str]] = [
        ({"role": "inspector"}, 403, "grant-too-wide"),
        ({"catalogs": {"default": "inspector"}}, 404, "catalog-not-found"),
        ({"catalogs": {"mine": "inspector", "default": "inspector"}}, 404, "catalog-not-found"),
        ({"catalogs": {"mine": "inspector"}}, 403, "grant-too-wide"),
        ({"catalogs": {"mine": "inspector"}, "expires_at": later.isoformat()}, 403, "grant-too-wide"),
        ({"catalogs": {"mine": "inspector"}, "expires_at": soon.isoformat(), "email": "a@b"}, 403, "grant-too-wide"),
        ({}, 422, "request-invalid"),
        ({"catalogs": {"mine": "owner"}}, 422, "request-invalid"),
    ]  # fmt: skip
    for fields, status, code in wider:
        problem(await client.post("/v1/keys", json={"name": "x"} | fields, headers=own), status, code)
    narrow = {"name": "x", "catalogs": {"mine": "admin"}, "expires_at": soon.isoformat()}
    child = created(await client.post("/v1/keys", json=narrow, headers=own))
    grandchild = await client.post(
        "/v1/keys", json=narrow | {"catalogs": {"mine": "curator"}}, headers=bearer(child["key"])
    )
    created(grandchild)
    # There is no way to change what a key may do.
    for method in ("PATCH", "PUT"):
        answer = await client.request(method, f"/v1/keys/{child['id']}", json={"role": "admin"}, headers=own)
        problem(answer, 405, "method-not-allowed")
    curator = bearer((await make_key(catalogs={"mine": "curator"}))["key"])
    problem(await client.post("/v1/keys", json=narrow, headers=curator), 403, "role-insufficient")


@pytest.mark.usefixtures("theirs")
@pytest.mark.both_databases
async def test_admins_of_a_catalog_see_and_revoke_its_keys_only(
    client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str]
) -> None:
    admin = bearer((await make_key(name="admin", catalogs={"mine": "admin"}))["key"])
    own = await make_key(name="own", catalogs={"mine": "inspector"})
    others = [
        await make_key(name="everywhere", role="inspector"),
        await make_key(name="both", catalogs={"mine": "inspector", "theirs": "inspector"}),
        await make_key(name="theirs", catalogs={"theirs": "inspector"}),
    ]
    listed = (await client.get("/v1/keys", headers=admin)).json()["items"]
    assert {key["name"] for key in listed} == {"admin", "own"}
    for key in others:
        problem(await client.delete(f"/v1/keys/{key['id']}", headers=admin), 404, "key-not-found")
        assert (await client.get("/v1/catalogs", headers=bearer(key["key"]))).status_code == 200
    assert (await client.delete(f"/v1/keys/{own['id']}", headers=admin)).status_code == 204
    problem(await client.get("/v1/catalogs", headers=bearer(own["key"])), 401, "unauthenticated")
    assert (await client.delete(f"/v1/keys/{own['id']}", headers=root)).status_code == 204


@pytest.mark.both_databases
async def test_an_address_belongs_to_one_key(
    client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str]
) -> None:
    await make_key(role="inspector", email="a@b")
    wanted = {"name": "x", "role": "inspector", "email": "A@B"}
    problem(await client.post("/v1/keys", json=wanted, headers=root), 409, "email-taken")


@pytest.mark.both_databases
async def test_a_key_whose_catalog_is_gone_may_nothing(
    client: httpx.AsyncClient, mine: Things, make_key: MakeKey, root: dict[str, str]
) -> None:
    key = bearer((await make_key(catalogs={"mine": "admin"}))["key"])
    assert (await client.delete("/v1/catalogs/mine", headers=root)).status_code == 204
    created(await client.post("/v1/catalogs", json={"name": "mine"}, headers=root))
    problem(await client.get("/v1/catalogs/mine", headers=key), 404, "catalog-not-found")
    assert mine.catalog == "mine"


async def test_two_keys_with_the_same_idempotency_key_do_not_meet(client: httpx.AsyncClient, make_key: MakeKey) -> None:
    answers = []
    for number in range(2):
        headers = bearer((await make_key(role="admin"))["key"]) | {"Idempotency-Key": "same"}
        answers.append(created(await client.post("/v1/catalogs", json={"name": f"c{number}"}, headers=headers)))
    assert [answer["name"] for answer in answers] == ["c0", "c1"]


def test_the_commands_make_list_and_revoke(
    haja: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    code, key, said = haja("keys", "create", "Lee", "--role", "curator", "--days", "30")
    assert code == 0
    assert parse_key(key.strip()) is not None
    assert "curator in every catalog" in said
    prefix = key.split("_")[1]
    code, table, _ = haja("keys", "list")
    assert code == 0
    assert f"haja_{prefix}" in table
    assert key.split("_")[2].strip() not in table
    assert haja("keys", "revoke", f"haja_{prefix}_…")[0] == 0
    assert "revoked" in haja("keys", "list")[1]
    assert haja("keys", "revoke", "000000000000")[0] == 1
    assert haja("keys", "create", "Lee", "--role", "admin", "--catalog", "absent")[0] == 1
    ((actor,), *_) = execute(database_url, "SELECT actor FROM audit_entries")
    assert actor.startswith("command line (")
