"""WCAG 2.2 by axe-core, on every page and in every state, light and dark; and what fits where."""

from pathlib import Path
from typing import Any

import axe_playwright_python
import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import PHONE
from tests.browser.steps import payloads, register_drawn, take
from tests.drawn import photo, photos
from tests.rest import CLASSES, created, files

pytestmark = [
    pytest.mark.long,
    pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both"),
]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[dict[str, Any]]:
    """What axe finds, of any weight. Its script comes past the page's policy, which allows no foreign one."""
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run({ runOnly: rules })", RULES)
    return [
        {"rule": each["id"], "impact": each["impact"], "where": [node["html"][:120] for node in each["nodes"]]}
        for each in found["violations"]
    ]


def _too_wide(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    overflow: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return overflow


def small_targets(page: Page) -> list[str]:
    """Controls below 44 px, links within sentences aside."""
    small: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, select, summary, nav a, input")]
            .filter((each) => !each.matches("[type=checkbox], .picker"))
            .filter((each) => each.checkVisibility())
            .map((each) => [each, each.getBoundingClientRect()])
            .filter(([, box]) => box.height < 44 || box.width < 44)
            .map(([each, box]) => `${each.outerHTML.slice(0, 80)} ${box.width} x ${box.height}`)"""
    )
    return small


@pytest.mark.parametrize(("scheme", "language", "width"), [("light", "en-US", 360), ("dark", "ko-KR", 1280)])
def test_no_page_keeps_anybody_out(browser: Browser, server: str, scheme: Any, language: str, width: int) -> None:
    context = browser.new_context(
        base_url=server, viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language
    )
    page = context.new_page()
    faults: dict[str, Any] = {}

    def check(name: str) -> None:
        found = [violations(page), _too_wide(page), small_targets(page)]
        if any(found):
            faults[name] = found

    page.goto("/")
    check("nothing registered")
    take(page, photo("crack", 1))
    expect(page.locator(".refused")).to_be_visible()
    check("refused")
    page.goto("/history")
    check("no history")
    register_drawn(server, "crack", "rust", title_ko="균열", description="x")
    few = created(
        httpx.post(server + CLASSES, data={"name": "brick"}, files=files(photos("crack", range(4, 6))), timeout=60)
    )
    page.goto("/")
    page.locator(".refused .drop").click()
    page.locator(".where summary").click()
    check("inspect")
    take(page, photo("rust", 2))
    page.locator(".show-heat").check()
    expect(page.locator(".heat")).to_be_visible()
    page.locator(".correct").click()
    expect(page.locator(".chooser button")).to_have_count(2)
    check("answer")
    page.locator(".neither").click()
    expect(page.locator(".said")).not_to_be_empty()
    check("judged")
    for address in ("/catalog", f"/catalog/{few['id']}", "/catalog/new", "/history", "/offline", "/catalog/nothing"):
        page.goto(address)
        if page.locator("details:not([open]) > summary").count():
            page.locator("details:not([open]) > summary").first.click()
        if page.locator(".dropzone").count():
            page.locator(".dropzone input").set_input_files(payloads([photo("rust", 3)]))
            expect(page.locator(".chosen li")).to_have_count(1)
        check(address)
    page.goto(f"/catalog/{few['id']}")
    page.locator("#remove").click()
    check("are you sure")
    page.goto("/history")
    page.locator(".history a").first.click()
    page.locator(".show-heat").check()
    expect(page.locator(".heat")).to_be_visible()
    check("one answer")
    context.close()
    assert not faults


def test_the_first_load_is_small_and_the_pages_work_with_the_keyboard(browser: Browser, server: str) -> None:
    register_drawn(server, "crack", "rust")
    context = browser.new_context(base_url=server, viewport=PHONE, service_workers="block")  # type: ignore[arg-type]
    page = context.new_page()
    bodies: list[int] = []
    page.on("response", lambda answer: bodies.append(len(answer.body())))
    page.goto("/", wait_until="networkidle")
    assert 0 < sum(bodies) < 150_000
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#camera")).to_be_focused()
    context.close()


def test_photos_chosen_before_the_scripts_came_are_taken(browser: Browser, server: str) -> None:
    register_drawn(server, "crack", "rust")
    context = browser.new_context(base_url=server, viewport=PHONE, service_workers="block")  # type: ignore[arg-type]
    page = context.new_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/js/inspect.js", hold)
    page.goto("/", wait_until="commit")
    take(page, photo("crack", 3))
    page.wait_for_timeout(100)
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator("#answer-list > details")).to_have_count(1)
    context.close()
