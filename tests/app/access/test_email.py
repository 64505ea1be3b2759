"""Two addresses are one person's where they differ in the case of ASCII letters, and nowhere else."""

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from app.access.email import MOST, email_address
from app.access.errors import SignInFailed
from app.config import Settings
from tests.app.access.conftest import MakeKey, bearer
from tests.rest import created, execute, problem

SENTENCE = (
    "it is no e-mail address in plain ASCII: write a-z, 0-9 and signs before the @, and behind it a domain, which may "
    "have other letters if IDNA takes them, small ones"
)

REFUSED = [
    "straße@example.org", "ſtrasse@example.org", "\u212aim@example.org", "kim@ſtrasse.de", "kim@\u212aim.de",
    "kim@STRAẞE.de", "ｋｉｍ@example.org", "kim@ｅxample.org", "ki\u200bm@example.org", "kim@exa\u200bmple.org",
    "k\u0456m@example.org", "김@example.org", "", "kim", "@example.org", "kim@", "kim@@example.org", "a@b@example.org",
    "kim @example.org", "kim@example.org\n", "kim\x00@example.org", "kim@" + "ü" * 70 + ".de",
    "k" * 320 + "@example.org",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Kim@Example.ORG", "kim@example.org"),
        ("kim@straße.de", "kim@xn--strae-oqa.de"),
        ("KIM@xn--strae-oqa.DE", "kim@xn--strae-oqa.de"),
        ("kim@strasse.de", "kim@strasse.de"),
        ("kim@한국.kr", "kim@xn--3e0b707e.kr"),
        ("kim+site/3'a@a_b.example", "kim+site/3'a@a_b.example"),
    ],
)
def test_it_has_one_form(text: str, address: str) -> None:
    assert email_address(text) == address
    assert email_address(address) == address


@pytest.mark.parametrize("text", REFUSED)
def test_what_has_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=SENTENCE):
        email_address(text)


@pytest.mark.both_databases
async def test_no_key_gets_such_an_address(client: httpx.AsyncClient, root: dict[str, str]) -> None:
    for text in REFUSED:
        answer = await client.post("/v1/keys", json={"name": "x", "role": "inspector", "email": text}, headers=root)
        told = problem(answer, 422, "request-invalid")["detail"]
        said = f"Value error, {SENTENCE}" if len(text) <= MOST else "String should have at most 320 characters"
        assert told == f"The request does not fit: body.email: {said}.", text


@pytest.mark.both_databases
async def test_a_domain_in_other_letters_is_kept_in_ascii(
    client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str]
) -> None:
    assert (await make_key(role="inspector", email="Kim@straße.de"))["email"] == "kim@xn--strae-oqa.de"
    again = {"name": "x", "role": "inspector", "email": "kim@XN--strae-oqa.de"}
    problem(await client.post("/v1/keys", json=again, headers=root), 409, "email-taken")
    created(await client.post("/v1/keys", json=again | {"email": "kim@strasse.de"}, headers=root))


async def test_a_provider_s_address_is_nobody_else_s(
    app: FastAPI, client: httpx.AsyncClient, make_key: MakeKey
) -> None:
    await make_key(role="inspector", email="strasse@example.org")
    access = app.state.access_service
    for vouched in ("straße@example.org", "ſtrasse@example.org", "STRAẞE@example.org"):
        with pytest.raises(SignInFailed) as refused:
            await access.sign_in_by_email(vouched, None)
        assert refused.value.detail == f"Nobody can be known here as {vouched}: {SENTENCE}."
    made = await access.sign_in_by_email("Strasse@Example.org", None)
    session = {"Cookie": f"haja_session={made.token}"}
    assert (await client.get("/v1/keys/current", headers=session)).status_code == 200


@pytest.mark.both_databases
async def test_an_older_key_with_another_address_stays_and_is_told_what_to_do(
    app: FastAPI, client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str], settings: Settings
) -> None:
    """Versions before this one kept whatever lower() gave: the key goes on, its owner has no provider's way in."""
    for stored in ("straße@example.org", "kim@straße.de"):
        made = await make_key(role="inspector", name=stored)
        execute(settings.database_url, "UPDATE api_keys SET email = :email WHERE prefix = :prefix",
                email=stored, prefix=made["prefix"])  # fmt: skip
        assert (await client.get("/v1/keys/current", headers=bearer(made["key"]))).status_code == 200
        listed = (await client.get("/v1/keys", headers=root)).json()["items"]
        assert [each["email"] for each in listed if each["id"] == made["id"]] == [stored]
        with pytest.raises(SignInFailed):
            await app.state.access_service.sign_in_by_email(stored, None)
    # A new key for the same address is no second one: the old form leads to nobody.
    await make_key(role="inspector", email="kim@straße.de")
    assert await app.state.access_service.sign_in_by_email("kim@straße.de", None)


def test_the_command_says_it_too(
    haja: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    code, key, said = haja("keys", "create", "Kim", "--role", "inspector", "--email", "straße@example.org")
    assert (code, key) == (2, "")
    assert " ".join(said.split()) == f"email: {SENTENCE}"
