"""The words of the pages: one dictionary file per language, and which of them a browser gets."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from app.api.language import Language

LANGUAGES: tuple[Language, ...] = get_args(Language)
OTHERWISE: Language = "en"
"""For browsers that read neither."""


def load_texts() -> dict[Language, dict[str, str]]:
    """Every text by its key, for each language."""
    folder = Path(__file__).parent / "texts"
    return {language: json.loads((folder / f"{language}.json").read_text("utf-8")) for language in LANGUAGES}


def choose_language(cookies: Mapping[str, str], accept_language: str) -> Language:
    """The language that was chosen on the pages, or else the one that the browser likes best."""
    chosen = cookies.get("language")
    for language in LANGUAGES:
        if language == chosen:
            return language
    wishes = sorted((_wish(part) for part in accept_language.lower().split(",")), key=lambda wish: -wish[1])
    for tag, weight in wishes:
        for language in LANGUAGES:
            if weight > 0 and (tag == language or tag.startswith(f"{language}-")):
                return language
    return OTHERWISE


def _wish(part: str) -> tuple[str, float]:
    """One item of Accept-Language, such as `ko-KR;q=0.9`."""
    tag, _, weight = part.strip().partition(";q=")
    try:
        return tag, float(weight or 1)
    except ValueError:
        return tag, 0.0
