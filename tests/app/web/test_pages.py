"""The pages without a browser: headers, languages, errors, and that every text is there in both languages."""

import html
import importlib
import json
import pkgutil
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from jinja2 import Environment

import app as package
from app.catalogs.schemas import Severity, WarningCode
from app.errors import HajaError
from app.web.texts import LANGUAGES, choose_language, load_texts
from app.web.words import State
from tests.drawn import photo, photos
from tests.rest import classify, problem, register

WEB = Path(package.__file__ or "").parent / "web"
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SCRIPTS = sorted((WEB / "static" / "js").glob("*.js"))
PAGES = ["/", "/catalog", "/catalog/new", "/history", "/offline"]


@pytest.mark.parametrize("address", PAGES)
async def test_a_page_runs_and_loads_only_what_is_its_own(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.get(address)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert not re.search(r"https?://", answer.text)
    assert not re.search(r"<script(?! type=\"application/json\"| type=\"module\" src=\"/static/)", answer.text)
    assert not re.search(r"\s(style|on\w+)=", answer.text)
    for file in re.findall(r"(?:src|href)=\"(/static/[^\"#]+)", answer.text):
        assert (await client.get(file)).headers["cache-control"].endswith("immutable")


async def test_the_api_page_has_a_policy_under_which_it_works(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.status_code == 200
    assert "object-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-inline'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_pages_without_keys_are_of_one_owner(client: httpx.AsyncClient) -> None:
    of_another_database = {"Cookie": "haja_owner=00000000-0000-7000-8000-000000000000"}
    answer = await client.get("/", headers=of_another_database)
    assert '"owner": "",' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert re.match(r'haja_owner="?"?; .*Max-Age=0', answer.headers["set-cookie"])
    assert "set-cookie" not in (await client.get("/")).headers
    changes = {owner: {"X-Haja-Owner": owner} for owner in ("", "00000000-0000-7000-8000-000000000000")}
    made = [await client.post("/v1/catalogs", json={"name": "tower"}, headers=each) for each in changes.values()]
    assert made[0].status_code == 201
    problem(made[1], 403, "csrf-token-invalid")


@pytest.mark.parametrize(("origin", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 201)])
async def test_a_page_of_another_site_changes_nothing(client: httpx.AsyncClient, origin: str, status: int) -> None:
    headers = {"Sec-Fetch-Site": origin}
    made = await client.post("/v1/catalogs", json={"name": "tower"}, headers=headers)
    assert made.status_code == status
    assert (await client.get("/v1/catalogs/tower", headers=headers)).status_code == (200 if status == 201 else 404)
    if status == 403:
        problem(made, 403, "foreign-page")


async def test_names_and_notes_are_text(client: httpx.AsyncClient) -> None:
    evil = "</script><script>alert(1)</script>"
    made = await register(client, evil, photos("crack", range(2)), title_en=evil, description=evil)
    answered = await classify(client, photo("crack", 3))
    await client.patch(f"/v1/classifications/{answered['id']}", json={"note": evil, "place": evil})
    for address in ("/catalog", f"/catalog/{made['id']}", "/history", f"/classifications/{answered['id']}"):
        text = (await client.get(address)).text
        assert "alert(1)" in text
        assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/catalog/00000000-0000-7000-8000-000000000000", 404, "defect-class-not-found"),
        ("/catalog/nonsense", 404, "not-found"),
        ("/classifications/00000000-0000-7000-8000-000000000000", 404, "classification-not-found"),
        ("/history?cursor=nonsense", 422, "cursor-invalid"),
        ("/history?since=yesterday", 422, "request-invalid"),
        ("/history?until=9999-12-31", 422, "request-invalid"),
        ("/history?since=0001-01-01&zone=%2B19:59", 422, "request-invalid"),
        ("/history?since=2026-01-01&zone=%2B20:00", 422, "request-invalid"),
        ("/history?place=%00", 422, "request-invalid"),
        ("/choose?language=xx", 422, "request-invalid"),
    ],
)
async def test_an_error_of_a_page_is_a_page(client: httpx.AsyncClient, address: str, status: int, code: str) -> None:
    answer = await client.get(address, headers={"Accept-Language": "ko"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "처리하지 못했습니다" in answer.text
    assert load_texts()["ko"][f"problem.{code}"] in answer.text


async def test_the_first_and_the_last_day_of_the_history_are_days_like_others(client: httpx.AsyncClient) -> None:
    await register(client, "crack", photos("crack", range(2)))
    await classify(client, photo("crack", 3))
    for query in (
        "since=0002-01-02&zone=%2B19:59",
        "until=9998-12-29&zone=-19:59",
        "since=0002-01-02&until=9998-12-29",
    ):
        text = (await client.get(f"/history?{query}")).text
        [link] = re.findall(r'href="(/v1/classifications/export\.csv[^"]*)"', text)
        assert (await client.get(html.unescape(link))).status_code == 200


async def test_a_choice_is_remembered_and_leads_nowhere_else(client: httpx.AsyncClient) -> None:
    answer = await client.get("/choose", params={"language": "ko", "then": "/history?unknown=true"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/history?unknown=true")
    assert 'lang="ko"' in (await client.get("/")).text
    for elsewhere in ("//example.org", "https://example.org/", "/\\example.org", "example.org", "javascript:alert(1)"):
        answer = await client.get("/choose", params={"language": "en", "then": elsewhere})
        assert answer.headers["location"] == "/"


async def test_another_catalog_can_be_chosen(client: httpx.AsyncClient) -> None:
    assert "catalog-choice" not in (await client.get("/")).text
    await client.post("/v1/catalogs", json={"name": "tower-b", "title_en": "Tower B"})
    await register(client, "spalling", photos("rust", range(2)), catalog="tower-b")
    assert "Tower B" in (await client.get("/")).text
    assert "spalling" not in (await client.get("/catalog")).text
    await client.get("/choose", params={"catalog": "tower-b"})
    assert "spalling" in (await client.get("/catalog")).text
    await client.delete("/v1/catalogs/tower-b")  # the cookie stays behind
    assert (await client.get("/catalog")).status_code == 200


async def test_the_history_keeps_its_filter_from_page_to_page(client: httpx.AsyncClient, app: FastAPI) -> None:
    await register(client, "crack", photos("crack", range(2)))
    for seed in range(3, 6):
        await classify(client, photo("crack", seed))
    for query, count in (("since=2020-01-01", 3), ("until=2020-01-01&zone=%2B09:00", 0), ("disagreement=true", 0)):
        text = (await client.get(f"/history?{query}")).text
        assert text.count('class="item"') == count
    [link] = re.findall(r'href="(/v1/classifications/export\.csv[^"]*)"', (await client.get("/history")).text)
    assert "lang=en" in link
    assert app.state.pages.version in (await client.get("/service-worker.js")).text


async def test_a_phone_can_install_the_pages(client: httpx.AsyncClient) -> None:
    manifest = (await client.get("/manifest.webmanifest", headers={"Accept-Language": "ko-KR,ko;q=0.9"})).json()
    assert (manifest["lang"], manifest["short_name"]) == ("ko", "하자")
    for icon in manifest["icons"]:
        answer = await client.get(icon["src"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == icon["type"]
    worker = (await client.get("/service-worker.js")).text
    for address in json.loads(re.search(r"const KEPT = (\[.*\]);", worker)[1]):  # type: ignore[index]
        assert (await client.get(address)).status_code == 200


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        ("", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("", "en-US,en;q=0.9,ko;q=0.8", "en"),
        ("", "de, ko;q=0.5, en;q=0.2", "ko"),
        ("", "ko;q=0, en;q=0.1", "en"),
        ("", "fr", "en"),
        ("", "", "en"),
        ("", "ko;q=nonsense", "en"),
        ("en", "ko", "en"),
        ("xx", "ko", "ko"),
    ],
)
def test_the_language_is_chosen_or_the_browsers(cookie: str, header: str, language: str) -> None:
    assert choose_language({"language": cookie} if cookie else {}, header) == language


def _used() -> set[str]:
    """Every key that templates, scripts and Python name; `"severity." ~ each` stands for every key that begins so."""
    sources = [path.read_text("utf-8") for path in (*TEMPLATES, *SCRIPTS, *WEB.glob("*.py"))]
    return {key for source in sources for key in re.findall(r"[\"'`]([a-z_]+\.[a-z0-9_.-]*)", source)}


def test_every_text_is_there_in_both_languages_and_used() -> None:
    texts = load_texts()
    english = texts["en"]
    for language in LANGUAGES:
        assert list(texts[language]) == list(english)
        for key, text in texts[language].items():
            assert text.strip() == text != ""
            assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", english[key])), key
    untranslated = {key for key, text in texts["ko"].items() if not re.search("[가-힣]", text)}
    assert untranslated == {"history.export.csv"}
    used = _used()
    families = {key for key in used if key.endswith(".")}
    assert {key for key in english if key not in used and not any(key.startswith(each) for each in families)} == set()
    wanted = {key for key in used - families if key.partition(".")[0] in {each.partition(".")[0] for each in english}}
    assert {key for key in wanted if key not in english and not key.endswith((".js", ".svg", ".png", ".html"))} == set()


def test_every_value_and_every_error_has_a_text() -> None:
    for module in pkgutil.walk_packages(package.__path__, "app."):
        # Those import Ray, which belongs into processes of its own.
        if not module.name.startswith(("app.embedding.on_ray.deploy", "app.embedding.on_ray.driver")):
            importlib.import_module(module.name)
    english = load_texts()["en"]
    families = {"severity": Severity, "warning": WarningCode, "answer.state": State}
    for family, values in families.items():
        assert {f"{family}.{value}" for value in values.__args__} <= set(english)  # type: ignore[attr-defined]
    codes = set()
    waiting = HajaError.__subclasses__()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "code" in kind.__dict__:
            codes.add(kind.code)
    assert len(codes) > 20
    assert {f"problem.{code}" for code in codes} <= set(english)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    tokens = Environment(autoescape=True).lex(path.read_text("utf-8"))
    markup = "".join(value if kind == "data" else "" for _, kind, value in tokens)
    said = re.findall(r"\b(?:alt|title|placeholder|aria-label|label)=\"([^\"]+)\"", markup)
    between = re.sub(r"<[^>]*>", " ", re.sub(r"<!doctype html>", "", markup))
    assert not re.search(r"\w", " ".join([*said, between]))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_shows_no_words_of_its_own_and_writes_no_markup(path: Path) -> None:
    code = path.read_text("utf-8")
    assert not re.search(r"(?:textContent|ariaLabel|alt|placeholder|title)\s*[:=]\s*[\"`][^\"`$]*[A-Za-z]", code)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|setAttribute\(\"(style|on)", code
    )
