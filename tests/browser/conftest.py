"""A real Chromium: Debian's, which `make test` installs where it may."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.browser.steps import make_key, register_drawn

CHROMIUM = shutil.which("chromium") or ""
PHONE = {"width": 390, "height": 844}

# A busy machine is no fault; what never comes fails all the same.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Not longer than these tests: its event loop would stand in the way of the asynchronous ones."""
    if not CHROMIUM:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=CHROMIUM)
    yield launched
    launched.close()


@pytest.fixture
def context(browser: Browser, server: str) -> Iterator[BrowserContext]:
    """A phone of its own, that reads English and stands on the service's address."""
    made = browser.new_context(base_url=server, viewport=PHONE, locale="en-US")  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture
def admin(server: str) -> dict[str, str]:
    """The headers of the first key, of a service with two classes."""
    register_drawn(server, "crack", "rust")
    return {"Authorization": f"Bearer {make_key(server, 'Admin', role='admin')}"}


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page; an error in its scripts, or something that its policy forbids, fails the test."""
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield opened
    assert not faults
