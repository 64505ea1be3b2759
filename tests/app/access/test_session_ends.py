"""Whoever signs in again has one session in this browser, and the one before is over."""

import httpx
import pytest

from app.config import Settings
from tests.app.access.conftest import MakeKey
from tests.rest import execute, problem

SESSIONS = "SELECT count(*) FROM sign_ins WHERE api_key_id IS NOT NULL"


async def sign_in(client: httpx.AsyncClient, key: str) -> dict[str, str]:
    """Sign in; the header that the session comes in."""
    answer = await client.post("/sign-in", data={"key": key})
    assert answer.status_code == 303, answer.text
    return {"Cookie": f"haja_session={client.cookies['haja_session']}"}


@pytest.mark.both_databases
async def test_signing_in_again_ends_the_session_before(
    client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str], settings: Settings
) -> None:
    kim, lee = await make_key(name="Kim", role="inspector"), await make_key(name="Lee", role="inspector")
    first = await sign_in(client, kim["key"])
    again = await sign_in(client, kim["key"])
    other = await sign_in(client, lee["key"])
    client.cookies.clear()
    for over in (first, again):
        problem(await client.get("/v1/catalogs", headers=over), 401, "unauthenticated")
    assert (await client.get("/v1/keys/current", headers=other)).json()["name"] == "Lee"
    assert execute(settings.database_url, SESSIONS) == [(1,)]
    entries = (await client.get("/v1/audit?limit=5", headers=root)).json()["items"]
    assert [(entry["action"], entry["actor"], entry["subject_id"]) for entry in entries] == [
        ("signed-in", "Lee", lee["id"]), ("signed-out", "Kim", kim["id"]), ("signed-in", "Kim", kim["id"]),
        ("signed-out", "Kim", kim["id"]), ("signed-in", "Kim", kim["id"]),
    ]  # fmt: skip


async def test_other_browsers_stay_signed_in_and_a_wrong_key_ends_nothing(
    client: httpx.AsyncClient, make_key: MakeKey, settings: Settings
) -> None:
    key = (await make_key(role="inspector"))["key"]
    phone = await sign_in(client, key)
    client.cookies.clear()
    tablet = await sign_in(client, key)
    assert (await client.post("/sign-in", data={"key": f"{key}0"})).status_code == 401
    client.cookies.clear()
    for kept in (phone, tablet):
        assert (await client.get("/v1/catalogs", headers=kept)).status_code == 200
    for stale in ({"Cookie": "haja_session=nonsense"}, {"Cookie": "haja_session="}):
        assert (await client.post("/sign-in", data={"key": key}, headers=stale)).status_code == 303
        client.cookies.clear()
    assert execute(settings.database_url, SESSIONS) == [(4,)]
