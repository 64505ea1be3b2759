"""Signing in to the pages with a key: cookies, the token against foreign pages, and the end of a session."""

import hashlib
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import httpx
import pytest

from app.config import Settings
from tests.app.access.conftest import MakeKey, Things
from tests.rest import created, execute, problem

pytestmark = pytest.mark.only_on("sqlite", "keys in both databases are tried in test_keys.py and test_matrix.py")

HTML = {"Accept": "text/html"}


async def sign_in(client: httpx.AsyncClient, key: str, then: str = "/") -> httpx.Response:
    """Send the form; the client keeps the cookies."""
    return await client.post("/sign-in", data={"key": key, "then": then})


def proof(client: httpx.AsyncClient) -> dict[str, str]:
    """What the pages' scripts send with a change."""
    return {"X-CSRF-Token": client.cookies["haja_csrf"]}


@pytest.fixture
async def key(make_key: MakeKey) -> str:
    """A key of an administrator."""
    made: str = (await make_key(name="Kim", role="admin"))["key"]
    return made


async def test_a_session_reads_at_once_and_changes_with_its_token(client: httpx.AsyncClient, key: str) -> None:
    answer = await sign_in(client, key, "/history?lang=ko")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/history?lang=ko"
    page = await client.get("/", headers=HTML)
    assert page.status_code == 200
    assert 'id="sign-out" title="Kim"' in page.text
    wanted = {"name": "towers"}
    problem(await client.post("/v1/catalogs", json=wanted), 403, "csrf-token-invalid")
    wrong = {"X-CSRF-Token": "0" * 64}
    problem(await client.post("/v1/catalogs", json=wanted, headers=wrong), 403, "csrf-token-invalid")
    problem(await client.delete("/v1/catalogs/towers", headers={"X-CSRF-Token": ""}), 403, "csrf-token-invalid")
    created(await client.post("/v1/catalogs", json=wanted, headers=proof(client)))


async def test_cookies_are_out_of_reach(client: httpx.AsyncClient, key: str, settings: Settings) -> None:
    answer = await sign_in(client, key)
    cookies = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        cookies.load(line)
    session, token = cookies["haja_session"], cookies["haja_csrf"]
    assert session["httponly"]
    assert not token["httponly"]
    assert session["samesite"] == token["samesite"] == "lax"
    assert session["path"] == "/"
    rows = execute(settings.database_url, "SELECT token_sha256, csrf_token FROM sign_ins")
    assert [(bytes(row[0]), row[1]) for row in rows] == [(hashlib.sha256(session.value.encode()).digest(), token.value)]


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", ""])
async def test_it_goes_on_here_only(client: httpx.AsyncClient, key: str, then: str) -> None:
    assert (await sign_in(client, key, then)).headers["location"] == "/"


@pytest.mark.parametrize("wrong", ["", "haja_0", "haja_" + "0" * 12 + "_" + "0" * 64, "<script>"])
async def test_a_wrong_key_is_asked_for_again(client: httpx.AsyncClient, root: dict[str, str], wrong: str) -> None:
    assert root
    answer = await sign_in(client, wrong)
    assert answer.status_code == (401 if wrong else 422)
    assert "set-cookie" not in answer.headers
    assert "<script>" not in answer.text.replace('<script type="', "")


async def test_signing_out_ends_the_session_everywhere(client: httpx.AsyncClient, key: str) -> None:
    await sign_in(client, key)
    kept = dict(client.cookies)
    problem(await client.post("/sign-out"), 403, "csrf-token-invalid")
    answer = await client.post("/sign-out", headers=proof(client))
    assert answer.status_code == 204
    assert not client.cookies
    again = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
    problem(await client.get("/v1/catalogs", headers=again), 401, "unauthenticated")


async def test_a_page_of_whoever_was_signed_in_before_does_nothing(
    client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str]
) -> None:
    """Tabs share cookies: each says whose page it is, and what it sends counts for that person only."""
    kim, lee = await make_key(name="Kim", role="admin"), await make_key(name="Lee", role="admin")
    await sign_in(client, kim["key"])
    assert client.cookies["haja_owner"] == kim["id"]
    of_kim = {"X-Haja-Owner": kim["id"]}
    created(await client.post("/v1/catalogs", json={"name": "towers"}, headers=proof(client) | of_kim))
    await sign_in(client, lee["key"])
    assert client.cookies["haja_owner"] == lee["id"]
    for owner in (kim["id"], "", "nonsense"):
        headers = proof(client) | {"X-Haja-Owner": owner}
        refused = await client.post("/v1/catalogs", json={"name": "bridges"}, headers=headers)
        problem(refused, 403, "csrf-token-invalid")
        assert refused.json()["detail"] == (
            "The page that sent this is somebody else's, so nothing was done: load the page again."
        )
        problem(await client.get("/v1/catalogs", headers=headers), 403, "csrf-token-invalid")
    names = [each["name"] for each in (await client.get("/v1/catalogs", headers=root)).json()["items"]]
    assert names == ["default", "towers"]


async def test_a_page_says_whose_it_is_and_is_kept_by_no_browser(client: httpx.AsyncClient, make_key: MakeKey) -> None:
    kim = await make_key(name="Kim", role="inspector")
    await sign_in(client, kim["key"])
    await client.get("/choose", params={"catalog": "default"})
    # Sessions of earlier versions have no such cookie, and somebody may have set another.
    for before in (None, kim["id"], "00000000-0000-7000-8000-000000000000"):
        client.cookies.delete("haja_owner")
        if before:
            client.cookies.set("haja_owner", before)
        page = await client.get("/history", headers=HTML)
        assert f'"owner": "{kim["id"]}",' in page.text
        assert page.headers["cache-control"] == "no-store"
        told = SimpleCookie(page.headers.get("set-cookie", ""))
        assert told.keys() == (set() if before == kim["id"] else {"haja_owner"})
    answer = await client.post("/sign-out", headers=proof(client))
    gone = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        gone.load(line)
    assert {name for name, cookie in gone.items() if cookie["max-age"] == "0"} >= {"haja_owner", "catalog"}
    for address in ("/sign-in", "/offline"):
        assert '"owner": null,' in (await client.get(address, headers=HTML)).text


async def test_whoever_signs_in_after_somebody_else_begins_with_a_catalog_of_their_own(
    client: httpx.AsyncClient, make_key: MakeKey
) -> None:
    kim, lee = await make_key(name="Kim", role="admin"), await make_key(name="Lee", role="admin")
    await sign_in(client, kim["key"])
    await client.get("/choose", params={"catalog": "default"})
    await sign_in(client, kim["key"])
    assert client.cookies["catalog"] == "default"
    await sign_in(client, lee["key"])
    assert "catalog" not in client.cookies


async def test_a_session_ends_with_its_key(client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str]) -> None:
    made = await make_key(role="inspector")
    await sign_in(client, made["key"])
    assert (await client.get("/v1/catalogs")).status_code == 200
    assert (await client.delete(f"/v1/keys/{made['id']}", headers=root)).status_code == 204
    problem(await client.get("/v1/catalogs"), 401, "unauthenticated")


async def test_a_session_ends_by_itself(client: httpx.AsyncClient, key: str, settings: Settings) -> None:
    await sign_in(client, key)
    over = datetime.now(UTC) - timedelta(seconds=1)
    execute(settings.database_url, "UPDATE sign_ins SET expires_at = :over", over=over)
    problem(await client.get("/v1/catalogs"), 401, "unauthenticated")
    answer = await client.get("/history", headers=HTML)
    assert answer.headers["location"] == "/sign-in?then=%2Fhistory"


async def test_pages_show_what_a_role_may_do(
    client: httpx.AsyncClient, mine: Things, theirs: Things, make_key: MakeKey
) -> None:
    await sign_in(client, (await make_key(catalogs={"mine": "inspector"}))["key"])
    page = (await client.get("/catalog", headers=HTML)).text
    assert "/catalog/new" not in page
    assert "crack" in page
    assert "theirs" not in page
    for address, status in [
        ("/catalog/new", 403),
        (f"/catalog/{mine.class_id}", 200),
        (f"/catalog/{theirs.class_id}", 404),
        (f"/classifications/{mine.classification_id}", 200),
        (f"/classifications/{theirs.classification_id}", 404),
        ("/history?catalog=theirs", 200),
    ]:
        answer = await client.get(address, headers=HTML)
        assert answer.status_code == status, address
        assert theirs.photo_id not in answer.text
    page = (await client.get(f"/catalog/{mine.class_id}", headers=HTML)).text
    assert 'id="edit"' not in page
    assert 'id="add"' not in page
