"""Boxes on the pages: drawn around defects of examples, and shown over the photos of answers."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.steps import payloads, register_with_boxes, take
from tests.browser.test_accessibility import small_targets, violations
from tests.drawn import Box, photo, photos, wide_photo

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")


def _choose(page: Page, contents: Sequence[bytes]) -> None:
    page.goto("/catalog/new")
    page.get_by_label("English name").fill("Crack")
    page.locator(".dropzone input.picker").set_input_files(payloads(contents))
    expect(page.locator(".chosen > li")).to_have_count(len(contents))


def _corners(page: Page, place: int, box: Box) -> list[tuple[float, float]]:
    """Two corners of a box on a chosen photo, in pixels of the screen."""
    canvas = page.locator(".canvas").nth(place)
    canvas.evaluate("(each) => each.scrollIntoView({ block: 'center' })")
    seen = canvas.bounding_box()
    assert seen is not None
    left, top, width, height = box
    ends = [(left, top), (left + width, top + height)]
    return [(seen["x"] + x * seen["width"], seen["y"] + y * seen["height"]) for x, y in ends]


def _drag(page: Page, place: int, box: Box) -> None:
    start, end = _corners(page, place, box)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def _regions(server: str, class_name: str) -> list[list[dict[str, float]]]:
    """What the service keeps of the examples of a class, in the order they were sent."""
    classes = httpx.get(f"{server}/v1/catalogs/default/defect-classes").json()["items"]
    (class_id,) = (each["id"] for each in classes if each["name"] == class_name)
    listed = httpx.get(f"{server}/v1/defect-classes/{class_id}/support-photos").json()["items"]
    return [each["regions"] for each in sorted(listed, key=lambda each: str(each["filename"]))]


def test_boxes_drawn_with_the_mouse_become_examples(page: Page, server: str) -> None:
    drawn = [wide_photo("crack", seed) for seed in range(3)]
    _choose(page, [each for each, _ in drawn])
    rest = page.get_by_label("Nothing else is wrong on these photos")
    expect(rest).to_be_hidden()
    for place, (_, box) in enumerate(drawn[:2]):
        _drag(page, place, box)
    _drag(page, 2, (0.1, 0.1, 0.3, 0.3))
    expect(page.locator(".chosen-count")).to_have_text("Chosen: 3 · Boxes: 3")
    page.mouse.click(*_corners(page, 2, (0.2, 0.2, 0, 0))[0])  # a tap takes it away: this one is an example as a whole
    expect(page.locator(".chosen-count")).to_have_text("Chosen: 3 · Boxes: 2")
    rest.check()
    page.get_by_role("button", name="Register a defect type").click()
    expect(page.locator(".registered-name")).to_contain_text("3 photos")
    kept = _regions(server, "Crack")
    assert [len(regions) for regions in kept] == [1, 1, 0]
    for (region,), (_, box) in zip(kept[:2], drawn, strict=False):
        assert [region[side] for side in "xywh"] == pytest.approx(box, abs=0.01)
    assert [len(regions) for regions in _regions(server, "sound")] == [1, 1]
    page.goto("/catalog")
    expect(page.locator(".class", has_text="Crack").locator(".framed rect")).to_have_count(2)
    expect(page.locator(".class", has_text="Sound surfaces").locator(".left-out rect")).to_have_count(2)


@pytest.mark.long
def test_an_answer_shows_where(page: Page, server: str) -> None:
    for kind in ("crack", "rust"):
        register_with_boxes(server, kind)
    page.goto("/")
    take(page, wide_photo("rust", 21)[0])
    card = page.locator("#answer-list > details").first
    expect(card.locator(".box").first).to_be_visible()
    answer = httpx.get(f"{server}/v1/classifications").json()["items"][0]
    first = answer["regions"][0]
    expect(card.locator(".region")).to_have_count(len(answer["regions"]))
    sureness = f"{first['defect'] * first['predictions'][0]['probability']:.0%}"
    entry = card.locator(".region").first
    expect(entry).to_contain_text(first["predictions"][0]["defect_class"]["name"])
    expect(entry).to_contain_text(sureness)
    # A tap on the photo chooses the entry, and another one takes that back.
    photo_seen = card.locator(".boxes").bounding_box()
    assert photo_seen is not None
    middle = {
        "x": (first["x"] + first["w"] / 2) * photo_seen["width"],
        "y": (first["y"] + first["h"] / 2) * photo_seen["height"],
    }
    card.locator(".boxes").click(position=middle)  # type: ignore[arg-type]
    expect(card.locator(".region[aria-pressed=true]")).to_have_count(1)
    expect(card.locator(".box.chosen")).to_have_count(1)
    card.locator(".region[aria-pressed=true]").click()
    expect(card.locator(".box.chosen")).to_have_count(0)
    card.get_by_label("Boxes").uncheck()
    expect(card.locator(".box").first).to_be_hidden()
    # A wall without a defect is called so, and its first class cannot be confirmed by mistake.
    take(page, wide_photo(None, 31)[0])
    expect(page.locator("#answer-list > details")).to_have_count(2)
    newest = page.locator("#answer-list > details").first
    assert httpx.get(f"{server}/v1/classifications").json()["items"][0]["sound"] is True
    expect(newest.locator(".name")).to_have_text("Sound")
    expect(newest.locator(".confirm")).to_be_hidden()
    newest.get_by_role("button", name="Nothing wrong").click()
    expect(newest.locator(".said")).to_have_text("Confirmed")
    page.goto("/history")
    expect(page.locator(".history .line").first).to_have_text("Sound")
    expect(page.locator(".history li .verdict").first).to_have_text("Confirmed")


def test_a_box_on_a_photo_that_is_refused_says_so(page: Page) -> None:
    _choose(page, [photo("crack", 1), photo("crack", 2)])
    _drag(page, 1, (0.2, 0.2, 0.5, 0.5))

    def damage(route: Any) -> None:
        """Cut the last photo short on its way."""
        body = route.request.post_data_buffer
        begin = body.rindex(b"\xff\xd8\xff")
        end = body.index(b"\r\n--", begin)
        route.continue_(post_data=body[: begin + 4] + b"0" * (end - begin - 4) + body[end:])

    page.route("**/defect-classes", damage)
    page.get_by_role("button", name="Register a defect type").click()
    expect(page.locator(".outcomes li")).to_contain_text("1.jpg has regions, and cannot be used")


@pytest.mark.long
def test_a_finger_scrolls_until_it_is_to_draw(browser: Browser, server: str) -> None:
    context = browser.new_context(base_url=server, viewport=PHONE, locale="en-US", has_touch=True)  # type: ignore[arg-type]
    page = context.new_page()
    _choose(page, photos("crack", range(2)))
    session = context.new_cdp_session(page)

    def swipe(box: Box) -> None:
        (x, y), end = _corners(page, 0, box)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 9):
            at = {"x": x + (end[0] - x) * step / 8, "y": y + (end[1] - y) * step / 8}
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe((0.3, 0.2, 0.4, 0.6))
    expect(page.locator(".canvas .box:not(.draft)")).to_have_count(0)
    page.get_by_role("button", name="Draw with a finger").click()
    swipe((0.3, 0.2, 0.4, 0.6))
    expect(page.locator(".canvas .box:not(.draft)")).to_have_count(1)
    page.get_by_role("button", name="Draw with a finger").click()
    page.touchscreen.tap(*_corners(page, 0, (0.5, 0.5, 0, 0))[0])
    expect(page.locator(".canvas .box:not(.draft)")).to_have_count(0)
    context.close()


@pytest.mark.long
def test_boxes_are_made_and_read_without_a_pointer(page: Page, server: str) -> None:
    _choose(page, [wide_photo("crack", seed)[0] for seed in range(2)])
    page.get_by_role("button", name="Add a box").first.press("Enter")
    expect(page.get_by_label("Left %")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("90")  # more than there is room for: it ends at the edge of the photo
    page.keyboard.press("Tab")
    expect(page.get_by_label("Width %")).to_have_value("74")
    page.get_by_role("button", name="Add a box").first.press("Enter")
    assert not violations(page)
    assert not small_targets(page)
    page.get_by_role("button", name="Remove box 2").press("Enter")
    page.get_by_role("button", name="Register a defect type").press("Enter")
    expect(page.locator(".registered-name")).to_contain_text("2 photos")
    assert _regions(server, "Crack") == [[{"x": 0.26, "y": 0.25, "w": 0.74, "h": 0.5}], []]
    httpx.delete(f"{server}/v1/defect-classes/{page.locator('#registered-link').get_attribute('href')[9:]}")  # type: ignore[index]
    for kind in ("crack", "rust"):
        register_with_boxes(server, kind)
    page.goto("/")
    take(page, wide_photo("crack", 22)[0])
    expect(page.locator(".region").first).to_be_visible()
    page.locator(".region").first.press("Enter")
    expect(page.locator(".box.chosen")).to_have_count(1)
    assert not violations(page)
    assert not small_targets(page)
    page.goto("/catalog")
    page.get_by_label("How photos are looked at").select_option("As a whole")
    page.locator("#mode button").click()
    expect(page.locator("#mode .saved")).to_have_text("Saved.")
    assert httpx.get(f"{server}/v1/catalogs/default").json()["mode"] == "quick"
    assert not violations(page)
    page.get_by_role("link", name="Sound").click()
    expect(page.locator(".left-out")).to_have_count(5 + 5)
    assert not violations(page)
    assert not small_targets(page)
