"""Register, classify, correct: the inspector's work in a real browser."""

import json
import re
from pathlib import Path

import httpx
import numpy as np
import pypdf
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.steps import history, payloads, register_drawn, register_on_the_page, take
from tests.drawn import encode, photo, photos, pixels

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")

SOURCE = Path(__file__).parents[3] / "shared" / "data" / "validation" / "masonry_historic"


@pytest.mark.long
def test_five_real_photos_and_the_next_one_is_recognised(page: Page, server: str) -> None:
    if not SOURCE.is_dir():
        pytest.skip(f"the shared photos are not at {SOURCE}")
    real = {name: [path.read_bytes() for path in sorted((SOURCE / name).iterdir())] for name in ("crack", "intact")}
    register_on_the_page(page, "균열", "Crack", real["crack"][:5])
    register_on_the_page(page, "정상", "Intact", real["intact"][:5])
    page.goto("/")
    page.locator(".where summary").click()
    page.get_by_role("textbox", name="Place on site").fill("B2, 기둥 14")
    take(page, *real["crack"][5:8])
    expect(page.locator("#answer-list > details")).to_have_count(3)
    expect(page.locator("#waiting")).to_be_hidden()
    answers = history(server)
    assert {answer["place"] for answer in answers} == {"B2, 기둥 14"}
    best = [answer["predictions"][0] for answer in answers]  # type: ignore[index]
    # The card of the newest is open and says what the service answered.
    newest = page.locator("#answer-list > details").first
    title = "Unknown" if answers[0]["unknown"] else best[0]["defect_class"]["title_en"]
    expect(newest.locator(".name")).to_have_text(title)
    expect(newest.locator(".bars li").first).to_contain_text(f"{best[0]['probability']:.0%}")
    expect(newest.locator(".heat")).to_be_hidden()
    newest.get_by_label("Heat map").check()
    expect(newest.locator(".heat")).to_be_visible()
    expect(newest.locator(".nearest li")).to_have_count(3)
    assert sum(each["defect_class"]["name"] == "Crack" for each in best) >= 2


def test_a_corrected_photo_is_learned(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    stranger = photo("brick", 7)
    created = httpx.post(
        f"{server}/v1/catalogs/default/defect-classes",
        data={"name": "brick"},
        files=[("photos", ("0.jpg", photo("rust", 9), "image/jpeg"))],
        timeout=60,
    ).json()
    page.goto("/")
    take(page, stranger)
    card = page.locator("#answer-list > details").first
    expect(card).to_be_visible()
    before = httpx.get(f"{server}/v1/classifications").json()["items"][0]["predictions"]
    likeness = {each["defect_class"]["name"]: each["similarity"] for each in before}["brick"]
    card.get_by_role("button", name="Another").click()
    card.locator(".chooser").get_by_role("button", name="brick").click()
    expect(card.locator(".said")).to_have_text(re.compile("^Put right; Haja said: .*The class has learned this photo"))
    expect(card.locator(".name")).to_have_text("brick")
    assert history(server)[0]["feedback"]["defect_class_id"] == created["id"]  # type: ignore[index]
    take(page, photo("brick", 8))
    expect(page.locator("#answer-list > details")).to_have_count(2)
    newest = history(server)[0]
    assert newest["predictions"][0]["defect_class"]["name"] == "brick"  # type: ignore[index]
    assert newest["predictions"][0]["similarity"] > likeness  # type: ignore[index]


@pytest.mark.long
def test_one_tap_confirms_and_a_note_is_kept(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 11))
    page.get_by_role("button", name="Right").click()
    expect(page.locator(".said")).to_have_text("Confirmed")
    page.locator(".remarks textarea").fill("<i>behind</i> the boiler")
    expect(page.locator(".saved")).to_have_text("Saved.")
    page.reload()  # the answer is still on the phone, with the word and the note
    expect(page.locator(".said")).to_have_text("Confirmed")
    page.goto("/history")
    expect(page.locator(".history .line")).to_have_text("crack")
    expect(page.locator(".history .verdict")).to_have_text("Confirmed")
    expect(page.locator(".history .note")).to_have_text("<i>behind</i> the boiler")


def test_a_script_as_a_name_does_nothing(page: Page, server: str) -> None:
    evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    register_on_the_page(page, evil, evil[:90], photos("crack", range(5)))
    expect(page.locator(".registered-name")).to_contain_text("<script>")
    register_drawn(server, "rust", title_en=evil)
    page.goto("/")
    take(page, photo("crack", 12))
    expect(page.locator(".answer .name")).to_contain_text("<script>")
    page.get_by_role("button", name="Another").click()
    expect(page.locator(".chooser")).to_contain_text("<script>")
    for address in ("/catalog", "/history"):
        page.goto(address)
        expect(page.locator("main")).to_contain_text("<script>")
        assert "owned" not in page.title()
        assert page.locator("main script:not([type='application/json']), main img[onerror]").count() == 0


@pytest.mark.long
def test_a_large_photo_goes_up_small_upright_and_with_its_time(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    image = Image.fromarray(np.asarray(pixels("crack", 3, 1500, 2400)))
    facts = image.getexif()
    facts[ExifTags.Base.Orientation] = 6
    facts.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:11:20 08:30:00"
    facts.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = "+09:00"
    data = encode(np.asarray(image), exif=facts)
    page.goto("/")
    take(page, data)
    expect(page.locator("#answer-list > details")).to_have_count(1)
    kept = history(server)[0]["photo"]
    assert (kept["width"], kept["height"]) == (1000, 1600)  # type: ignore[index]
    assert kept["taken_at"] == "2026-11-20T08:30:00+09:00"  # type: ignore[index]


@pytest.mark.long
def test_the_position_is_noted_where_the_visitor_wants_it(context: BrowserContext, page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    context.grant_permissions(["geolocation"])
    context.set_geolocation({"latitude": 37.5665, "longitude": 126.978, "accuracy": 12})
    page.goto("/")
    take(page, photo("crack", 41))
    expect(page.locator("#answer-list > details")).to_have_count(1)
    page.locator(".where summary").click()
    page.get_by_label("Note the GPS position").check()
    expect(page.locator("#position")).to_have_text("Position found, to about 12 m.")
    take(page, photo("crack", 42))
    expect(page.locator("#answer-list > details")).to_have_count(2)
    places = [(each["photo"]["latitude"], each["photo"]["longitude"]) for each in history(server)]  # type: ignore[index]
    assert places == [(37.5665, 126.978), (None, None)]


@pytest.mark.long
def test_the_catalog_is_kept_on_the_pages(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/catalog")
    expect(page.locator(".class")).to_have_count(2)
    page.get_by_role("link", name="rust").click()
    page.get_by_label("Korean name").fill("녹물")
    page.get_by_label("English name").fill("Rust stain")
    page.get_by_label("Severity").select_option("high")
    page.get_by_label("Own threshold of similarity").fill("0.4")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#edit .saved")).to_have_text("Saved.")
    # Photos are dropped on the field as from a folder.
    files = [{"name": each["name"], "data": list(each["buffer"])} for each in payloads(photos("rust", range(6, 8)))]
    page.locator("#add .dropzone").evaluate(
        """(zone, files) => {
            const transfer = new DataTransfer();
            for (const { name, data } of files)
                transfer.items.add(new File([new Uint8Array(data)], name, { type: "image/jpeg" }));
            zone.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        files,
    )
    expect(page.locator("#add .chosen li")).to_have_count(2)
    page.get_by_role("button", name="Add the photos").click()
    expect(page.locator("#examples li")).to_have_count(7)
    page.get_by_role("button", name="Remove example 7").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#examples li")).to_have_count(6)
    [crack, rust] = httpx.get(f"{server}/v1/catalogs/default/defect-classes").json()["items"]
    shown = [rust[field] for field in ("title_ko", "title_en", "severity", "threshold", "shots")]
    assert shown == ["녹물", "Rust stain", "high", 0.4, 6]
    page.get_by_role("button", name="Remove this defect type").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page).to_have_url(f"{server}/catalog")
    expect(page.locator(".class")).to_have_count(1)
    assert [crack["name"]] == [
        each["name"] for each in httpx.get(f"{server}/v1/catalogs/default/defect-classes").json()["items"]
    ]


@pytest.mark.long
def test_the_history_is_filtered(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 21), photo("rust", 22))
    expect(page.locator("#answer-list > details")).to_have_count(2)
    page.locator("#answer-list .neither").first.click()  # the rust is nothing that the inspector knows
    expect(page.locator("#last-word")).to_contain_text("None of these: Put right; Haja said: rust")
    page.goto("/history")
    expect(page.locator(".history li")).to_have_count(2)
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Only where the inspector disagreed").check()
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".history li")).to_have_count(1)
    assert "disagreement=true" in page.url
    assert "since" not in page.url
    page.get_by_text("Save everything that is filtered").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV").click()
    rows = downloading.value.path().read_text("utf-8-sig").splitlines()
    assert len(rows) == 2  # the headings, and the one that is filtered
    assert "rust" in rows[1]
    page.get_by_label("From").fill("2030-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No photo meets these conditions.")).to_be_visible()


@pytest.mark.long
def test_both_languages(context: BrowserContext, page: Page, server: str) -> None:
    register_drawn(server, "crack", title_ko="균열", title_en="Crack")
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    take(page, photo("crack", 31))
    expect(page.locator(".answer .name")).to_have_text("균열")
    expect(page.get_by_role("button", name="맞음")).to_be_visible()
    page.goto("/catalog")  # the choice holds
    expect(page.get_by_role("heading", name="하자 유형", exact=True)).to_be_visible()
    assert json.loads(page.locator("#page").text_content() or "")["language"] == "ko"
    korean = context.browser.new_context(base_url=server, locale="ko-KR")  # type: ignore[union-attr]
    other = korean.new_page()
    other.goto("/")
    expect(other.locator("html")).to_have_attribute("lang", "ko")
    korean.close()


@pytest.mark.long
def test_the_page_of_the_interface_works_under_its_policy(page: Page) -> None:
    page.goto("/docs")
    expect(page.locator(".opblock").first).to_be_visible()


@pytest.mark.long
def test_a_report_goes_on_while_nobody_looks(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    take(page, photo("crack", 21), photo("rust", 22))
    expect(page.locator("#answer-list > details")).to_have_count(2)
    page.goto("/history")
    page.get_by_text("Save everything that is filtered").click()
    page.get_by_label("Project on the report").fill("Tower B")
    page.get_by_label("Language of the file").select_option("ko")
    page.get_by_role("button", name="PDF report").click()
    expect(page.locator("#exporting")).to_have_text(re.compile("report", re.IGNORECASE))
    page.reload()
    expect(page.locator("#exporting")).to_have_text("The report is ready.")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Fetch the report").click()
    text = "\n".join(each.extract_text() for each in pypdf.PdfReader(downloading.value.path()).pages)
    assert "현장 Tower B" in text
    assert "사진 수 2" in text
