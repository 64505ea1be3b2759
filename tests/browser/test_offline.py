"""A phone in a basement: photos wait on it, and go up once each."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, Route, expect

from app.serve import running
from models.backbones import Backbone
from tests.browser.conftest import CHROMIUM, PHONE
from tests.browser.steps import history, register_drawn, take
from tests.conftest import MakeSettings
from tests.drawn import photo

pytestmark = [
    pytest.mark.long,
    pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both"),
]


def _phone(playwright: Playwright, folder: Path, *, offline: bool = False) -> BrowserContext:
    """A browser whose memory is a folder, as a phone's."""
    return playwright.chromium.launch_persistent_context(
        folder,
        executable_path=CHROMIUM,
        viewport=PHONE,  # type: ignore[arg-type]
        locale="en-US",
        offline=offline,
    )


def _wait_for_worker(page: Page) -> None:
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("caches.match('/').then(Boolean)")


def test_three_photos_outlast_browser_and_server_and_go_up_once(
    playwright: Playwright, make_settings: MakeSettings, backbone: Backbone, tmp_path: Path
) -> None:
    with running(make_settings(), backbone) as address:
        register_drawn(address, "crack", "rust")
        phone = _phone(playwright, tmp_path / "phone")
        page = phone.new_page()
        page.goto(address)
        _wait_for_worker(page)
        phone.set_offline(True)
        expect(page.get_by_text("No network.")).to_be_visible()
        take(page, photo("crack", 1), photo("crack", 2))
        page.locator("#waiting-list .note input").first.fill("under the stairs")
        # What is written to the phone is written in order: with this photo the note is there.
        take(page, photo("rust", 3))
        expect(page.locator("#waiting-list li")).to_have_count(3)
        assert history(address) == []
    # Closed only now: while a browser closes, it is no longer kept from the network.
    phone.close()
    # The service is gone, the phone is opened again: the page comes from its own memory.
    phone = _phone(playwright, tmp_path / "phone", offline=True)
    page = phone.new_page()
    page.goto(address)
    expect(page.locator("#waiting-list li")).to_have_count(3)
    expect(page.locator("#waiting-count")).to_have_text("3")
    expect(page.locator("#waiting-list .note input").first).to_have_value("under the stairs")
    page.goto(f"{address}/history")
    expect(page.get_by_text("There is no network.")).to_be_visible()
    page.goto(address)
    with running(make_settings(port=int(address.rpartition(":")[2])), backbone) as again:
        assert again == address
        phone.set_offline(False)
        expect(page.locator("#answer-list > details")).to_have_count(3)
        expect(page.locator("#waiting")).to_be_hidden()
        answers = history(address)
        assert len(answers) == 3
        assert [answer["note"] for answer in answers] == ["", "", "under the stairs"]
        phone.close()


def test_an_answer_that_was_lost_on_the_way_counts_once(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    _wait_for_worker(page)
    lost = 0

    def lose_first(route: Route) -> None:
        nonlocal lost
        lost += 1
        if lost == 1:
            route.fetch()  # the service has stored it, and the phone never hears
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/catalogs/default/classifications", lose_first)
    take(page, photo("crack", 4))
    expect(page.locator("#answer-list > details")).to_have_count(1)
    assert lost == 2
    assert len(history(server)) == 1


def test_two_tabs_send_a_photo_once(context: BrowserContext, page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    other = context.new_page()
    other.goto("/")
    sent: list[str] = []
    for tab in (page, other):
        tab.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    context.set_offline(True)
    take(page, photo("crack", 5), photo("rust", 6))
    expect(other.locator("#waiting-list li")).to_have_count(2)  # the other tab sees them as well
    context.set_offline(False)
    for tab in (page, other):
        expect(tab.locator("#answer-list > details")).to_have_count(2)
    assert len(history(server)) == 2
    sent_after = [url for url in sent if url.endswith("/classifications")]
    assert len(sent_after) <= 4  # each once, and what either tab tried while there was no network


def test_a_refused_photo_stays_with_its_reason(page: Page, server: str) -> None:
    page.goto("/")
    take(page, photo("crack", 7), photo("crack", 8))
    cards = page.locator("#waiting-list .refused")
    expect(cards).to_have_count(2)  # nothing is registered yet
    expect(cards.first.locator(".state")).to_contain_text("No defect type is registered yet.")
    page.reload()
    expect(cards).to_have_count(2)
    cards.last.get_by_role("button", name="Drop").click()
    expect(cards).to_have_count(1)
    page.locator("#dropped").get_by_role("button", name="Undo").click()
    expect(page.locator("#waiting-list li")).to_have_count(2)
    cards.last.get_by_role("button", name="Drop").click()
    expect(cards).to_have_count(1)
    register_drawn(server, "crack", "rust")
    cards.first.get_by_role("button", name="Send again").click()
    expect(page.locator("#answer-list > details")).to_have_count(1)
    assert len(history(server)) == 1


def test_a_busy_service_is_asked_again(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    _wait_for_worker(page)
    answers = iter([429, 500, 200])  # the last is a hotspot's page, where the photo never arrived

    def busy(route: Route) -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        elif status == 200:
            route.fulfill(body="<h1>Log in</h1>", content_type="text/html")
        else:
            route.fulfill(status=status, json={"code": "queue-full", "detail": "Busy."})

    page.route("**/v1/catalogs/default/classifications", busy)
    take(page, photo("crack", 9))
    expect(page.locator("#waiting-list .state")).to_contain_text("tries again")
    expect(page.locator("#answer-list > details")).to_have_count(1)
    assert next(answers, None) is None
    assert len(history(server)) == 1
    assert httpx.get(f"{server}/livez").status_code == 200
