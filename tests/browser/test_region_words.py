"""What an inspector says of the regions of an answer, on the page; and the photo in full."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, Route, expect

from tests.browser.conftest import PHONE
from tests.browser.steps import history, payloads, register_with_boxes, take
from tests.browser.test_accessibility import small_targets, violations
from tests.drawn import wide_photo

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")


@pytest.fixture
def answered(page: Page, server: str) -> Locator:
    """The card of an answer with regions, on its own page."""
    for kind in ("crack", "rust"):
        register_with_boxes(server, kind)
    page.goto("/")
    take(page, wide_photo("rust", 21)[0])
    expect(page.locator(".box").first).to_be_visible()
    page.goto(f"/classifications/{history(server)[0]['id']}")
    card = page.locator(".answer")
    expect(card.locator(".region").first).to_be_visible()
    return card


def _now(server: str) -> dict[str, Any]:
    return history(server)[0]


def _sides(box: dict[str, Any]) -> list[float]:
    return [box[side] for side in "xywh"]


def _seen(part: Locator) -> FloatRect:
    """Where something is on the screen."""
    seen = part.bounding_box()
    assert seen is not None
    return seen


def _point(picture: Locator, x: float, y: float) -> tuple[float, float]:
    seen = _seen(picture)
    return seen["x"] + x * seen["width"], seen["y"] + y * seen["height"]


def _drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def test_regions_are_judged_moved_and_added_and_the_photo_is_seen_in_full(
    page: Page, server: str, answered: Locator
) -> None:
    picture = answered.locator(".picture")
    box = _sides(_now(server)["regions"][0])
    page.mouse.click(*_point(picture, box[0] + box[2] / 2, box[1] + box[3] / 2))
    expect(answered.locator(".region[aria-pressed=true]")).to_have_count(1)
    answered.get_by_role("button", name="Another", exact=True).first.click()
    answered.locator(".region-chooser button", has_text="crack").click()
    expect(answered.locator(".region-said")).to_have_text("Saved. This box is an example now.")
    expect(answered.locator(".region").first).to_contain_text("crack")
    word = _now(server)["regions"][0]["feedback"]
    assert (word["verdict"], word["defect_class_name"], word["support_photo_id"] is not None) == (
        "corrected",
        "crack",
        True,
    )
    # A corner is dragged in; the box is sent when it is saved.
    page.locator(".corner").last.scroll_into_view_if_needed()
    corner = _seen(page.locator(".corner").last)
    at = (corner["x"] + 22, corner["y"] + 22)
    _drag(page, at, (at[0] - 30, at[1] - 20))
    assert _now(server)["regions"][0]["feedback"]["verdict"] == "corrected"
    answered.get_by_role("button", name="Save the box").click()
    expect(answered.locator(".region").first).to_contain_text("Box corrected")
    seen = _seen(picture)
    expected = [box[0], box[1], box[2] - 30 / seen["width"], box[3] - 20 / seen["height"]]
    word = _now(server)["regions"][0]["feedback"]
    assert word["verdict"] == "moved"
    assert _sides(word["box"]) == pytest.approx(expected, abs=0.01)
    answered.get_by_role("button", name="Close").click()
    _add_in_full(page, server, answered)


def _add_in_full(page: Page, server: str, answered: Locator) -> None:
    """Zoomed, a defect that the answer lacks is drawn, and Escape leads back."""
    picture = answered.locator(".picture")
    answered.get_by_role("button", name="Show the photo in full").click()
    expect(answered.locator(".heat")).to_be_hidden()
    before = _seen(picture)
    page.get_by_role("button", name="Zoom in").click()
    after = _seen(picture)
    assert after["width"] == pytest.approx(1.5 * before["width"], rel=0.01)
    answered.get_by_role("button", name="Mark a defect").click()
    expect(answered.locator(".region-chooser button")).to_have_count(2)
    stage = _seen(page.locator(".stage"))
    start, end = (stage["x"] + 20, stage["y"] + 20), (stage["x"] + 90, stage["y"] + 70)
    here = _seen(picture)
    _drag(page, start, end)
    answered.locator(".region-chooser button", has_text="rust").click()
    count = len(_now(server)["regions"]) + 1
    expect(answered.locator(".region")).to_have_count(count)
    (added,) = _now(server)["added_regions"]
    drawn = [(start[0] - here["x"]) / here["width"], (start[1] - here["y"]) / here["height"]]
    assert (added["region"], added["defect_class_name"]) == (count, "rust")
    assert _sides(added["box"]) == pytest.approx([*drawn, 70 / here["width"], 50 / here["height"]], abs=0.01)
    answered.get_by_role("button", name="Close", exact=True).first.click()
    page.keyboard.press("Escape")
    expect(page.locator(".viewer")).to_be_hidden()
    expect(answered.get_by_role("button", name="Show the photo in full")).to_be_focused()


@pytest.mark.long
def test_what_could_not_be_sent_stays_and_is_sent_once(
    context: BrowserContext, page: Page, answered: Locator, server: str
) -> None:
    answered.locator(".region").first.click()
    page.locator(".edited").press("ArrowRight")
    page.locator(".edited").press("Shift+ArrowDown")
    context.set_offline(True)
    answered.get_by_role("button", name="Save the box").click()
    expect(answered.locator(".region-said")).to_have_text("There is no network.")
    answered.locator(".region").last.click()  # the box that waits is not given up by a tap elsewhere
    expect(answered.get_by_role("button", name="Save the box")).to_be_visible()
    context.set_offline(False)
    before = _now(server)["regions"][0]
    answered.get_by_role("button", name="Save the box").click()
    expect(answered.locator(".region").first).to_contain_text("Box corrected")
    word = _now(server)["regions"][0]["feedback"]
    assert _sides(word["box"]) == pytest.approx(
        [before["x"] + 0.01, before["y"], before["w"], min(before["h"] + 0.01, 1 - before["y"])], abs=1e-3
    )
    answered.get_by_role("button", name="Undo").click()
    expect(answered.get_by_role("button", name="Undo")).to_be_hidden()
    assert _sides(_now(server)["regions"][0]["feedback"]["box"]) == pytest.approx(_sides(before), abs=1e-3)
    answered.get_by_role("button", name="Close").click()
    # An answer that was lost on its way: the same region, sent again, is added once.
    answered.get_by_role("button", name="Mark a defect").click()
    lost: list[str] = []

    def lose(route: Route) -> None:
        lost.append(route.request.headers["idempotency-key"])
        route.fetch()
        route.abort()

    page.route("**/regions", lose, times=1)
    rust = answered.locator(".region-chooser button", has_text="rust")
    rust.click()
    expect(answered.locator(".region-said")).to_have_text("The service cannot be reached.")
    with page.expect_request("**/regions") as again:
        rust.click()
    assert again.value.headers["idempotency-key"] == lost[0]
    expect(answered.locator(".region").last).to_contain_text("Added by hand")
    assert len(_now(server)["added_regions"]) == 1
    learned = _now(server)["added_regions"][0]["support_photo_id"]
    answered.get_by_role("button", name="Undo").click()
    expect(answered.locator(".region").last).to_contain_text("Not a defect")
    expect(answered.locator(".box.nothing")).to_have_count(1)
    assert httpx.delete(f"{server}/v1/support-photos/{learned}").status_code == 404  # taken back with the word


@pytest.mark.long
def test_regions_are_judged_and_moved_by_keys_alone(context: BrowserContext, page: Page, answered: Locator) -> None:
    other = context.new_page()
    other.goto(page.url)
    answered.locator(".region").first.press("Enter")
    expect(answered.locator(".region-title")).to_be_focused()
    assert not violations(page)
    assert not small_targets(page)
    page.keyboard.press("Tab")  # close
    page.keyboard.press("Tab")
    expect(answered.get_by_role("button", name="Right").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(answered.locator(".region-said")).to_have_text("Saved.")
    expect(other.locator(".region").first).to_contain_text("Confirmed")
    answered.get_by_role("button", name="Correct the box").press("Enter")
    expect(page.locator(".edited")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(answered.locator(".region-said")).to_contain_text("% from the left")
    page.keyboard.press("Escape")
    expect(answered.get_by_role("button", name="Save the box")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(other.locator(".region").first).to_contain_text("Box corrected")
    assert page.url == other.url  # arrow keys were for the box
    page.keyboard.press("Escape")
    expect(answered.locator(".region").first).to_be_focused()
    expect(answered.locator(".region-panel")).to_be_hidden()
    answered.get_by_role("button", name="Mark a defect").press("Enter")
    expect(answered.locator(".region-chooser button")).to_have_count(2)
    assert not violations(page)
    assert not small_targets(page)
    page.keyboard.press("Escape")
    answered.get_by_role("button", name="Show the photo in full").press("Enter")
    width = page.evaluate("document.querySelector('.picture').clientWidth")
    page.keyboard.press("+")
    assert page.evaluate("document.querySelector('.picture').clientWidth") > 1.4 * width
    page.keyboard.press("0")
    assert page.evaluate("document.querySelector('.picture').clientWidth") == width
    assert not violations(page)
    assert not small_targets(page)
    page.keyboard.press("Escape")
    expect(answered.get_by_role("button", name="Show the photo in full")).to_be_focused()


@pytest.mark.long
@pytest.mark.parametrize("viewport", [PHONE, {"width": 740, "height": 360}])
def test_fingers_zoom_and_move_the_photo_in_full(browser: Browser, server: str, viewport: Any) -> None:
    for kind in ("crack", "rust"):
        register_with_boxes(server, kind)
    context = browser.new_context(base_url=server, viewport=viewport, locale="en-US", has_touch=True)
    page = context.new_page()
    page.goto("/")
    take(page, wide_photo("rust", 21, 3000)[0])
    expect(page.locator(".box").first).to_be_visible()
    page.goto(f"/classifications/{history(server)[0]['id']}")
    page.get_by_role("button", name="Show the photo in full").tap()
    stage = _seen(page.locator(".stage"))
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    width = page.evaluate("document.querySelector('.picture').clientWidth")
    session = context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": px, "y": py, "id": place} for place, (px, py) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    touch("touchStart", (x - 20, y), (x + 20, y))
    for apart in (30, 40, 50, 60):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    zoomed = page.evaluate("document.querySelector('.picture').clientWidth")
    assert zoomed == pytest.approx(3 * width, rel=0.05)
    left = page.evaluate("document.querySelector('.stage').scrollLeft")
    touch("touchStart", (x, y))
    for step in (10, 20, 40):
        touch("touchMove", (x + step, y))
    touch("touchEnd")
    assert page.evaluate("document.querySelector('.stage').scrollLeft") == pytest.approx(left - 40, abs=2)
    expect(page.locator(".region-panel")).to_be_hidden()  # it was no tap
    expect(page.locator(".picture .photo")).to_have_attribute("src", re.compile("side=(1600|3200)$"))
    page.mouse.move(x, y)
    page.mouse.wheel(0, 4000)
    page.wait_for_function(f"document.querySelector('.picture').clientWidth === {width}")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator(".picture")).not_to_have_attribute("style", re.compile("width"))
    context.close()


@pytest.mark.long
def test_sound_surfaces_are_registered_and_what_scans_gets_larger_photos(page: Page, server: str) -> None:
    page.goto("/catalog/new")
    page.get_by_label("English name").fill("Bare wall")
    page.get_by_label("What the photos show").select_option("A sound surface")
    expect(page.get_by_label("Severity")).to_be_hidden()
    page.locator(".dropzone input.picker").set_input_files(payloads([wide_photo(None, seed)[0] for seed in range(2)]))
    expect(page.locator(".chosen > li")).to_have_count(2)
    expect(page.get_by_role("button", name="Add a box").first).to_be_hidden()
    assert not violations(page)
    page.get_by_role("button", name="Register a defect type").click()
    expect(page.locator(".registered-name")).to_contain_text("2 photos")
    (kept,) = httpx.get(f"{server}/v1/catalogs/default/defect-classes").json()["items"]
    assert (kept["kind"], kept["severity"]) == ("sound", None)
    for kind in ("crack", "rust"):
        register_with_boxes(server, kind)
    page.goto("/")
    take(page, wide_photo("rust", 21, 3600)[0], wide_photo(None, 31, 3600)[0])
    expect(page.locator("#answer-list > details")).to_have_count(2)
    answers = httpx.get(f"{server}/v1/classifications").json()["items"]
    assert {each["photo"]["width"] for each in answers} == {3200}
    httpx.patch(f"{server}/v1/catalogs/default", json={"mode": "quick"})
    page.goto("/")
    take(page, wide_photo("rust", 22, 3600)[0])
    expect(page.locator("#answer-list > details")).to_have_count(3)
    assert history(server)[0]["photo"]["width"] == 1600  # type: ignore[index]
    page.goto("/history?sound=true")
    expect(page.get_by_label("Only sound")).to_be_checked()
    expect(page.locator(".history li")).to_have_count(sum(each["sound"] is True for each in history(server)))
