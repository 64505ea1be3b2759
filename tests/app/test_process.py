"""The service as a process of its own: what it logs, how it ends, and the whole demo."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.drawn import photo
from tests.rest import CLASSES, created, files
from tests.service_process import HAJA, Process, serving


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with serving(tmp_path, f"sqlite:///{tmp_path}/haja.db") as made:
        yield made


def test_every_request_is_a_line_of_json_with_the_id_that_the_caller_got(process: Process) -> None:
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


def test_it_ends_when_it_is_told_to_and_keeps_what_it_has(process: Process) -> None:
    made = created(httpx.post(process.address + CLASSES, data={"name": "crack"}, files=files([photo()]), timeout=60))
    assert process.handle.poll() is None
    log = process.end()
    assert not [line for line in log if line["level"] in {"warning", "error", "critical"}]
    # SQLite removes its log with the last connection: the service closed what it had opened.
    assert not (process.log.parent / "haja.db-wal").exists()
    checked = subprocess.run(
        [*HAJA, "check"],
        env=os.environ | {"HAJA_DATABASE_URL": f"sqlite:///{process.log.parent}/haja.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "Database, photos and prototypes agree.\n")
    assert made["shots"] == 1


@pytest.mark.slow
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
