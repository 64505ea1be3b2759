"""No key is called what the service itself acts as: whoever reads the audit trail would take one for the other."""

from collections.abc import Callable

import httpx
import pytest

from app.config import Settings
from tests.app.access.conftest import MakeKey
from tests.rest import created, execute, nothing_stored, problem

pytestmark = pytest.mark.only_on("sqlite", "no database has a part in it")

SENTENCE = (
    "the service itself acts under names like it (command line, anybody, nobody, unknown), so no key may: choose "
    "another name"
)


RESERVED = [
    "command line (root)", "command line", "Command Line (root)", "COMMAND  LINE (kim)", " command line (root) ",
    "command-line (root)", "command_line", "commandline (root)", "command line script", "command\tline (root)",
    "command\u00a0line (root)", "command\u200bline (root)", "com\u00admand line (root)", "\u202ecommand line (root)",
    "command\u3164line (root)", "command\u115f line", "\ufeffcommand line", "ｃｏｍｍａｎｄ　ｌｉｎｅ (root)",
    "ℂ𝕠𝕞𝕞𝕒𝕟𝕕 line (root)", "cómmánd líne (root)", "ⓒommand line", "nobody", "Nobody", "no body", "anybody", "ANYBODY.",
    "unknown", "Unknown", "un\u200dknown",
]  # fmt: skip


async def test_they_are_refused(client: httpx.AsyncClient, root: dict[str, str], settings: Settings) -> None:
    with nothing_stored(settings):
        for name in RESERVED:
            answer = await client.post("/v1/keys", json={"name": name, "role": "inspector"}, headers=root)
            told = problem(answer, 422, "request-invalid")["detail"]
            assert told == f"The request does not fit: body.name: Value error, {SENTENCE}.", name


async def test_other_names_are_taken(make_key: MakeKey) -> None:
    for name in ("Kim, north site", "line command", "nobody's phone", "anybody at gate 3", "김 명령", "—"):
        assert (await make_key(name=name, role="inspector"))["name"] == name


async def test_an_older_key_with_such_a_name_goes_on(
    client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str], settings: Settings
) -> None:
    made = await make_key(role="admin")
    execute(settings.database_url, "UPDATE api_keys SET name = 'command line (root)' WHERE prefix = :prefix",
            prefix=made["prefix"])  # fmt: skip
    own = {"Authorization": f"Bearer {made['key']}"}
    created(await client.post("/v1/catalogs", json={"name": "towers"}, headers=own))
    assert "command line (root)" in [
        key["name"] for key in (await client.get("/v1/keys", headers=root)).json()["items"]
    ]
    # The id tells them apart: the command line has none.
    entry = (await client.get("/v1/audit?limit=1", headers=root)).json()["items"][0]
    assert (entry["actor"], entry["actor_id"]) == ("command line (root)", made["id"])


def test_the_command_refuses_it_too(
    haja: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    code, key, said = haja("keys", "create", "command line (root)", "--role", "admin")
    assert (code, key) == (2, "")
    assert " ".join(said.split()) == f"name: {SENTENCE}"
