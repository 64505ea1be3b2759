"""The inspection report: Korean that can be read out of the PDF, pictures, and names that want to break it."""

import io
import re
from typing import Any

import httpx
import pypdf
import pytest
from PIL import ExifTags, Image
from sqlalchemy import delete

from app.config import Settings
from app.inspections.exports import report as export_report
from app.photos.tables import Blob
from models.backbones import Backbone
from tests.drawn import photo, pixels, save
from tests.rest import (
    CLASSIFICATIONS,
    begin_report,
    classify,
    created,
    execute,
    problem,
    register,
    report_file,
    report_once,
)

REPORTS = "/v1/reports"


async def _report(client: httpx.AsyncClient, sent: dict[str, Any] | None = None, **query: Any) -> pypdf.PdfReader:
    answer = await report_file(client, sent, **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    return pypdf.PdfReader(io.BytesIO(answer.content), strict=True)


def _text(report: pypdf.PdfReader) -> str:
    return "\n".join(page.extract_text() for page in report.pages)


def _pictures(report: pypdf.PdfReader) -> list[tuple[int, int]]:
    return [each.image.size for page in report.pages for each in page.images if each.image]


@pytest.fixture
async def classes(client: httpx.AsyncClient) -> dict[str, str]:
    """Ids of two classes with titles in both languages."""
    crack = await register(client, "crack", [photo("crack", 1)], title_ko="균열", title_en="Crack", severity="high")
    rust = await register(client, "rust", [photo("rust", 1)], title_ko="녹물", title_en="Rust stain")
    return {"crack": crack["id"], "rust": rust["id"]}


async def _say(client: httpx.AsyncClient, answer: dict[str, Any], **word: str | None) -> None:
    created(await client.post(f"/v1/classifications/{answer['id']}/feedback", json=word))


async def test_it_says_what_was_answered_and_what_the_inspector_said(
    client: httpx.AsyncClient, classes: dict[str, str]
) -> None:
    notes = {"place": "지하 2층 기둥 14", "note": "비 온 뒤 젖어 있음", "latitude": "37.5665", "longitude": "126.978"}
    sent = {"photo": ("벽.jpg", photo("crack", 1))}
    corrected = created(await client.post(CLASSIFICATIONS, data=notes, files=sent))
    await _say(client, corrected, verdict="corrected", defect_class_id=classes["rust"], note="현장에서 확인")
    await _say(client, await classify(client, photo("crack", 1)), verdict="unknown")
    await client.patch(f"/v1/defect-classes/{classes['crack']}", json={"threshold": 1})
    await classify(client, photo("crack", 2))
    report = await _report(client, time_zone="Asia/Seoul")
    text = _text(report)
    assert len(_pictures(report)) == 6
    for said in (
        "하자 점검 보고서",
        "조건 전체 기록",
        "사진 수 3",
        "3. 녹물 · Rust stain",
        "정정: 녹물 · Rust stain",
        "현장에서 확인",
        "비 온 뒤 젖어 있음",
        "지하 2층 기둥 14 (37.566500, 126.978000)",
        "벽.jpg",
        "2. 등록되지 않은 유형",
        "등록된 어느 유형과도 충분히 닮지 않음. 가장 가까운 유형: 균열 · Crack",
        "(Asia/Seoul)",
        f"쪽 1 / {len(report.pages)}",
    ):
        assert said in text, said
    english = _text(await _report(client, lang="en", disagreement="true", place="기둥", since="2026-01-01T00:00:00Z"))
    assert "Photos 1" in english
    assert "Filter since 2026-01-01 00:00, Place “기둥”, the inspector disagreed" in english
    assert "1. Rust stain · 녹물" in english


@pytest.mark.usefixtures("classes")
async def test_it_carries_its_fonts_and_its_language(client: httpx.AsyncClient) -> None:
    await classify(client, photo())
    report = await _report(client)
    fonts = [font.get_object() for font in report.pages[0]["/Resources"]["/Font"].values()]  # type: ignore[index]
    assert fonts
    for font in fonts:
        descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert re.fullmatch(r"/[A-Z]{6}\+NanumGothic(Bold)?", descriptor["/FontName"])
        assert len(descriptor["/FontFile2"].get_data()) > 1000
    assert report.trailer["/Root"]["/Lang"] == "ko"  # type: ignore[index]
    assert report.metadata is not None
    assert report.metadata.title == "하자 점검 보고서"


async def test_nothing_to_report(client: httpx.AsyncClient) -> None:
    years: dict[str, Any] = {"since": "0002-01-01T00:00:00+14:00", "until": "9998-12-31T23:59:59-14:00"}
    report = await _report(client, **years, time_zone="Pacific/Kiritimati")
    assert len(report.pages) == 2
    assert "조건에 맞는 사진이 없습니다." in _text(report)


HOSTILE = (
    "<script>alert(1)</script>",
    "&amp; **bold** {nb} {쪽%수}",
    "W" * 100,
    "가" * 100,
    "😀👷🏽‍♀️🏗️",
    "שלום \u202eעולם",
    "مرحبا \u200f\u2067x",
    "a" + "\u0301" * 90,
    "a\u0301\u0302\u0303" * 20,
    "\ue000\uffff\U0010ffff",
)


async def test_names_that_want_to_break_it(client: httpx.AsyncClient) -> None:
    for number, name in enumerate(HOSTILE):
        made = await register(client, name[:100], [photo("crack", number)], title_ko=name * 2, title_en=name)
        answer = await classify(client, photo("crack", number))
        await client.patch(f"/v1/classifications/{answer['id']}", json={"place": name, "note": f"{name}\n" * 5})
        await _say(client, answer, verdict="corrected", defect_class_id=made["id"], note=f"{name} " * 9)
    report = await _report(client)
    text = _text(report)
    assert len(_pictures(report)) == 2 * len(HOSTILE)
    assert "<script>alert(1)</script>" in text
    assert "&amp; **bold** {nb}" in text
    assert text.replace("\n", "").count("W") >= 100 * len(HOSTILE)
    assert f"쪽 {len(report.pages)} / {len(report.pages)}" in text


@pytest.mark.usefixtures("classes")
async def test_pictures_are_upright_small_and_tell_nothing_of_the_file(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "secret-camera"
    await classify(client, save(Image.fromarray(pixels("crack", 1, 600, 1200)), exif=exif, comment=b"secret-comment"))
    answer = await report_file(client)
    assert b"secret" not in answer.content
    assert _pictures(pypdf.PdfReader(io.BytesIO(answer.content))) == [(280, 560), (280, 560)]


@pytest.mark.usefixtures("classes")
async def test_where_there_is_no_heat_map_or_no_photo_a_sentence_stands(
    client: httpx.AsyncClient, settings: Settings, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await classify(client, photo("crack", 1))
    with monkeypatch.context() as patch:
        patch.setattr(backbone.engine, "feature_map", lambda _photos: None)  # as of a network that pools no features
        report = await _report(client)
        assert len(_pictures(report)) == 1
        assert "이 판정에는 판정 근거 그림이 없습니다." in _text(report)
    answer = await classify(client, photo("rust", 2))
    execute(settings.database_url, delete(Blob).where(Blob.sha256 == answer["photo"]["id"]))
    report = await _report(client)
    assert len(_pictures(report)) == 2
    assert "사진이 보관되어 있지 않거나 읽을 수 없습니다." in _text(report)


@pytest.mark.usefixtures("classes")
async def test_a_report_has_an_end(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_report, "MOST_BLOCKS", 1)
    await classify(client, photo())
    assert len(_pictures(await _report(client))) == 2
    await classify(client, photo("rust"))
    assert "narrow the filter" in problem(await client.post(REPORTS), 422, "export-too-large")["detail"]
    assert len(_pictures(await _report(client, until="2020-01-01T00:00:00Z"))) == 0


@pytest.mark.usefixtures("classes")
async def test_title_page_and_logo(client: httpx.AsyncClient) -> None:
    await classify(client, photo())
    logo = {"logo": ("logo.png", save(Image.new("RGB", (900, 300), "navy"), "PNG"), "image/png")}
    report = await _report(client, {"data": {"title": " 한빛 아파트 3단지 "}, "files": logo})
    first = report.pages[0]
    assert [each.image.size for each in first.images if each.image] == [(600, 200)]
    for said in ("현장 한빛 아파트 3단지", "작성한 사람 anybody", "점검자 (서명)"):
        assert said in first.extract_text(), said
    for said in ("하자 유형별", "위치별", "1 위치 없음", "판단 상태별", "1 점검자 판단 전"):
        assert said in report.pages[1].extract_text(), said
    broken = {"logo": ("logo.png", b"\x89PNG\r\n\x1a\n", "image/png")}
    problem(await client.post(REPORTS, files=broken), 422, "photo-damaged")
    problem(await client.post(REPORTS, data={"title": "x" * 201}), 422, "request-invalid")


@pytest.mark.usefixtures("classes")
async def test_reports_wait_for_room_and_for_each_other(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await classify(client, photo())
    monkeypatch.setattr(export_report, "PAUSES_S", (0.05,) * 10_000)
    monkeypatch.setattr(export_report, "KEPT", 2)
    with monkeypatch.context() as patch:
        patch.setattr("app.embedding.local.MAPS", 0)
        first, second = [(await client.post(REPORTS)).json() for _ in range(2)]
        problem(await client.post(REPORTS), 429, "too-many-reports")
        told = await report_once(client, first["id"], "running")
        assert (told["done"], told["total"]) == (0, 1)
        assert (await client.get(f"{REPORTS}/{second['id']}")).json()["state"] == "waiting"
        problem(await client.get(f"{REPORTS}/{first['id']}/file"), 409, "report-not-finished")
    told = await report_once(client, second["id"], "finished")
    assert (told["done"], told["total"]) == (1, 1)
    # A newer one takes the place of the oldest.
    assert len((await report_file(client)).content) > 1000
    problem(await client.get(f"{REPORTS}/{first['id']}"), 404, "report-not-found")
    assert (await client.get(f"{REPORTS}/{second['id']}/file")).status_code == 200
    # Where the service stays busy, it says so.
    monkeypatch.setattr(export_report, "PAUSES_S", ())
    monkeypatch.setattr("app.embedding.local.MAPS", 0)
    assert (await begin_report(client))["problem"]["code"] == "queue-full"
