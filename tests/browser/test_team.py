"""A team's numbers, each of which opens the list behind it; and what is put right or deleted."""

from playwright.sync_api import Page, expect

from tests.browser.steps import history, register_drawn, take
from tests.drawn import photo


def test_numbers_open_the_list_behind_them_and_an_answer_is_deleted_and_had_back(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    page.locator(".where summary").click()
    page.locator("#place").fill("B1/3F")
    take(page, photo("crack", 11))
    expect(page.locator("#answer-list > details")).to_have_count(1)
    page.locator("#place").fill("B2")
    take(page, photo("rust", 12))
    expect(page.locator("#answer-list > details")).to_have_count(2)
    page.goto("/team")
    expect(page.locator("#figures")).to_contain_text("2")
    page.locator("#by_place a", has_text="B1").click()
    expect(page.locator(".history .place")).to_have_text("B1 / 3F")
    page.locator(".history a").click()
    page.get_by_label("Status").select_option("fixed")
    expect(page.locator(".saved")).to_have_text("Saved.")
    page.get_by_role("button", name="Delete this answer and its photo").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    assert [answer["place"] for answer in history(server)] == ["B2"]
    undo.click()
    expect(page.locator(".answer .name")).to_have_text("crack")
    assert [answer["status"] for answer in history(server)] == ["open", "fixed"]
