"""What every page is made of: templates, texts in the visitor's language, addresses of static files."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from app.acting import STRANGER, Role, acting
from app.api.language import Language
from app.catalogs.schemas import DefectClassName
from app.web.texts import choose_language, load_texts

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
_A_YEAR = "public, max-age=31536000, immutable"


class Pages:
    """Renders templates. `version` stands for the content of everything static, and is part of its addresses."""

    def __init__(self) -> None:
        self.texts = load_texts()
        self._files = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
        self._worker = (FOLDER / "service_worker.js").read_text("utf-8")
        self.version = _digest()
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page for this visitor."""
        language = self.language(request)
        who = acting()
        page = self._templates.get_template(template).render(
            language=language,
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            path=request.url.path,
            texts=self.texts[language],
            t=self.say(language),
            other_texts={other: texts for other, texts in self.texts.items() if other != language},
            static=self.address,
            named=lambda defect_class: defect_class.title(language),
            also_named=lambda defect_class: _other_title(defect_class, language),
            minute=_minute,
            owner=None if who == STRANGER else str(who.id or ""),
            signed_in_as=who.name if who.id else None,
            administers=who.may(Role.ADMIN),
            curates=who.catalogs(Role.CURATOR) != frozenset(),
            **values,
        )
        answer = HTMLResponse(page, status)  # kept by nobody: "Back" shows it to no one who comes after
        if who != STRANGER:
            request.app.state.cookies.name_owner(answer, request.cookies, who.id)
        return answer

    def language(self, request: Request) -> Language:
        """The visitor's language."""
        return choose_language(request.cookies, request.headers.get("accept-language", ""))

    def say(self, language: Language) -> Callable[..., str]:
        """What gives a text of a language by its key, with its parts filled in."""
        return lambda key, **parts: self.texts[language][key].format(**parts)

    def address(self, name: str) -> str:
        """Where a static file stands."""
        return f"/static/{self.version}/{name}"

    def service_worker(self) -> str:
        """The service worker's code; it knows what to keep for a phone without network."""
        kept = ["/offline", *(self.address(name) for name in self._files)]
        return f"const VERSION = {json.dumps(self.version)};\nconst KEPT = {json.dumps(kept)};\n{self._worker}"

    def manifest(self, language: Language) -> dict[str, Any]:
        """What a phone needs for installing the pages like an app."""
        texts = self.texts[language]
        png = {"type": "image/png"}
        return {
            "name": texts["app.title"],
            "short_name": texts["app.name"],
            "description": texts["app.description"],
            "lang": language,
            "id": "/",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#f4f6f4",
            "theme_color": "#0b5f4e",
            "icons": [
                {"src": self.address("icons/haja.svg"), "sizes": "any", "type": "image/svg+xml"},
                {"src": self.address("icons/haja-192.png"), "sizes": "192x192"} | png,
                {"src": self.address("icons/haja-512.png"), "sizes": "512x512"} | png,
                {"src": self.address("icons/maskable-512.png"), "sizes": "512x512", "purpose": "maskable"} | png,
            ],
        }


class VersionedFiles(StaticFiles):
    """Static files that a browser keeps as long as their address has the version of now."""

    def __init__(self, version: str) -> None:
        super().__init__(directory=STATIC)
        self._version = version

    async def get_response(self, path: str, scope: Any) -> Response:
        """The file; a page of an older version still finds its modules, in their newer form."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = _A_YEAR if scope["path_params"]["version"] == self._version else "no-cache"
        return answer


def _other_title(defect_class: DefectClassName, language: Language) -> str:
    """What a class is called in the other language, where that says something else; or empty."""
    other = defect_class.title("en" if language == "ko" else "ko")
    return "" if other == defect_class.title(language) else other


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _minute(moment: datetime) -> str:
    """A time as it stands in the page until its script turns it into the visitor's own zone."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
