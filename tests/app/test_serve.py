"""The service as a process of its own: what it logs, how it ends, and the whole demo."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.drawn import photo, photos
from tests.rest import CLASSES, classify, created, files, register
from tests.service_process import HAJA, Process, started

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def start(empty_database_url: str, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Start the service, without waiting for it, on a database that is still empty."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(started(tmp_path, empty_database_url))


@pytest.mark.only_on("sqlite", "what is logged does not depend on the database")
def test_every_request_is_a_line_of_json_with_the_id_that_the_caller_got(start: Callable[[], Process]) -> None:
    process = start()
    process.wait_until_ready()
    with httpx.Client(base_url=process.address, timeout=60) as client:
        made = client.post(CLASSES, data={"name": "crack"}, files=files([photo()]))
        created(made)
        missing = client.get("/v1/catalogs/nowhere")
        client.get("/livez")
    log = process.end()
    lines = {line["request_id"]: line for line in log if line.get("event") == "request"}
    for answer, method, path in ((made, "POST", CLASSES), (missing, "GET", "/v1/catalogs/nowhere")):
        line = lines[answer.headers["x-request-id"]]
        assert (line["method"], line["path"], line["status"]) == (method, path, answer.status_code)
        assert line["level"] == "info"
        assert isinstance(line["ms"], float)
        assert line["timestamp"]
    # Probes ask every few seconds and would bury the rest.
    assert not any(line.get("path") in {"/livez", "/readyz"} for line in log)


async def test_two_that_start_on_one_empty_database_act_as_one(
    start: Callable[[], Process], empty_database_url: str, haja: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = start(), start()
    for process in pair:
        await asyncio.to_thread(process.wait_until_ready)
    one, other = (httpx.AsyncClient(base_url=process.address, timeout=60) for process in pair)
    async with one, other:
        crack = await register(one, "crack", photos("crack", range(2)))
        assert await _first(other, photo("crack", 9)) == "crack"
        rust = await register(other, "rust", photos("rust", range(2)))
        assert await _first(one, photo("rust", 9)) == "rust"
        await one.patch(f"/v1/defect-classes/{rust['id']}", json={"name": "stain"})
        assert await _first(other, photo("rust", 9)) == "stain"
        await other.delete(f"/v1/defect-classes/{rust['id']}")
        assert await _first(one, photo("rust", 9)) == "crack"
        added = [
            client.post(f"/v1/defect-classes/{crack['id']}/support-photos", files=files([photo("crack", seed)]))
            for seed, client in enumerate([one, other] * 4, 20)
        ]
        registered = [
            client.post(CLASSES, data={"name": f"class {number}"}, files=files([photo("brick", number)]))
            for number, client in enumerate([one, other] * 4)
        ]
        answers = [created(answer) for answer in await asyncio.gather(*added, *registered)]
        # Each got a version of its own: crack, rust, its new name and its end came before.
        assert sorted(answer["catalog_version"] for answer in answers) == list(range(6, 22))
        for client in (one, other):
            assert (await client.get(f"/v1/defect-classes/{crack['id']}")).json()["shots"] == 10
            assert (await classify(client, photo()))["catalog_version"] == 21
    for process in pair:
        loud = [line["event"] for line in process.end() if line["level"] in {"warning", "error", "critical"}]
        # The server of the tests does not wait for its disk, and the service says that this is unsafe.
        assert [event for event in loud if "is set not to wait for its disk" not in str(event)] == []
        assert bool(loud) == empty_database_url.startswith("postgresql")
    # SQLite removes its log with the last connection: the services closed what they had opened.
    assert not list(pair[0].log.parent.glob("*.db-wal"))
    monkeypatch.setenv("HAJA_DATABASE_URL", empty_database_url)
    code, out, err = await asyncio.to_thread(haja, "check")
    assert (code, out) == (0, "Database, photos and prototypes agree.\n"), err


async def _first(client: httpx.AsyncClient, data: bytes) -> str:
    """The name of the class that comes first."""
    name: str = (await classify(client, data))["predictions"][0]["defect_class"]["name"]
    return name


@pytest.mark.long
def test_the_demo_shows_the_whole_job(tmp_path: Path) -> None:
    done = subprocess.run(
        [*HAJA, "demo", "--photos", str(tmp_path / "photos")],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "160", "PYTHONPATH": os.getcwd()},  # noqa: PTH109
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Registered ") == 5
    assert "drawn by a program" in done.stdout
    assert len(list((tmp_path / "photos" / "support").glob("*/*.jpg"))) == 25
    right, total = (int(part) for part in done.stdout.rpartition(" new photos")[0].rpartition("\n")[2].split(" of "))
    assert total >= 25
    assert right > total / 2  # chance would be a fifth
