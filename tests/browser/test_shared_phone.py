"""A phone that is handed to a colleague: photos, answers and drafts are for whoever took them, and none is lost."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, Route, expect

from app.config import Settings
from app.serve import running
from models.backbones import Backbone
from tests.browser.conftest import CHROMIUM, PHONE
from tests.browser.steps import history, make_key, register_drawn, sign_in, take
from tests.conftest import MakeSettings
from tests.drawn import photo
from tests.rest import execute

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")

CLASSIFY = "**/v1/catalogs/*/classifications"
OUTBOX = """async () => {
  const opened = indexedDB.open("haja", 1);
  await new Promise((resolve) => (opened.onsuccess = resolve));
  const all = opened.result.transaction("entries").objectStore("entries").getAll();
  await new Promise((resolve) => (all.onsuccess = resolve));
  opened.result.close();
  return all.result.map(({ state, fields, note }) => ({ state, place: fields.place, note }));
}"""
KEPT_PAGES = """async () => {
  const kept = [];
  for (const name of await caches.keys()) {
    const page = await (await caches.open(name)).match("/");
    if (page) kept.push(/"owner": "([^"]*)"/.exec(await page.text())[1]);
  }
  return kept;
}"""
WAITING, ANSWERS, OF_OTHERS = "#waiting-list li", "#answer-list > details", "#of-others"


def _open(page: Page, key: str) -> None:
    page.goto("/")
    sign_in(page, key)
    expect(page.locator("#files")).to_be_attached()


def _sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in$"))


def _count(server: str, headers: dict[str, str]) -> int:
    return len(httpx.get(f"{server}/v1/classifications", headers=headers).json()["items"])


def _owner(server: str, key: str) -> str:
    mine: str = httpx.get(f"{server}/v1/keys/current", headers={"Authorization": f"Bearer {key}"}).json()["id"]
    return mine


def _wait_for_kept_page(page: Page, owner: str) -> None:
    page.wait_for_function(f"async (owner) => (await ({KEPT_PAGES})()).join() === owner", arg=owner)


class Network:
    """Between the phone and the classifying of photos: whether they get through, and for whom they were sent."""

    def __init__(self, context: BrowserContext) -> None:
        self.is_there = True
        self.sent_for: list[str] = []
        context.route(CLASSIFY, self._pass)

    def _pass(self, route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif self.is_there:
            self.sent_for.append(route.request.headers["x-haja-owner"])
            route.continue_()
        else:
            route.abort()


@pytest.fixture
def network(context: BrowserContext) -> Network:
    return Network(context)


def test_a_colleague_sees_and_sends_nothing_and_nothing_is_lost(
    page: Page, server: str, admin: dict[str, str], network: Network
) -> None:
    kim, lee = make_key(server, "Kim", admin), make_key(server, "Lee", admin)
    _open(page, kim)
    take(page, photo("crack", 11))
    expect(page.locator(ANSWERS)).to_have_count(1)
    network.is_there = False
    page.locator(".where summary").click()
    page.locator("#place").fill("Tower 9")
    take(page, photo("crack", 12), photo("rust", 13))
    expect(page.locator(WAITING)).to_have_count(2)
    page.locator("#waiting-list .note input").first.fill("behind the boiler")
    expect(page.locator("#waiting-count")).to_have_text("2")
    _sign_out(page)
    # What was answered stands in the service; what was not waits, with its place and note.
    left = [{"state": "waiting", "place": "Tower 9", "note": note} for note in ("", "behind the boiler")]
    assert sorted(page.evaluate(OUTBOX), key=lambda entry: str(entry["note"])) == left
    assert page.evaluate("Object.keys(localStorage)") == []
    assert page.evaluate(KEPT_PAGES) == []

    network.is_there = True
    sign_in(page, lee)
    expect(page.locator(OF_OTHERS)).to_have_text(
        "Photos of somebody else that wait on this phone: 2. They are sent when that person signs in here again."
    )
    take(page, photo("rust", 14))
    expect(page.locator(ANSWERS)).to_have_count(1)
    assert page.locator(WAITING).count() == 0
    expect(page.locator("#waiting-count")).to_be_hidden()
    expect(page.locator("#place")).to_have_value("")
    expect(page.locator("#unclaimed")).to_be_hidden()
    assert "Tower 9" not in page.content()
    assert "behind the boiler" not in page.content()
    assert _count(server, admin) == 2
    _wait_for_kept_page(page, _owner(server, lee))
    _sign_out(page)

    sign_in(page, kim)
    expect(page.locator(ANSWERS)).to_have_count(2)
    expect(page.locator(OF_OTHERS)).to_be_hidden()
    items = httpx.get(f"{server}/v1/classifications", headers=admin).json()["items"]
    assert sorted((each["place"], each["note"]) for each in items) == [
        ("", ""),
        ("", ""),
        ("Tower 9", ""),
        ("Tower 9", "behind the boiler"),
    ]
    assert network.sent_for == [_owner(server, who) for who in (kim, lee, kim, kim)]
