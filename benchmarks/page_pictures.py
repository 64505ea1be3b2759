"""The README's pictures of the pages, on drawn photos.

    python -m benchmarks.page_pictures

starts a service of its own, registers the drawn defect types, uses the pages in Debian's Chromium as an inspector
would, and writes docs/page-*.png. `--all FOLDER` writes every page instead, as phone and desktop show it, in both
languages, light and dark: to be looked at, not to be kept.
"""

import argparse
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import koreanize_matplotlib
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from app import logs
from app.config import Settings
from app.drawing import DRAWN_DEFECTS, draw
from app.photos import reading
from app.serve import running

DOCS = Path(__file__).parents[1] / "docs"
PHONE, SMALL_PHONE, DESKTOP = (390, 844), (360, 740), (1280, 800)
CLASSES = "/v1/catalogs/default/defect-classes"


def main() -> None:
    """Fill a service, take the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    folder = parser.parse_args().all
    logs.configure("error")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        settings = Settings(port=0, database_url=f"sqlite:///{scratch}/haja.db")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), env=_with_korean_font(scratch))
        with running(settings) as address:
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                _empty(browser, address, folder)
            _register(address)
            if folder:
                _every(browser, address, folder)
            else:
                _readme(browser, address)
        browser.close()


def _with_korean_font(scratch: str) -> dict[str, Any]:
    """Phones bring a Korean font along; a server without a screen may have none."""
    config = Path(scratch) / "fonts.conf"
    fonts = Path(koreanize_matplotlib.__file__).parent / "fonts"
    config.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
        f"<dir>{fonts}</dir><cachedir>{scratch}/fonts</cachedir></fontconfig>"
    )
    return os.environ | {"FONTCONFIG_FILE": str(config)}


def _photo(name: str, seed: int) -> FilePayload:
    data = reading.encode_jpeg(draw(name, seed).pixels)
    return {"name": f"IMG_{2000 + seed}.jpg", "mimeType": "image/jpeg", "buffer": data}


def _register(address: str) -> None:
    with httpx.Client(base_url=address, timeout=60) as client:
        for defect in DRAWN_DEFECTS:
            fields = {"name": defect.name, "title_ko": defect.title_ko, "title_en": defect.title_en}
            files = [("photos", (f"{seed}.jpg", _photo(defect.name, seed)["buffer"])) for seed in range(5)]
            client.post(CLASSES, data=fields | {"severity": defect.severity}, files=files).raise_for_status()


@contextmanager
def _open(browser: Browser, address: str, size: tuple[int, int], language: str, scheme: Any) -> Iterator[Page]:
    context = browser.new_context(
        base_url=address,
        viewport={"width": size[0], "height": size[1]},
        locale={"ko": "ko-KR", "en": "en-US"}[language],
        timezone_id="Asia/Seoul",
        color_scheme=scheme,
    )
    page = context.new_page()
    page.goto("/")
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    yield page
    context.close()


def _take(page: Page, count: int, *files: FilePayload) -> None:
    page.locator("#files").set_input_files(files)
    expect(page.locator("#answer-list > details")).to_have_count(count, timeout=60_000)
    page.locator("details[open] .show-heat").check()
    expect(page.locator("details[open] .heat")).to_be_visible(timeout=60_000)


def _place(page: Page, place: str) -> None:
    page.locator(".where summary").click()
    page.locator("#place").fill(place)
    page.locator(".where summary").click()


def _save(page: Page, path: Path, *, whole: bool = False) -> None:
    page.wait_for_load_state("networkidle")
    # Few colours make a small file; a page has few, apart from its photos.
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
    picture.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


def _readme(browser: Browser, address: str) -> None:
    with _open(browser, address, PHONE, "en", "light") as page:
        _place(page, "Block B, level −2, pillar 14")
        _take(page, 2, _photo("rust-stain", 103), _photo("hairline-crack", 102))
        page.evaluate("document.querySelector('details.item[open]').scrollIntoView()")
        _save(page, DOCS / "page-answer.png")
    with _open(browser, address, PHONE, "ko", "dark") as page:
        _place(page, "B동 지하 2층 기둥 14")
        page.context.set_offline(True)
        page.locator("#files").set_input_files([_photo("rust-stain", 103), _photo("efflorescence", 102)])
        expect(page.locator("#waiting-list li")).to_have_count(2)
        _save(page, DOCS / "page-offline.png")
    with _open(browser, address, DESKTOP, "ko", "light") as page:
        _place(page, "A동 옥상")
        _take(page, 3, _photo("rust-stain", 105), _photo("peeling-paint", 101), _photo("efflorescence", 103))
        page.goto("/catalog")
        _save(page, DOCS / "page-catalog.png")
    with _open(browser, address, DESKTOP, "en", "light") as page:
        page.goto("/history")
        page.locator(".fold summary").first.click()
        _save(page, DOCS / "page-history.png")


def _empty(browser: Browser, address: str, folder: Path) -> None:
    with _open(browser, address, PHONE, "en", "light") as page:
        for name in ("", "catalog", "history"):
            page.goto(f"/{name}")
            _save(page, folder / f"empty-{name or 'inspect'}.png")


def _every(browser: Browser, address: str, folder: Path) -> None:
    spalling = httpx.get(address + CLASSES).json()["items"][1]["id"]
    sizes = {"phone": PHONE, "small": SMALL_PHONE, "desktop": DESKTOP}
    for size, language, scheme in product(sizes, ("en", "ko"), ("light", "dark")):
        with _open(browser, address, sizes[size], language, scheme) as page:
            start = folder / f"{size}-{language}-{scheme}"

            def shot(name: str, page: Page = page, start: Path = start, *, whole: bool = True) -> None:
                _save(page, start.with_name(f"{start.name}-{name}.png"), whole=whole)

            shot("inspect", whole=False)
            _take(page, 2, _photo("rust-stain", 101), _photo("hairline-crack", 102))
            shot("answer", whole=False)
            page.locator(".correct").first.click()
            expect(page.locator(".chooser button")).not_to_have_count(0)
            shot("answer-whole")
            page.goto("/catalog")
            page.locator("main details summary").click()
            shot("catalog")
            page.goto("/catalog/new")
            page.locator(".dropzone input").set_input_files([_photo("spalling", seed) for seed in range(3)])
            expect(page.locator(".chosen li")).to_have_count(3)
            shot("register")
            page.goto(f"/catalog/{spalling}")
            shot("class")
            page.goto("/history")
            page.locator(".fold summary").first.click()
            shot("history")
            page.locator(".history a").first.click()
            page.locator(".show-heat").check()
            expect(page.locator(".heat")).to_be_visible(timeout=60_000)
            shot("one")


if __name__ == "__main__":
    main()
