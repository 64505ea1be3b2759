"""What opens doors is never told: not in the log, not in an answer, not in a traceback, at whatever log level."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.drawn import photo
from tests.rest import CLASSES, CLASSIFICATIONS, execute, files
from tests.service_process import HAJA, serving

SECRET = "s3cr3t-Hq7xZ0"  # noqa: S105 - of this test alone

FAILING_STARTS: dict[str, dict[str, str]] = {
    "no such server": {"HAJA_DATABASE_URL": f"postgresql://me:{SECRET}@127.0.0.1:1/haja"},
    "no address": {"HAJA_DATABASE_URL": f"postgresql://me:{SECRET}@:port/haja"},
    "no driver": {"HAJA_DATABASE_URL": f"oracle://me:{SECRET}@127.0.0.1/haja"},
    "no storage": {
        "HAJA_BLOBS": "s3://haja/photos",
        "HAJA_BLOBS_TIMEOUT_S": "1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": f"id-{SECRET}",
        "AWS_SECRET_ACCESS_KEY": f"key-{SECRET}",
        "AWS_REGION": "us-east-1",
    },
    "no cluster": {"HAJA_EMBEDDER": "ray", "HAJA_RAY_ADDRESS": "127.0.0.1:1", "RAY_AUTH_TOKEN": f"{SECRET}-{'x' * 32}"},
}


def _start(case: str, folder: Path) -> tuple[int, str]:
    """Start a service that cannot run: exit code, and all that it says."""
    variables = {"HAJA_DATABASE_URL": f"sqlite:///{folder}/{case}.db", "HAJA_LOG_LEVEL": "debug", "HAJA_PORT": "0"}
    done = subprocess.run(
        [*HAJA, "serve"],
        env=os.environ | variables | FAILING_STARTS[case],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout


@pytest.mark.long
def test_a_start_that_fails_names_no_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        ends = dict(zip(FAILING_STARTS, pool.map(lambda case: _start(case, tmp_path), FAILING_STARTS), strict=True))
    for case, (code, said) in ends.items():
        assert code in {1, 2}, (case, said)
        assert SECRET not in said, case
        assert "Traceback" not in said, case


@pytest.mark.only_on("sqlite", "what is logged does not depend on the database")
def test_a_service_at_its_most_talkative_names_no_secret(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAJA_LOG_LEVEL", "debug")
    secret_headers = {
        "Idempotency-Key": f"key-{SECRET}",
        "Authorization": f"Bearer haja_{SECRET}",
        "Cookie": f"session={SECRET}",
        "X-CSRF-Token": SECRET,
    }
    answers: list[httpx.Response] = []
    with serving(tmp_path, empty_database_url) as process:
        with httpx.Client(base_url=process.address, headers=secret_headers, timeout=60) as client:
            answers.append(client.post(CLASSES, data={"name": "crack"}, files=files([photo()])))
            answers.append(client.post(CLASSIFICATIONS, files=files([b"no photo"], "photo")))
            answers.append(client.get("/v1/catalogs", params={"cursor": SECRET}))
            answers.append(client.get("/history", params={"token": SECRET}))
            answers.append(client.post("/v1/catalogs", content=f'{{"name": "{SECRET}'.encode()))
            answers.append(client.get("/nowhere", headers={"Sec-Fetch-Site": "cross-site"}))
            # What a service meets whose database somebody has tampered with: an error that nobody expected, and one
            # that is expected.
            for damage in (
                "CREATE TRIGGER no BEFORE UPDATE ON idempotency_keys BEGIN SELECT RAISE(ABORT, 'no'); END",
                "ALTER TABLE idempotency_keys RENAME TO gone",
            ):
                execute(empty_database_url, damage)
                answers.append(client.post("/v1/catalogs", json={"name": "tower"}, headers={"Idempotency-Key": SECRET}))
            assert [answer.status_code for answer in answers[-2:]] == [500, 503]
        process.handle.terminate()
        process.handle.wait(60)
        log = process.log.read_text("utf-8")
    assert '"level": "error"' in log
    assert SECRET not in log
    for answer in answers:
        assert SECRET not in str(answer.headers)
        # A page shows its own address, in the link to its other language.
        assert answer.is_success or SECRET not in answer.text
