"""A phone that is handed to a colleague: photos, answers and drafts are for whoever took them, and none is lost."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, Route, expect

from app.config import Settings
from app.serve import running
from models.backbones import Backbone
from tests.browser.conftest import CHROMIUM, PHONE
from tests.browser.steps import make_key, register_drawn, sign_in, take
from tests.browser.test_accessibility import small_targets, violations
from tests.conftest import MakeSettings
from tests.drawn import photo
from tests.rest import execute

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")

CLASSIFY = "**/v1/catalogs/*/classifications"
OUTBOX = """async () => {
  const opened = indexedDB.open("haja");
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
            self.sent_for.append(route.request.headers.get("x-haja-owner", ""))
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
    expect(page.locator(OF_OTHERS).locator("p")).to_have_text(
        "Photos of somebody else that wait on this phone: 2. They are sent when that person signs in here again."
    )
    take(page, photo("rust", 14))
    expect(page.locator(ANSWERS)).to_have_count(1)
    assert page.locator(WAITING).count() == 0
    assert not violations(page)
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


@pytest.mark.long
def test_the_page_is_kept_anew_for_whoever_signs_in_next(
    page: Page, context: BrowserContext, server: str, admin: dict[str, str], network: Network
) -> None:
    kim, lee = make_key(server, "Kim", admin), make_key(server, "Lee", admin)
    network.is_there = False
    _open(page, kim)
    _wait_for_kept_page(page, _owner(server, kim))
    of_kim = page.evaluate("caches.match('/').then((page) => page.text())")
    take(page, photo("crack", 21))
    expect(page.locator(WAITING)).to_have_count(1)
    _sign_out(page)
    # Not by way of the inspect page: any page keeps it.
    page.goto("/history")
    sign_in(page, lee)
    expect(page).to_have_url(f"{server}/history")
    _wait_for_kept_page(page, _owner(server, lee))
    context.set_offline(True)
    page.goto("/")
    expect(page.locator(OF_OTHERS)).to_contain_text("phone: 1.")
    take(page, photo("rust", 22))
    expect(page.locator(WAITING)).to_have_count(1)
    assert "Kim" not in page.content()
    # A page of Kim's that was kept all the same, as by an answer that came late, is not shown: rather none.
    page.evaluate(
        """async (text) => (await caches.open((await caches.keys())[0])).put(
            "/", new Response(text, { headers: { "Content-Type": "text/html" } }))""",
        of_kim,
    )
    page.goto("/")
    expect(page.get_by_text("There is no network.")).to_be_visible()
    assert "Kim" not in page.content()
    assert page.evaluate(KEPT_PAGES) == []
    network.is_there = True
    context.set_offline(False)
    page.goto("/")
    expect(page.locator(ANSWERS)).to_have_count(1)
    assert _count(server, admin) == 1


@pytest.mark.long
def test_without_network_the_phone_is_of_whoever_signed_in_last(
    playwright: Playwright, make_settings: MakeSettings, backbone: Backbone, tmp_path: Path
) -> None:
    def phone(*, offline: bool) -> BrowserContext:
        return playwright.chromium.launch_persistent_context(
            tmp_path / "phone",
            executable_path=CHROMIUM,
            viewport=PHONE,  # type: ignore[arg-type]
            locale="en-US",
            offline=offline,
        )

    with running(make_settings(), backbone) as address:
        register_drawn(address, "crack", "rust")
        admin = {"Authorization": f"Bearer {make_key(address, 'Admin', role='admin')}"}
        kim, lee = make_key(address, "Kim", admin), make_key(address, "Lee", admin)
        context = phone(offline=False)
        page = context.new_page()
        page.goto(address)
        sign_in(page, kim)
        _wait_for_kept_page(page, _owner(address, kim))
        page.wait_for_timeout(1000)  # the browser writes its cookies to the disk
        context.close()
        # The session went with the browser; whose phone it is did not.
        context = phone(offline=True)
        page = context.new_page()
        page.goto(address)
        take(page, photo("crack", 23))
        expect(page.locator(WAITING)).to_have_count(1)
        context.set_offline(False)
        expect(page.locator("#signed-out")).to_be_visible()
        assert _count(address, admin) == 0
        page.locator("#signed-out").get_by_role("link", name="Sign in").click()
        sign_in(page, lee)
        expect(page.locator(OF_OTHERS)).to_contain_text("phone: 1.")
        assert page.locator(WAITING).count() == 0
        assert _count(address, admin) == 0
        _sign_out(page)
        sign_in(page, kim)
        expect(page.locator(ANSWERS)).to_have_count(1)
        assert _count(address, admin) == 1
        context.close()


@pytest.mark.long
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_a_tab_gives_way_to_whoever_signs_in_in_another(
    page: Page, context: BrowserContext, server: str, admin: dict[str, str], network: Network, told: bool
) -> None:
    kim, lee = make_key(server, "Kim", admin), make_key(server, "Lee", admin)
    if not told:  # as in a browser without this way from tab to tab, or where the tab slept
        page.add_init_script("delete self.BroadcastChannel")
    network.is_there = False
    _open(page, kim)
    take(page, photo("crack", 24))
    expect(page.locator(WAITING)).to_have_count(1)
    other = context.new_page()
    other.goto("/")
    _sign_out(other)
    if told:
        expect(page.get_by_label("API key")).to_be_visible()
    sign_in(other, lee)
    expect(other.locator("#files")).to_be_attached()
    network.is_there = True
    if told:
        page.goto("/")
    else:
        page.evaluate("dispatchEvent(new Event('online'))")  # it would send now
        page.wait_for_timeout(1000)
        page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator(OF_OTHERS)).to_contain_text("phone: 1.")
    assert page.locator(WAITING).count() == 0
    assert network.sent_for == []
    assert _count(server, admin) == 0
    _sign_out(other)
    expect(page).to_have_url(re.compile("/sign-in")) if told else page.goto("/")
    sign_in(page, kim)
    expect(page.locator(ANSWERS)).to_have_count(1)
    assert _count(server, admin) == 1


@pytest.mark.long
@pytest.mark.parametrize("arrives", [True, False], ids=["arrives", "is late"])
def test_a_photo_on_its_way_while_its_owner_signs_out(
    page: Page, context: BrowserContext, server: str, admin: dict[str, str], arrives: bool
) -> None:
    """It reached the service before, and the answer is lost; or it would reach it as somebody else's."""
    kim, lee = make_key(server, "Kim", admin), make_key(server, "Lee", admin)
    page.add_init_script("delete self.BroadcastChannel")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(CLASSIFY, hold)
    _open(page, kim)
    with page.expect_request(CLASSIFY):
        take(page, photo("crack", 25))
    while not held:
        page.wait_for_timeout(50)
    if arrives:
        held[0].fetch()
    other = context.new_page()
    other.goto("/")
    _sign_out(other)
    sign_in(other, lee)
    expect(other.locator(OF_OTHERS)).to_contain_text("phone: 1.")
    if arrives:
        held[0].abort()
    else:
        with page.expect_response(CLASSIFY) as refused:
            held[0].continue_()
        assert refused.value.status == 403
    page.unroute(CLASSIFY)
    assert _count(server, admin) == int(arrives)
    _sign_out(other)
    sign_in(other, kim)
    expect(other.locator(ANSWERS)).to_have_count(1)
    assert _count(server, admin) == 1


@pytest.mark.long
def test_a_session_that_ended_by_itself_leaves_unsent_photos_only(
    page: Page, context: BrowserContext, server: str, admin: dict[str, str], network: Network, settings: Settings
) -> None:
    kim, lee = make_key(server, "Kim", admin), make_key(server, "Lee", admin)
    context.grant_permissions(["geolocation"])
    _open(page, kim)
    take(page, photo("crack", 26))
    expect(page.locator(ANSWERS)).to_have_count(1)
    network.is_there = False
    page.locator(".where summary").click()
    page.locator("#place").fill("Tower 9")
    page.locator("#locate").check()
    take(page, photo("crack", 27))
    expect(page.locator(WAITING)).to_have_count(1)
    execute(settings.database_url, "DELETE FROM sign_ins")
    page.wait_for_timeout(2500)  # as long as a process goes by what it has read
    network.is_there = True
    page.goto("/history")
    expect(page.locator("#waiting-count")).to_have_text("1")  # perhaps it is the same person who signs in
    sign_in(page, lee)
    page.goto("/")
    expect(page.locator(OF_OTHERS)).to_contain_text("phone: 1.")
    assert page.locator(ANSWERS).count() == page.locator(WAITING).count() == 0
    expect(page.locator("#place")).to_have_value("")
    expect(page.locator("#locate")).not_to_be_checked()
    assert page.evaluate(OUTBOX) == [{"state": "waiting", "place": "Tower 9", "note": ""}]
    _sign_out(page)
    sign_in(page, kim)
    expect(page.locator(ANSWERS)).to_have_count(1)
    assert _count(server, admin) == 2


@pytest.mark.long
def test_nobody_is_signed_out_without_network(
    page: Page, context: BrowserContext, server: str, admin: dict[str, str]
) -> None:
    _open(page, make_key(server, "Kim", admin))
    page.locator(".where summary").click()
    page.locator("#place").fill("Tower 9")
    context.set_offline(True)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are still signed in: the service cannot be reached.")).to_be_visible()
    assert not violations(page)
    context.set_offline(False)
    page.reload()
    expect(page.locator("#place")).to_have_value("Tower 9")
    _sign_out(page)
    assert page.evaluate("Object.keys(localStorage)") == []


@pytest.mark.long
def test_photos_of_nobody_are_offered_and_go_up_after_a_yes(page: Page, server: str, network: Network) -> None:
    """Taken while no key was asked for, or kept by a version that noted no owner."""
    register_drawn(server, "crack", "rust")
    network.is_there = False
    page.goto("/")
    take(page, photo("crack", 28), photo("crack", 29))
    expect(page.locator(WAITING)).to_have_count(2)
    page.evaluate(
        """async () => {
          const opened = indexedDB.open("haja");
          await new Promise((resolve) => (opened.onsuccess = resolve));
          const store = opened.result.transaction("entries", "readwrite").objectStore("entries");
          const all = store.getAll();
          await new Promise((resolve) => (all.onsuccess = resolve));
          delete all.result[0].owner;
          await new Promise((resolve) => (store.put(all.result[0]).onsuccess = resolve));
          opened.result.close();
        }"""
    )
    page.reload()
    expect(page.locator(WAITING)).to_have_count(2)  # without keys all are one
    expect(page.locator("#unclaimed")).to_be_hidden()
    admin = {"Authorization": f"Bearer {make_key(server, 'Admin', role='admin')}"}
    kim, lee = make_key(server, "Kim", admin), make_key(server, "Lee", admin)
    network.is_there = True
    page.goto("/")
    sign_in(page, lee)
    expect(page.locator("#unclaimed")).to_contain_text("Photos that wait on this phone without a name: 2.")
    assert page.locator(WAITING).count() == 0
    expect(page.locator("#waiting-count")).to_be_hidden()
    assert not violations(page)
    assert not small_targets(page)
    _sign_out(page)
    sign_in(page, kim)
    page.get_by_role("button", name="Yes, I took them").click()
    expect(page.locator(ANSWERS)).to_have_count(2)
    expect(page.locator("#unclaimed")).to_be_hidden()
    assert _count(server, admin) == 2
    assert [whom for whom in network.sent_for if whom] == [_owner(server, kim)] * 2


@pytest.mark.long
def test_photos_of_a_key_that_has_ended_find_their_owner(
    page: Page, server: str, admin: dict[str, str], network: Network
) -> None:
    kim = make_key(server, "Kim", admin)
    network.is_there = False
    _open(page, kim)
    take(page, photo("crack", 31))
    expect(page.locator(WAITING)).to_have_count(1)
    _sign_out(page)
    assert httpx.delete(f"{server}/v1/keys/{_owner(server, kim)}", headers=admin).status_code == 204
    kim = make_key(server, "Kim", admin)
    release = page.get_by_role("button", name="Their key has ended: offer them to whoever signs in")
    sign_in(page, kim)
    expect(page.locator(OF_OTHERS)).to_contain_text("phone: 1.")
    expect(release).to_have_count(0)
    _sign_out(page)
    sign_in(page, admin["Authorization"].removeprefix("Bearer "))
    assert not small_targets(page)
    release.click()
    # Whoever offers them sees no more of them than before.
    expect(page.locator(OF_OTHERS)).to_be_hidden()
    expect(page.locator("#unclaimed")).to_be_visible()
    assert page.locator(WAITING).count() == 0
    _sign_out(page)
    network.is_there = True
    sign_in(page, kim)
    page.get_by_role("button", name="Yes, I took them").click()
    expect(page.locator(ANSWERS)).to_have_count(1)
    assert [whom for whom in network.sent_for if whom] == [_owner(server, kim)]


@pytest.mark.long
@pytest.mark.parametrize("keeps_pages", [True, False], ids=["pages in memory", "no pages in memory"])
def test_back_shows_nothing_of_whoever_signed_out(
    playwright: Playwright, server: str, admin: dict[str, str], keeps_pages: bool
) -> None:
    switch = "--disable-back-forward-cache"  # Playwright's own
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, ignore_default_args=[switch] if keeps_pages else None
    )
    page = browser.new_context(base_url=server, viewport=PHONE, locale="en-US").new_page()  # type: ignore[arg-type]
    _open(page, make_key(server, "Kim", admin))
    take(page, photo("crack", 30))
    expect(page.locator(ANSWERS)).to_have_count(1)
    page.goto("/history")
    expect(page.locator(".history .item")).to_have_count(1)
    _sign_out(page)
    for _ in range(2):
        page.go_back()
        expect(page.get_by_label("API key")).to_be_visible()
        expect(page.locator("main")).to_be_visible()
        assert page.locator(".history .item").count() == page.locator(ANSWERS).count() == 0
        assert "Kim" not in page.content()
    browser.close()
