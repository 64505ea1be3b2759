"""People sign in, work, are signed out in the middle, and lose nothing."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from app.config import Settings
from tests.browser.steps import make_key, sign_in, take
from tests.browser.test_accessibility import violations
from tests.drawn import photo
from tests.rest import execute

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")

KEPT_PAGES = """async () => {
  let count = 0;
  for (const name of await caches.keys()) if (await (await caches.open(name)).match("/")) count += 1;
  return count;
}"""


def test_an_inspector_signs_in_works_and_signs_out(page: Page, server: str, admin: dict[str, str]) -> None:
    key = make_key(server, "Kim", admin)
    page.goto("/history")
    expect(page).to_have_url(re.compile("/sign-in"))
    assert not violations(page)
    sign_in(page, key[:-1])
    expect(page.get_by_role("alert")).to_have_text("This key is not valid, or it has ended.")
    sign_in(page, key)
    expect(page).to_have_url(f"{server}/history")
    page.goto("/")
    take(page, photo("crack", 11))
    page.get_by_role("button", name="Right").click()
    expect(page.locator(".said")).to_have_text("Confirmed (Kim)")
    page.get_by_role("button", name="Another").click()
    expect(page.locator(".chooser button")).to_have_count(1)
    expect(page.locator(".learn")).to_have_count(0)
    page.goto("/catalog")
    expect(page.get_by_role("heading", name="crack")).to_be_visible()
    expect(page.get_by_role("link", name="Register a defect type")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{server}/sign-in")
    page.goto("/history")
    expect(page).to_have_url(re.compile("/sign-in"))
    assert page.evaluate(KEPT_PAGES) == 0


@pytest.mark.long
def test_photos_wait_while_nobody_is_signed_in(
    page: Page, server: str, admin: dict[str, str], settings: Settings
) -> None:
    key = make_key(server, "Kim", admin)
    page.goto("/")
    sign_in(page, key)
    expect(page.locator("#files")).to_be_attached()
    execute(settings.database_url, "DELETE FROM sign_ins")
    page.wait_for_timeout(2500)  # as long as a process goes by what it has read
    take(page, photo("crack", 11))
    expect(page.locator("#signed-out")).to_be_visible()
    expect(page.locator("#waiting-list li")).to_have_count(1)
    page.locator("#signed-out").get_by_role("link", name="Sign in").click()
    sign_in(page, key)
    expect(page.locator("#answer-list > details")).to_have_count(1)
    answered = httpx.get(f"{server}/v1/classifications", headers=admin).json()["items"]
    assert len(answered) == 1
