"""Regions in the filtered history: which answers are found, and what tables and report say of them."""

import csv
import io
from typing import Any

import httpx
import pypdf
import pytest

from tests.app.inspections.test_regions import register_parts
from tests.drawn import photo, wide_photo
from tests.rest import classify, created, report_file


@pytest.fixture
async def answers(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """One with a region, one that is sound, and one of a small photo."""
    for kind in ("crack", "rust"):
        await register_parts(client, kind, range(3))
    found = {
        "defect": await classify(client, wide_photo("crack", 50)[0]),
        "sound": await classify(client, wide_photo(None, 60)[0]),
        "whole": await classify(client, photo("crack", 3)),
    }
    assert [each["sound"] for each in found.values()] == [False, True, None]
    return found


@pytest.mark.both_databases
async def test_sound_answers_are_found(client: httpx.AsyncClient, answers: dict[str, dict[str, Any]]) -> None:
    names = {each["id"]: name for name, each in answers.items()}

    async def found(**query: str) -> set[str]:
        items = (await client.get("/v1/classifications", params=query)).json()["items"]
        return {names[each["id"]] for each in items}

    assert await found(sound="true") == {"sound"}
    assert await found(sound="false") == {"defect"}
    # What is sound does not count as the class that it is least unlike.
    for each in answers.values():
        class_id = each["predictions"][0]["defect_class"]["id"]
        assert "sound" not in await found(defect_class_id=class_id)
    first = answers["defect"]["predictions"][0]["defect_class"]["id"]
    assert "defect" in await found(defect_class_id=first, sound="false")


async def test_tables_and_report_name_regions(client: httpx.AsyncClient, answers: dict[str, dict[str, Any]]) -> None:
    judged = answers["defect"]
    regions = f"/v1/classifications/{judged['id']}/regions"
    created(await client.post(f"{regions}/1/feedback", json={"verdict": "not-a-defect"}))
    box = {"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.1}
    class_id = next(
        each["defect_class"]["id"] for each in judged["predictions"] if each["defect_class"]["name"] == "rust"
    )
    created(await client.post(regions, json={"box": box, "defect_class_id": class_id}))
    text = (await client.get("/v1/classifications/export.csv", params={"lang": "en"})).content.decode("utf-8-sig")
    whole, sound, defect = csv.DictReader(io.StringIO(text, newline=""))
    columns = ("Sound", "Number of regions", "Regions", "Inspector's word on regions")
    assert [whole[each] for each in columns] == ["", "", "", ""]
    assert [sound[each] for each in columns] == ["TRUE", "0", "", ""]
    assert [defect[each] for each in columns[:2]] == ["FALSE", str(len(judged["regions"]))]
    first = judged["regions"][0]
    sides = ",".join(f"{first[side]:.3f}" for side in ("x", "y", "w", "h"))
    assert defect["Regions"].startswith(f"crack {first['defect']:.2f} @ {sides}")
    said = defect["Inspector's word on regions"].split("; ")
    assert said[0].startswith("1 not-a-defect @ ")
    assert said[1] == f"{len(judged['regions']) + 1} added rust @ 0.100,0.200,0.300,0.100"
    answer = await report_file(client, lang="en")
    report = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages)
    for words in (
        "Region 1",
        "Inspector: Not a defect (anybody)",
        "Added: rust (anybody)",
        "No part of the photo looks",
    ):
        assert words in " ".join(report.split()), words
    only = await report_file(client, lang="en", sound="true")
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(only.content)).pages]
    assert "answered as sound" in pages[0]
    assert "1. Sound" in pages[-1]
