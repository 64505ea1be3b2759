"""Nothing that a page is asked to go on to lies outside of this service."""

from urllib.parse import quote

import httpx
import pytest

from app.web.own_address import own_address
from tests.rest import created

pytestmark = pytest.mark.only_on("sqlite", "no database has a part in it")

OWN = [
    "/", "/history", "/history?unknown=true", "/history?place=3%EB%8F%99&until=2026-11-28", "/catalog/new",
    "/classifications/0199c2a5-b7f0-7cc3-8000-000000000000", "/history?place=3동 2층 // 복도", "/docs",
    "/v1/catalogs?limit=2",
]  # fmt: skip
ELSEWHERE = [
    "", "evil", "https://evil.example", "javascript:alert(1)", "//evil.example", "///evil.example", "////evil.example",
    "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example",
    "\t//evil.example",
    " //evil.example", "/\r\n/evil.example", "/\x00/evil.example", "/history\x00", "/history?a=\r\nSet-Cookie: a=b",
    "/history?a=\x7f", "/history?a=\x85", "/history?\\evil", "/%2Fevil.example", "/%2f%2fevil.example",
    "%2F%2Fevil.example",
    "/%5Cevil.example", "/%5c%5cevil.example", "/%09/evil.example", "/%0d%0a/evil.example", "/%252Fevil.example",
    "/.//evil.example", "/..//evil.example", "/history/..//evil.example", "/history//evil.example", "/;//evil.example",
    "/@evil.example", "/history#//evil.example", "/／evil.example", "/\u2028/evil.example", "/\ud800",
]  # fmt: skip


@pytest.mark.parametrize("then", OWN)
def test_own_addresses_are_kept(then: str) -> None:
    assert own_address(then) == then


@pytest.mark.parametrize("then", ELSEWHERE)
def test_all_else_leads_to_the_first_page(then: str) -> None:
    assert own_address(then) == "/"


async def test_neither_a_choice_nor_signing_in_leads_elsewhere(client: httpx.AsyncClient) -> None:
    key = created(await client.post("/v1/keys", json={"name": "Kim", "role": "admin"}))["key"]
    once = [quote(then, safe="/") for then in ELSEWHERE if then.isprintable()]
    as_typed = ["///evil.example", "/%09/evil.example", "/%0D%0A/evil.example", "/%00/evil.example"]
    for raw in [*once, *as_typed]:
        assert (await client.get(f"/choose?then={raw}")).headers["location"] == "/", raw
        assert '<input type="hidden" name="then" value="/">' in (await client.get(f"/sign-in?then={raw}")).text, raw
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post("/sign-in", content=f"key={key}&then={raw}", headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), raw
