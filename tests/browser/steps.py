"""What a person does on the pages."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
from playwright.sync_api import FilePayload, Page, expect

from tests.drawn import photos, wide_photo
from tests.rest import CLASSES, created, files


def payloads(contents: Sequence[bytes]) -> list[FilePayload]:
    """Photos as a file picker gives them; they are named 0.jpg, 1.jpg, ..."""
    return [{"name": f"{place}.jpg", "mimeType": "image/jpeg", "buffer": data} for place, data in enumerate(contents)]


def register_on_the_page(page: Page, korean: str, english: str, contents: Sequence[bytes]) -> None:
    """Fill in the form of a new defect type, and send it."""
    page.goto("/catalog/new")
    page.get_by_label("Korean name").fill(korean)
    page.get_by_label("English name").fill(english)
    page.locator(".dropzone input").set_input_files(payloads(contents))
    page.get_by_role("button", name="Register a defect type").click()
    expect(page.locator(".registered-name")).to_contain_text(f"{len(contents)} photos")


def take(page: Page, *contents: bytes) -> None:
    """Choose photos on the inspect page."""
    page.locator("#files").set_input_files(payloads(contents))


def register_drawn(server: str, *kinds: str, **titles: str) -> None:
    """Register drawn photos over REST, five a class."""
    for kind in kinds:
        data = {"name": kind, **titles}
        created(httpx.post(server + CLASSES, data=data, files=files(photos(kind, range(5))), timeout=60))


def register_with_boxes(server: str, kind: str) -> dict[str, Any]:
    """Register five walls from afar over REST, with a box around the defect of each."""
    drawn = [wide_photo(kind, seed) for seed in range(5)]
    regions = [dict(zip("xywh", box, strict=True)) | {"photo": place} for place, (_, box) in enumerate(drawn)]
    data = {"name": kind, "regions": json.dumps(regions), "rest_is_sound": "true"}
    return created(httpx.post(server + CLASSES, data=data, files=files([each for each, _ in drawn]), timeout=60))


def make_key(server: str, name: str, headers: dict[str, str] | None = None, role: str = "inspector") -> str:
    """Make somebody's key; the first one of a service needs no headers."""
    made = httpx.post(f"{server}/v1/keys", json={"name": name, "role": role}, headers=headers)
    key: str = created(made)["key"]
    return key


def sign_in(page: Page, key: str) -> None:
    """Fill in the form."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def history(server: str) -> list[dict[str, object]]:
    """What the service has answered, newest first."""
    items: list[dict[str, object]] = httpx.get(f"{server}/v1/classifications").json()["items"]
    return items
