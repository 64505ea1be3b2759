"""The filtered history as CSV and XLSX: every row once, and no text that a spreadsheet would run."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

from app.api import pagination
from app.config import Settings
from app.inspections.exports import service
from tests.drawn import photo
from tests.rest import CLASSIFICATIONS, created, problem, register

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def _send(client: httpx.AsyncClient, filename: str = "a.jpg", **fields: str) -> dict[str, Any]:
    return created(await client.post(CLASSIFICATIONS, data=fields, files={"photo": (filename, photo("rust"))}))


async def _csv(client: httpx.AsyncClient, **query: str) -> list[list[str]]:
    answer = await client.get("/v1/classifications/export.csv", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def _xlsx(client: httpx.AsyncClient, **query: str) -> list[tuple[Any, ...]]:
    answer = await client.get("/v1/classifications/export.xlsx", params=query)
    assert answer.status_code == 200, answer.text
    return list(openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0].iter_rows())


@pytest.fixture
async def rust(client: httpx.AsyncClient) -> dict[str, Any]:
    return await register(client, "rust", [photo("rust", 1)], title_ko="녹물", title_en="Rust stain")


async def test_a_row_says_what_the_answer_says(client: httpx.AsyncClient, rust: dict[str, Any]) -> None:
    notes = {"place": "B2, 기둥 14", "note": 'two\nlines, "quoted"', "taken_at": "2026-11-22T09:30:00+09:00"}
    bare = await _send(client)
    full = await _send(client, "벽.jpg", **notes, latitude="37.5", longitude="-126.25")
    word = {"verdict": "corrected", "defect_class_id": rust["id"], "note": "확인"}
    created(await client.post(f"/v1/classifications/{full['id']}/feedback", json=word))
    heading, first, second = await _csv(client, lang="en", time_zone="Asia/Seoul")
    row = dict(zip(heading, first, strict=True))
    seoul = row.pop("Answered (Asia/Seoul)")
    assert row == {
        "Catalog": "default",
        "Final class": "rust",
        "Final class by": "person",
        "Defect class": "rust",
        "Defect class (Korean)": "녹물",
        "Defect class (English)": "Rust stain",
        "Probability": "1.0",
        "Unknown": "FALSE",
        "Inspector's verdict": "corrected",
        "Inspector's class": "rust",
        "Inspector's comment": "확인",
        "Note": notes["note"],
        "Place": notes["place"],
        "Status": "open",
        "Latitude": "37.5",
        "Longitude": "-126.25",
        "Taken": notes["taken_at"],
        "File name": "벽.jpg",
        "Photo ID": full["photo"]["id"],
        "Classification ID": full["id"],
        "Backbone": full["backbone_id"],
        "Catalog version": "2",
        "Sent by": "anybody",
        "Key ID of who sent it": "",
        "Judged by": "anybody",
        "Key ID of who judged it": "",
        "Sound": "",
        "Number of regions": "",
        "Regions": "",
        "Inspector's word on regions": "",
    }
    assert second[heading.index("Classification ID")] == bare["id"]
    assert [second[heading.index(each)] for each in ("Inspector's verdict", "Note", "Latitude", "Taken")] == [""] * 4
    (utc, *_), (time, *_) = (await _csv(client))[:2]
    assert utc == "판정 시각 (UTC)"
    assert time == full["created_at"][:19].replace("T", " ")
    assert seoul != time
    # The same in XLSX, where numbers and times are no texts.
    sheet = await _xlsx(client, lang="en", time_zone="Asia/Seoul")
    assert [cell.value for cell in sheet[0]] == heading
    cells = dict(zip(heading, sheet[1], strict=True))
    assert str(cells["Answered (Asia/Seoul)"].value) == seoul
    assert (cells["Longitude"].value, cells["Unknown"].value, cells["Note"].value) == (-126.25, False, notes["note"])
    assert cells["Taken"].value == notes["taken_at"]


async def test_they_are_files_to_keep(client: httpx.AsyncClient) -> None:
    for kind, media_type in (("csv", "text/csv; charset=utf-8"), ("xlsx", XLSX)):
        answer = await client.get(f"/v1/classifications/export.{kind}")
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"].startswith('attachment; filename="haja-')
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"
    assert [len(await _csv(client)), len(await _xlsx(client))] == [1, 1]


FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "＝1+1", "=cmd|' / C calc'!A0", ' =HYPERLINK("x")']


async def test_no_text_is_a_formula(client: httpx.AsyncClient) -> None:
    """Neither of the file's name, nor of a class, nor of what inspectors write."""
    await register(client, "=1+1", [photo("rust", 1)], title_ko="@title", title_en="-title")
    for formula in FORMULAS:
        answer = await _send(client, formula, place=formula, note=formula)
        word = {"verdict": "confirmed", "note": formula}
        created(await client.post(f"/v1/classifications/{answer['id']}/feedback", json=word))
    heading, *rows = await _csv(client, lang="en")
    texts = {place: name for place, name in enumerate(heading) if name not in {"Latitude", "Longitude"}}
    for row, formula in zip(rows, reversed(FORMULAS), strict=True):
        cells = dict(zip(heading, row, strict=True))
        assert cells["Place"] == cells["Note"] == cells["Inspector's comment"] == f"'{formula.strip()}"
        assert cells["Defect class"] == cells["Inspector's class"] == "'=1+1"
        assert (cells["Defect class (Korean)"], cells["Defect class (English)"]) == ("'@title", "'-title")
        assert not any(row[place].lstrip()[:1] in set("=+-@＝") for place in texts if row[place])
    for line, formula in zip((await _xlsx(client, lang="en"))[1:], reversed(FORMULAS), strict=True):
        sheet = dict(zip(heading, line, strict=True))
        assert (sheet["Place"].value, sheet["Defect class"].value) == (formula.strip(), "=1+1")
        assert {cell.data_type for cell in line} <= {"s", "n", "b", "d"}
        assert sheet["Place"].quotePrefix


@pytest.mark.usefixtures("rust")
async def test_signs_that_xml_lacks_do_not_spoil_the_file(client: httpx.AsyncClient) -> None:
    await _send(client, note="a\ufffeb\uffffc 😀 <b>&amp;")
    heading, row = await _xlsx(client, lang="en")
    assert row[[cell.value for cell in heading].index("Note")].value == "abc 😀 <b>&amp;"


@pytest.mark.usefixtures("rust")
async def test_all_pages_and_only_what_is_filtered(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MOST", 2)
    sent = [await _send(client, place=f"{number % 2}층") for number in range(7)][::-1]
    place = 20
    for query in ({}, {"place": "1층"}, {"until": sent[2]["created_at"]}, {"catalog": "other"}):
        listed = (await client.get("/v1/classifications", params=query)).json()["items"]
        ids = [each["id"] for each in listed]
        assert [row[place] for row in (await _csv(client, **query))[1:]] == ids
        assert [row[place].value for row in (await _xlsx(client, **query))[1:]] == ids


@pytest.mark.usefixtures("rust")
async def test_an_xlsx_file_has_an_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(service, "MOST_ROWS", 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for _ in range(2):
        await _send(client)
    assert len(await _xlsx(client)) == 3
    await _send(client)
    refused = problem(await client.get("/v1/classifications/export.xlsx"), 422, "export-too-large")
    assert "More than 2" in refused["detail"]
    assert len(await _csv(client)) == 4
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.only_on("sqlite", "its file is moved away")
async def test_without_a_database_there_is_an_error_and_no_file(client: httpx.AsyncClient, settings: Settings) -> None:
    file = Path(settings.database_url.partition("///")[2])
    away = file.rename(file.with_suffix(".away"))  # noqa: ASYNC240 - nobody waits for it
    for kind in ("csv", "xlsx"):
        problem(await client.get(f"/v1/classifications/export.{kind}"), 503, "database-unavailable")
    away.rename(file)
    assert len(await _csv(client)) == 1


@pytest.mark.parametrize("query", [{"lang": "fr"}, {"time_zone": "Mars/Base"}, {"time_zone": "../x"}, {"since": "x"}])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_what_makes_no_sense(client: httpx.AsyncClient, kind: str, query: dict[str, str]) -> None:
    problem(await client.get(f"/v1/classifications/export.{kind}", params=query), 422, "request-invalid")
