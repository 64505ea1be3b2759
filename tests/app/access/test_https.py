"""Behind HTTPS, cookies and pages are tied to it."""

from collections.abc import Callable

import httpx
import pytest

from app.config import Settings
from tests.app.access.conftest import MakeKey


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(public_url="https://haja.example")


async def test_cookies_and_pages_are_secure(client: httpx.AsyncClient, make_key: MakeKey) -> None:
    key = (await make_key(role="inspector"))["key"]
    answer = await client.post("/sign-in", data={"key": key})
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    lines = answer.headers.get_list("set-cookie")
    assert len(lines) == 4  # the catalog of whoever was here before is forgotten
    assert all("; secure" in line.lower() for line in lines)
    assert sum(line.startswith("__Host-haja_session=") for line in lines) == 1


async def test_a_choice_is_kept_to_https_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/choose", params={"language": "ko", "catalog": "default"})
    lines = answer.headers.get_list("set-cookie")
    assert len(lines) == 2
    assert all("; secure" in line.lower() and "; httponly" in line.lower() for line in lines)
