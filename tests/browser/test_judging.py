"""The inspector's word and notes: one tap, one truth on all open pages, nothing typed is lost."""

import re

import httpx
import pytest
from playwright.sync_api import APIResponse, BrowserContext, Page, Route, expect

from tests.browser.steps import history, make_key, register_drawn, sign_in, take
from tests.drawn import photo


def test_the_word_of_a_person_wins_on_all_open_pages_and_is_taken_back(
    context: BrowserContext, page: Page, server: str
) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 11))
    card = page.locator(".answer")
    expect(card.locator(".sureness")).to_contain_text("%")
    other, own = context.new_page(), context.new_page()
    other.goto("/history")
    own.goto(f"/classifications/{history(server)[0]['id']}")
    # The name, how sure it is, and the verdicts are above the shutter without scrolling.
    shutter = page.locator(".shutter").bounding_box()
    verdicts = card.locator(".verdicts").bounding_box()
    assert verdicts is not None
    assert shutter is not None
    assert verdicts["y"] + verdicts["height"] <= shutter["y"]
    card.locator(".bars button").nth(1).click()  # one tap on a bar corrects
    for shown in (card.locator(".name"), own.locator(".name"), other.locator(".history .line")):
        expect(shown).to_have_text("rust")
    for said in (own.locator(".said"), other.locator(".history .verdict")):
        expect(said).to_contain_text("Put right; Haja said: crack")
    shots = httpx.get(f"{server}/v1/catalogs/default/defect-classes").json()["items"][1]["shots"]
    own.get_by_role("button", name="Undo").click()
    expect(card.locator(".name")).to_have_text("crack")
    expect(card.locator(".said")).to_be_empty()
    expect(other.locator(".history .line")).to_have_text(re.compile(r"^crack \d+%$"))
    assert history(server)[0]["feedback"] is None
    after = httpx.get(f"{server}/v1/catalogs/default/defect-classes").json()["items"][1]["shots"]
    assert (shots, after) == (6, 5)  # what was learned by the word is taken back with it


def test_what_is_typed_saves_itself_and_survives_the_page(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 11))
    expect(page.locator(".answer")).to_be_visible()
    note = page.locator(".remarks textarea")
    note.fill("behind the boiler")
    page.goto("/history")  # at once, before a pause
    expect(page.locator(".history .note")).to_have_text("behind the boiler")
    page.goto("/")
    page.route("**/v1/classifications/*", lambda route: route.abort())
    note.fill("behind the boiler, wet")
    expect(page.locator(".saved")).to_have_text("Kept on this phone; it is saved as soon as the service answers.")
    page.reload()
    expect(note).to_have_value("behind the boiler, wet")
    page.unroute("**/v1/classifications/*")
    page.goto("/history")  # the next page saves what is left
    expect(page.locator(".history .note")).to_have_text("behind the boiler, wet")
    assert history(server)[0]["note"] == "behind the boiler, wet"


@pytest.mark.long
def test_an_arrival_folds_nothing_that_somebody_works_on(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 11))
    items = page.locator("#answer-list > details")
    expect(items).to_have_count(1)
    note = items.first.locator("textarea")
    note.press_sequentially("behind ")
    take(page, photo("rust", 12), photo("rust", 13))
    expect(items).to_have_count(3)
    note = items.last.locator("textarea")
    expect(note).to_be_focused()
    note.press_sequentially("the boiler")
    expect(note).to_have_value("behind the boiler")
    # After a word the next one that nobody has judged is opened, and the word can be taken back.
    items.last.locator(".confirm").click()
    expect(items.first).to_have_attribute("open", "")
    expect(page.locator("#last-word")).to_contain_text("crack: Confirmed")
    page.locator("#last-word button").click()
    expect(items.last.locator(".said")).to_be_empty()
    assert history(server)[-1]["feedback"] is None


@pytest.mark.long
def test_an_older_answer_on_its_way_takes_no_word_back(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 11))
    card = page.locator(".answer")
    expect(card).to_be_visible()
    held: list[tuple[Route, APIResponse]] = []
    page.route(
        re.compile(r"/v1/classifications/[0-9a-f-]+$"), lambda route: held.append((route, route.fetch())), times=1
    )
    card.locator("textarea").press_sequentially("wet")
    card.locator("textarea").blur()
    while not held:
        page.wait_for_timeout(50)
    card.locator(".confirm").click()
    expect(card.locator(".said")).to_have_text("Confirmed")
    ((route, before),) = held
    route.fulfill(response=before)
    expect(card.locator(".saved")).to_have_text("Saved.")
    page.wait_for_load_state("networkidle")
    expect(card.locator(".said")).to_have_text("Confirmed")
    expect(card.locator("textarea")).to_have_value("wet")


@pytest.mark.long
def test_many_types_are_searched(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    for number in range(9):
        data = {"name": f"type-{number}", "title_ko": f"유형 {number}"}
        upload = [("photos", ("0.jpg", photo("brick", number), "image/jpeg"))]
        httpx.post(f"{server}/v1/catalogs/default/defect-classes", data=data, files=upload, timeout=60)
    page.goto("/")
    take(page, photo("crack", 11))
    page.get_by_role("button", name="Another").click()
    page.get_by_role("searchbox", name="Search the types").fill("유형 7")
    expect(page.locator(".chooser li:visible")).to_have_count(1)
    page.locator(".chooser li:visible button").click()
    expect(page.locator(".answer .name")).to_have_text("유형 7")


@pytest.mark.long
def test_from_one_answer_to_the_next_and_back_to_the_filtered_list(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 11), photo("crack", 12), photo("rust", 13))
    expect(page.locator("#answer-list > details")).to_have_count(3)
    page.goto("/history?place=&unknown=false")
    page.locator(".history a").first.click()
    expect(page.locator("#next")).to_be_visible()  # its script has run
    expect(page.locator("#previous")).to_be_hidden()
    first = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url != first)
    expect(page.locator(".answer .name")).to_have_text("crack")
    page.get_by_role("link", name="Previous").click()
    expect(page).to_have_url(first)
    page.locator(".back a").click()
    expect(page).to_have_url(f"{server}/history?place=&unknown=false")


@pytest.mark.long
def test_drafts_are_their_writer_s(page: Page, server: str, admin: dict[str, str]) -> None:
    kim, lee = make_key(server, "Kim", admin), make_key(server, "Lee", admin)
    page.goto("/")
    sign_in(page, kim)
    take(page, photo("crack", 11))
    page.route("**/v1/classifications/*", lambda route: route.abort())
    page.locator(".remarks textarea").fill("mine")
    expect(page.locator(".saved")).to_contain_text("Kept on this phone")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, lee)
    expect(page.locator("#files")).to_be_attached()
    page.unroute("**/v1/classifications/*")
    page.reload()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, kim)
    expect(page.locator("#files")).to_be_attached()
    page.goto("/history")
    page.reload()
    expect(page.locator(".history .note")).to_have_text("mine")
