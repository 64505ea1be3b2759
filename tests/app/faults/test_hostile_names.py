"""Names that strangers choose, of files, in EXIF, of classes and places: text, and never a path, a header or markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from tests.drawn import photo, save
from tests.hostile import exif_of_text, image
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, register, report_file

pytestmark = pytest.mark.only_on("sqlite", "texts are parameters of the same statements in both databases")

FILE_NAMES = (
    "../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "C:\\boot.ini", "%2e%2e%2fetc%2fpasswd", "....//x",
    "a\r\nX-Evil: 1\r\n\r\n<script>alert(1)</script>.jpg", "a\0.php.jpg", "\x1b[31mred\x07.jpg", "\u202egpj.exe",
    "<script>alert(1)</script>.jpg", '"><img src=x onerror=alert(1)>.jpg', "{{7*7}}${7*7}.jpg",
    "'; DROP TABLE photos;--", "=cmd|' /C calc'!A0", "x" * 5000, "\u0336" * 300, "", ".", "..", "con", "nul.jpg",
)  # fmt: skip
TEXTS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'><svg/onload=alert(1)>", "javascript:alert(1)",
    "</title></textarea></script><script>alert(1)</script>", "{{7*7}}${7*7}<%= 7*7 %>", "../../etc/passwd",
    "a\r\nX-Evil: 1", "\u202ekcarc", "=1+1", "'; DROP TABLE defect_classes;--",
)  # fmt: skip


class _Page(HTMLParser):
    """Collects what of a page could run or load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.elements = 0
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements += 1
        if tag == "script":
            self._script = dict(attrs).get("type") or "text/javascript"
        if tag in {"iframe", "object", "embed", "base"}:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            loads = name in {"src", "href", "action", "formaction", "srcset"}
            if name.startswith("on") or (loads and not re.match(r"(/|#|\?|https?:|blob:|$)", value or "")):
                self.faults.append(f"<{tag} {name}={value!r}>")

    def handle_data(self, data: str) -> None:
        if self._script == "application/json":
            json.loads(data)  # broken out of, it would be none
        elif self._script and data.strip():
            self.faults.append(f"<script>{data}")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None


async def _check_pages(client: httpx.AsyncClient, *addresses: str) -> None:
    for address in addresses:
        answer = await client.get(address)
        # Of several lines, or with a tab, a place is none, and the page that says so may not be broken out of either.
        assert answer.status_code == (422 if re.search("%0[9AD]", address) else 200)
        page = _Page(answer.text)
        assert page.elements > 10
        assert page.faults == []
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def _check_headers(answer: httpx.Response) -> None:
    assert "x-evil" not in answer.headers
    assert not any(bad in value for value in answer.headers.values() for bad in ("evil", "alert", "passwd", "\u202e"))


def _check_file_name(name: str) -> None:
    assert 1 <= len(name) <= 255
    assert name.isprintable()
    assert not set(name) & set("/\\")


def _form(field: str, name: bytes, data: bytes) -> tuple[bytes, dict[str, str]]:
    """A form as no honest client writes it: the name as it is, in which quotes alone are escaped."""
    head = b'--edge\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: image/jpeg\r\n\r\n'
    quoted = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    body = head % (field.encode(), quoted) + data + b"\r\n--edge--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=edge"}


def _names_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


async def test_file_names(client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    await register(client, "crack", [photo()])
    shown = []
    for name in FILE_NAMES:
        encoded = await client.post(CLASSIFICATIONS, files={"photo": (name, photo(), "image/jpeg")})
        body, headers = _form("photo", name.encode(), photo())
        raw = await client.post(CLASSIFICATIONS, content=body, headers=headers)
        for answer in (encoded, raw):
            _check_headers(answer)
            # A name that breaks off the form, or its own header, leaves no file or no photo.
            assert answer.status_code in {201, 400, 415, 422}
            if answer.status_code == 201:
                judged = answer.json()
                _check_file_name(judged["photo"]["filename"])
                shown.append(judged["id"])
    assert len(shown) >= 1.5 * len(FILE_NAMES)
    await _check_pages(client, "/history", *(f"/classifications/{each}" for each in shown[:20]))
    assert _names_below(tmp_path) <= {"here", "haja.db", "haja.db-wal", "haja.db-shm"}


async def test_file_names_of_photos_that_are_refused(client: httpx.AsyncClient) -> None:
    await register(client, "crack", [photo()])
    for name in FILE_NAMES:
        body, headers = _form("photos", name.encode(), b"no photo")
        refused = await client.post(CLASSES, files={"photos": (name, b"no photo")}, data={"name": "x"})
        batch = await client.post(f"{CLASSIFICATIONS}/batch", content=body, headers=headers)
        for answer in (refused, batch):
            _check_headers(answer)
            assert answer.status_code in {202, 400, 422}
        for fault in refused.json().get("errors", []):
            if "filename" in fault:
                _check_file_name(fault["filename"])
        if batch.status_code == 202:
            results = await client.get(f"/v1/jobs/{batch.json()['id']}/results")
            _check_file_name(results.json()["items"][0]["filename"])


async def test_texts_in_exif(client: httpx.AsyncClient) -> None:
    made = await register(client, "crack", [save(image(), exif=exif_of_text(100))])
    judged = await classify(client, save(image(), exif=exif_of_text(200)))
    photo_out = judged["photo"]
    assert (photo_out["taken_at"], photo_out["latitude"], photo_out["longitude"]) == (None, None, None)
    for address in (
        f"/classifications/{judged['id']}", f"/catalog/{made['id']}", "/history", f"/v1/classifications/{judged['id']}",
        f"/v1/defect-classes/{made['id']}/support-photos", "/v1/classifications/export.csv",
    ):  # fmt: skip
        answer = await client.get(address)
        assert answer.status_code == 200
        _check_headers(answer)
        assert not any(text in answer.text for text in ("owned", "X-Evil", "AAAA"))


async def test_names_of_classes_and_what_inspectors_write(client: httpx.AsyncClient) -> None:
    addresses = ["/", "/catalog", "/history"]
    for number, text in enumerate(TEXTS):
        made = await client.post(
            CLASSES,
            data={"name": f"{text} {number}", "title_ko": text, "title_en": text, "description": text},
            files={"photos": ("1.jpg", photo("crack", number))},
        )
        _check_headers(made)
        # A carriage return stands in no name; the form's line break does, as a line feed.
        assert made.status_code == 201
        sent = {"photo": ("1.jpg", photo("crack", number))}
        answer = await client.post(CLASSIFICATIONS, data={"place": text.split("\r")[0], "note": text}, files=sent)
        _check_headers(answer)
        judged = created(answer)
        addresses += [f"/catalog/{made.json()['id']}", f"/classifications/{judged['id']}"]
        # In a condition of the history the same text comes back within the page.
        addresses.append(str(httpx.URL("/history", params={"place": text})))
    await _check_pages(client, *addresses)
    for kind in ("csv", "xlsx", "pdf"):
        answer = await (
            report_file(client, place="evil")
            if kind == "pdf"
            else client.get(f"/v1/classifications/export.{kind}", params={"place": "evil"})
        )
        assert re.fullmatch(rf'attachment; filename="haja-[\d-]+\.{kind}"', answer.headers["content-disposition"])
        _check_headers(answer)


async def test_a_catalog_is_named_by_what_is_safe_in_an_address(client: httpx.AsyncClient) -> None:
    for name in (*TEXTS, "a b", "A", "a/b", "a%2fb", "", "x" * 64):
        answer = await client.post("/v1/catalogs", json={"name": name})
        assert answer.status_code == 422
        _check_headers(answer)
