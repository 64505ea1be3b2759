"""Who did it: answers, the inspector's word, batches and what is taken away carry the key and its name of then."""

import asyncio
import csv
import io
from typing import Any

import httpx
import openpyxl
import pypdf
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.storage import schema
from tests.app.access.conftest import MakeKey, Things, bearer
from tests.drawn import photo, photos
from tests.rest import classify, created, execute, files, register, report_file


def _who(said: dict[str, Any]) -> tuple[str | None, str]:
    return said["actor_id"], said["actor"]


async def _send(client: httpx.AsyncClient, things: Things, key: dict[str, Any]) -> dict[str, Any]:
    address, sent = f"/v1/catalogs/{things.catalog}/classifications", files([photo("rust", 7)], "photo")
    return created(await client.post(address, files=sent, headers=bearer(key["key"])))


@pytest.fixture
async def kim(make_key: MakeKey, mine: Things) -> dict[str, Any]:
    """The key of an inspector of `mine`."""
    return await make_key(name="=Kim", catalogs={mine.catalog: "inspector"})


@pytest.fixture
async def lee(make_key: MakeKey, mine: Things) -> dict[str, Any]:
    """The key of its administrator."""
    return await make_key(name="Lee", catalogs={mine.catalog: "admin"})


async def test_an_answer_and_the_word_on_it_say_whose_they_are(
    client: httpx.AsyncClient, mine: Things, kim: dict[str, Any], lee: dict[str, Any]
) -> None:
    answer = await _send(client, mine, kim)
    assert _who(answer) == (kim["id"], "=Kim")
    address = f"/v1/classifications/{answer['id']}"
    word = await client.post(f"{address}/feedback", json={"verdict": "unknown"}, headers=bearer(lee["key"]))
    assert _who(created(word)) == (lee["id"], "Lee")
    for seen in (
        (await client.get(address, headers=bearer(kim["key"]))).json(),
        (await client.get("/v1/classifications", headers=bearer(lee["key"]))).json()["items"][0],
    ):
        assert (_who(seen), _who(seen["feedback"])) == ((kim["id"], "=Kim"), (lee["id"], "Lee"))
    # Before there was a key, anybody was.
    before = (await client.get(f"/v1/classifications/{mine.classification_id}", headers=bearer(kim["key"]))).json()
    assert _who(before) == (None, "anybody")


async def test_a_batch_and_its_answers_say_whose_they_are(
    client: httpx.AsyncClient, mine: Things, kim: dict[str, Any], lee: dict[str, Any]
) -> None:
    """Though somebody else does the work, later."""
    batch = f"/v1/catalogs/{mine.catalog}/classifications/batch"
    once = {"Idempotency-Key": "monday"}
    for _ in range(2):
        sent = await client.post(batch, files=files(photos("rust", range(5, 7))), headers=bearer(kim["key"]) | once)
        assert sent.status_code == 202, sent.text
    job = sent.json()
    assert _who(job) == (kim["id"], "=Kim")
    address = f"/v1/jobs/{job['id']}"
    assert "event: finished" in (await client.get(f"{address}/events", headers=bearer(kim["key"]))).text
    results = (await client.get(f"{address}/results", headers=bearer(lee["key"]))).json()["items"]
    assert [_who(each["classification"]) for each in results] == [(kim["id"], "=Kim")] * 2
    assert _who((await client.get("/v1/jobs", headers=bearer(lee["key"]))).json()["items"][0]) == (kim["id"], "=Kim")
    answer = await client.get("/v1/audit", params={"action": "batch-sent"}, headers=bearer(lee["key"]))
    line, before = answer.json()["items"]
    assert (_who(line), line["subject_id"], line["detail"]) == ((kim["id"], "=Kim"), job["id"], {"photos": 2})
    assert (_who(before), before["subject_id"]) == ((None, "anybody"), mine.job_id)


async def test_files_to_take_away_say_who_sent_who_judged_and_who_took(
    client: httpx.AsyncClient, mine: Things, kim: dict[str, Any], lee: dict[str, Any]
) -> None:
    answer = await _send(client, mine, kim)
    address = f"/v1/classifications/{answer['id']}/feedback"
    created(await client.post(address, json={"verdict": "confirmed"}, headers=bearer(lee["key"])))
    asked: dict[str, Any] = {"params": {"lang": "en", "since": answer["created_at"]}, "headers": bearer(lee["key"])}
    taken = {kind: await client.get(f"/v1/classifications/export.{kind}", **asked) for kind in ("csv", "xlsx")}
    taken["pdf"] = await report_file(client, headers=asked["headers"], **asked["params"])
    heading, row = csv.reader(io.StringIO(taken["csv"].content.decode("utf-8-sig"), newline=""))
    said = {
        "Sent by": "=Kim",
        "Key ID of who sent it": kim["id"],
        "Judged by": "Lee",
        "Key ID of who judged it": lee["id"],
    }
    assert dict(zip(heading, row, strict=True)).items() >= (said | {"Sent by": "'=Kim"}).items()
    book = openpyxl.load_workbook(io.BytesIO(taken["xlsx"].content))
    first, second = book.worksheets[0].iter_rows(values_only=True)
    assert dict(zip(first, second, strict=True)).items() >= said.items()
    assert book.properties.creator == "Lee"
    report = pypdf.PdfReader(io.BytesIO(taken["pdf"].content))
    assert report.metadata is not None
    assert report.metadata.author == "Lee"
    text = " ".join(page.extract_text() for page in report.pages)
    assert all(each in text for each in ("Lee", "Sent by =Kim", "The answer is right: stain (Lee)"))


@pytest.mark.both_databases
async def test_taking_answers_away_leaves_a_line_in_each_catalog_that_they_are_of(
    client: httpx.AsyncClient, mine: Things, theirs: Things, root: dict[str, str], lee: dict[str, Any]
) -> None:
    client.headers.update(root)
    for things in (mine, theirs):
        await client.get(f"/v1/jobs/{things.job_id}/events")  # until its photo is classified
    await register(client, "rust", [photo("rust", 1)])  # in `default`, of which there is no answer
    asked = {"place": "", "since": "2026-01-01T00:00:00+09:00"}
    for kind in ("csv", "xlsx"):
        assert (await client.get(f"/v1/classifications/export.{kind}", params=asked)).status_code == 200
    assert (await report_file(client, place="", since=asked["since"])).status_code == 200
    assert (await client.get("/v1/classifications/export.csv", params={"place": "nowhere"})).status_code == 200
    every = (await client.get("/v1/audit", params={"action": "history-exported"})).json()["items"]
    assert {each["catalog_id"] for each in every} == {mine.catalog_id, theirs.catalog_id}
    assert len(every) == 6
    answer = await client.get("/v1/audit", params={"action": "history-exported"}, headers=bearer(lee["key"]))
    lines = answer.json()["items"][::-1]
    assert [(each["actor"], each["catalog_id"]) for each in lines] == [("root", mine.catalog_id)] * 3
    conditions = {"place": "", "since": "2025-12-31T15:00:00Z"}
    assert [each["detail"] for each in lines] == [
        {"file": kind, "classifications": 2, "conditions": conditions} for kind in ("csv", "xlsx", "pdf")
    ]


@pytest.mark.both_databases
async def test_of_what_is_older_nobody_is_known(client: httpx.AsyncClient, app: FastAPI, settings: Settings) -> None:
    """Answers, words and batches from before that was kept."""
    for kind in ("crack", "rust"):
        await register(client, kind, photos(kind, range(2)))
    answer = await classify(client, photo("rust", 7))
    address = f"/v1/classifications/{answer['id']}"
    created(await client.post(f"{address}/feedback", json={"verdict": "confirmed"}))
    app.state.batch_task.cancel()
    await asyncio.wait([app.state.batch_task])
    sent = await client.post("/v1/catalogs/default/classifications/batch", files=files(photos("crack", range(5, 7))))
    before = execute(settings.database_url, "SELECT count(*) FROM classifications")
    await asyncio.to_thread(schema.downgrade, settings.database_url, "0008")
    await asyncio.to_thread(schema.upgrade, settings.database_url)
    assert execute(settings.database_url, "SELECT count(*) FROM classifications") == before
    old = (await client.get(address)).json()
    assert [_who(old), _who(old["feedback"])] == [(None, "unknown")] * 2
    # A batch that waits is done all the same.
    while await app.state.batch_worker.work_once():
        pass
    job = f"/v1/jobs/{sent.json()['id']}"
    assert _who((await client.get(job)).json()) == (None, "unknown")
    results = (await client.get(f"{job}/results")).json()["items"]
    assert [_who(each["classification"]) for each in results] == [(None, "unknown")] * 2
    report = await report_file(client, lang="en")
    assert "Sent by not known" in pypdf.PdfReader(io.BytesIO(report.content)).pages[-1].extract_text()
