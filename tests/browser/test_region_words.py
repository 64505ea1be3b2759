"""What an inspector says of the regions of an answer, on the page; and the photo in full."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.steps import history, register_with_boxes, take
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


def _point(picture: Locator, x: float, y: float) -> tuple[float, float]:
    seen = picture.bounding_box()
    assert seen is not None
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
    assert (word["verdict"], word["defect_class_name"], word["support_photo_id"] is not None) == ("corrected", "crack", True)
    # A corner is dragged in; the box is sent when it is saved.
    page.locator(".corner").last.scroll_into_view_if_needed()
    corner = page.locator(".corner").last.bounding_box()
    assert corner is not None
    at = (corner["x"] + 22, corner["y"] + 22)
    _drag(page, at, (at[0] - 30, at[1] - 20))
    assert _now(server)["regions"][0]["feedback"]["verdict"] == "corrected"
    answered.get_by_role("button", name="Save the box").click()
    expect(answered.locator(".region").first).to_contain_text("Box corrected")
    seen = picture.bounding_box()
    assert seen is not None
    expected = [box[0], box[1], box[2] - 30 / seen["width"], box[3] - 20 / seen["height"]]
    word = _now(server)["regions"][0]["feedback"]
    assert word["verdict"] == "moved"
    assert _sides(word["box"]) == pytest.approx(expected, abs=0.01)
    answered.get_by_role("button", name="Close").click()
    # In full: zoomed, a defect that the answer lacks is drawn, and Escape leads back.
    answered.get_by_role("button", name="Show the photo in full").click()
    expect(answered.locator(".heat")).to_be_hidden()
    before = picture.bounding_box()
    page.get_by_role("button", name="Zoom in").click()
    after = picture.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] == pytest.approx(1.5 * before["width"], rel=0.01)
    answered.get_by_role("button", name="Mark a defect").click()
    expect(answered.locator(".region-chooser button")).to_have_count(2)
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    start, end = (stage["x"] + 20, stage["y"] + 20), (stage["x"] + 90, stage["y"] + 70)
    here = picture.bounding_box()
    assert here is not None
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
