"""Forms of another site's page, sent to a service on plain HTTP: browsers say no Sec-Fetch-Site there."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, Response, expect

from tests.browser.conftest import CHROMIUM, PHONE
from tests.rest import created

pytestmark = pytest.mark.only_on("sqlite", "no database has a part in it")

FOREIGN_PAGE = """<!doctype html><meta name="referrer" content="{policy}"><form method="post" action="{action}">
<input name="key" value="{key}"><button>Win a drill</button></form>"""


@pytest.fixture
def here(server: str) -> str:
    """The service by a name that no browser takes for this machine."""
    return f"http://haja.test:{urlsplit(server).port}"


@pytest.fixture
def context(playwright: Playwright, here: str) -> Iterator[BrowserContext]:
    """A phone for which the names of two sites lead to this machine."""
    rules = "--host-resolver-rules=MAP *.test 127.0.0.1"
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[rules])
    yield browser.new_context(base_url=here, viewport=PHONE, locale="en-US")  # type: ignore[arg-type]
    browser.close()


def _sent(page: Page, button: str) -> tuple[Response, dict[str, str]]:
    """The answer to the form of a page, and what the browser said of it."""
    with page.expect_response(lambda answer: answer.request.method == "POST") as told:
        page.get_by_role("button", name=button).click()
    return told.value, told.value.request.all_headers()


@pytest.mark.parametrize(("policy", "origin"), [("origin", "http://evil.test"), ("no-referrer", "null")])
def test_a_foreign_form_signs_nobody_in_and_one_s_own_does(
    page: Page, context: BrowserContext, server: str, here: str, policy: str, origin: str
) -> None:
    made = created(httpx.post(f"{server}/v1/keys", json={"name": "Kim", "role": "admin"}))
    body = FOREIGN_PAGE.format(policy=policy, action=f"{here}/sign-in", key=made["key"])
    context.route("http://evil.test/**", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto("http://evil.test/")
    answer, headers = _sent(page, "Win a drill")
    assert "sec-fetch-site" not in headers
    assert headers["origin"] == origin
    assert (answer.status, answer.json()["code"]) == (403, "foreign-page")
    assert not context.cookies()
    page.goto("/history")
    page.get_by_label("API key").fill(made["key"])
    answer, headers = _sent(page, "Sign in")
    assert "sec-fetch-site" not in headers
    assert headers["origin"] == here
    assert answer.status == 303
    expect(page).to_have_url(f"{here}/history")
    page.wait_for_load_state()  # its scripts have run
    answer, headers = _sent(page, "Sign out")
    assert headers["origin"] == here
    assert answer.status == 204
    expect(page).to_have_url(f"{here}/sign-in")
