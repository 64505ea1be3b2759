"""The interface is what `docs/openapi.json` says: schemathesis calls all of it and checks every answer."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.main import create_app
from tests.conftest import MakeSettings
from tests.drawn import photos
from tests.rest import created, register

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "openapi.json"
CONFIG = Path(__file__).parent / "schemathesis.toml"

PHASES = "examples,coverage,fuzzing,stateful"

ROLES = [
    "stranger",
    pytest.param("inspector", marks=pytest.mark.long),
    pytest.param("curator", marks=pytest.mark.long),
    "admin",
]
"""As whom the service is called."""

only_sqlite = pytest.mark.only_on("sqlite", "what a database has to do with the interface, the other tests try")


@pytest.fixture
async def headers(role: str, furnished: httpx.AsyncClient) -> dict[str, str]:
    """What a caller of this role sends with every request; the roles hold in every catalog."""
    admin = {"Authorization": f"Bearer {await _key(furnished, 'admin', {})}"}
    if role == "stranger":
        return {}
    return {"Authorization": f"Bearer {await _key(furnished, role, admin)}"}


async def _key(client: httpx.AsyncClient, role: str, headers: dict[str, str]) -> str:
    made = await client.post("/v1/keys", json={"name": role, "role": role}, headers=headers)
    return str(created(made)["key"])


@pytest.fixture
async def furnished(server: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, which has two catalogs of two classes; nobody has a key yet."""
    async with httpx.AsyncClient(base_url=server, timeout=60) as client:
        created(await client.post("/v1/catalogs", json={"name": "tower-b"}))
        for catalog in ("default", "tower-b"):
            for kind in ("crack", "rust"):
                await register(client, kind, photos(kind, range(2)), catalog)
        yield client


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(requests_per_minute=1_000_000)


@only_sqlite
def test_the_committed_document_is_that_of_the_service(make_settings: MakeSettings) -> None:
    committed = json.loads(DOCUMENT.read_text("utf-8"))
    assert committed == create_app(make_settings()).openapi(), (
        "The interface has changed. If that was meant: `make openapi`, and think of those who call it."
    )


@only_sqlite
@pytest.mark.parametrize("role", ["admin"])
async def test_an_administrator_is_answered_as_the_document_announces(
    server: str, headers: dict[str, str], tmp_path: Path
) -> None:
    """A call or two of each operation."""
    report = await asyncio.to_thread(_schemathesis, server, headers, 1, "fuzzing", tmp_path)
    assert report["operations"]["tested"] == report["operations"]["total"] > 30
    assert report["test_cases"]["generated"] >= report["operations"]["total"]


@pytest.mark.torture
@only_sqlite
@pytest.mark.parametrize("role", ROLES)
async def test_every_answer_is_one_that_the_document_announces(
    server: str, headers: dict[str, str], runs: Callable[[int, int], int], tmp_path: Path
) -> None:
    report = await asyncio.to_thread(_schemathesis, server, headers, runs(1, 100), PHASES, tmp_path)
    assert report["operations"]["tested"] == report["operations"]["total"] > 30
    assert {phase["status"] for phase in report["phases"].values()} == {"success"}
    assert report["test_cases"]["generated"] > runs(1_000, 4_000)
    print(f"{report['test_cases']['generated']} calls, {report['test_cases']['with_failures']} failures")  # noqa: T201


def _schemathesis(address: str, headers: dict[str, str], ways: int, phases: str, folder: Path) -> dict[str, Any]:
    """Call the service in some ways per operation and phase; the report of a run without a fault."""
    report = folder / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "run", DOCUMENT, "--url", address,
         "--phases", phases, "--max-examples", str(ways), "--report-json-path", report, "--no-color",
         *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}"))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return found
