"""Who may enter a restored site: no session, no key of the backup unless asked for, and always its owner."""

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.photos.decoding.decoders import Decoders
from app.serve import running
from models.backbones import Backbone
from tests.app.maintenance.conftest import Parts, Site
from tests.conftest import LIMITS
from tests.rest import execute

Run = Callable[..., tuple[int, str, str]]

NEW_KEY = "keys", "create", "owner again", "--role", "admin", "--email", "owner@site.example"


def _status(client: httpx.Client, key: str) -> int:
    return client.get("/v1/keys/current", headers={"Authorization": f"Bearer {key}"}).status_code


def test_a_backup_holds_no_session(site: Site) -> None:
    digest = hashlib.sha256(site.session.encode()).digest()
    with zipfile.ZipFile(site.file) as archive:
        assert "tables/sign_ins.jsonl" not in archive.namelist()
        everything = b"".join(archive.read(name) for name in archive.namelist())
    for form in (site.session.encode(), digest, digest.hex().encode(), base64.b64encode(digest)):
        assert form not in everything


def test_keys_end_and_the_owner_makes_a_new_one(
    haja: Run, site: Site, target: Settings, backbone: Backbone, decoders: Decoders
) -> None:
    code, out, err = haja("restore", site.file)
    assert (code, err) == (0, "")
    assert (
        "Its keys have ended (2), since some may have been revoked after it was made: make a new one with "
        "`haja keys create NAME --role admin`.\n"
    ) in out
    code, out, _ = haja(*NEW_KEY)
    assert code == 0
    key = out.strip()
    with running(target, backbone, decoders, LIMITS) as address, httpx.Client(base_url=address) as client:
        assert {_status(client, old) for old in (site.admin, site.curator, site.revoked)} == {401}
        assert client.get("/v1/catalogs", headers={"Cookie": f"haja_session={site.session}"}).status_code == 401
        assert _status(client, key) == 200
        headers = {"Authorization": f"Bearer {key}"}
        trail = client.get("/v1/audit?action=key-revoked", headers=headers).json()["items"]
        keys = {each["name"]: each for each in client.get("/v1/keys", headers=headers).json()["items"]}
        (catalog,) = client.get("/v1/catalogs", headers=headers).json()["items"]
    said = {
        (each["actor"], each["subject_id"], each["catalog_id"])
        for each in trail
        if each["detail"].get("reason") == "restored from a backup"
    }
    assert said == {
        ("command line", keys["admin"]["id"], None),
        ("command line", keys["curator"]["id"], catalog["id"]),
    }
    assert [keys["admin"]["email"], keys["owner again"]["email"]] == [None, "owner@site.example"]
    assert keys["admin"]["revoked_at"] == keys["curator"]["revoked_at"] != keys["revoked"]["revoked_at"]


def test_keys_go_on_where_that_is_asked_for(
    haja: Run, site: Site, target: Settings, backbone: Backbone, decoders: Decoders
) -> None:
    code, out, err = haja("restore", "--keep-keys", site.file)
    assert (code, err) == (0, "")
    assert "Its keys are as they were then, also those that were revoked since: `haja keys list` shows them.\n" in out
    with running(target, backbone, decoders, LIMITS) as address, httpx.Client(base_url=address) as client:
        assert [_status(client, key) for key in (site.admin, site.curator, site.revoked)] == [200, 200, 401]
        assert client.get("/v1/catalogs", headers={"Cookie": f"haja_session={site.session}"}).status_code == 401


@pytest.mark.usefixtures("target")
def test_a_site_without_keys_is_restored_without_a_word_of_them(haja: Run, parts: Parts, tmp_path: Path) -> None:
    parts.set_rows("api_key_grants", [])
    parts.set_rows("api_keys", [])
    parts.write(tmp_path / "open.zip")
    code, out, err = haja("restore", tmp_path / "open.zip")
    assert (code, err) == (0, "")
    assert "is restored" in out
    assert "keys" not in out


def test_sessions_of_an_older_backup_stay_behind(haja: Run, parts: Parts, target: Settings, tmp_path: Path) -> None:
    """Until this version, backups held them."""
    parts.manifest["tables"]["sign_ins"] = {
        "columns": {
            "token_sha256": "bytes",
            "api_key_id": "uuid",
            "csrf_token": "text",
            "memo": "json",
            "expires_at": "datetime",
        }
    }
    session = {
        "token_sha256": base64.b64encode(hashlib.sha256(b"mine").digest()).decode(),
        "api_key_id": parts.rows("api_keys")[0]["id"],
        "csrf_token": "x" * 64,
        "memo": None,
        "expires_at": (datetime.now(UTC) + timedelta(hours=12)).isoformat(),
    }
    parts.set_lines("sign_ins", json.dumps(session).encode() + b"\n")
    parts.write(tmp_path / "older.zip")
    assert haja("restore", "--keep-keys", tmp_path / "older.zip")[0] == 0
    assert execute(target.database_url, "SELECT count(*) FROM sign_ins") == [(0,)]
    assert execute(target.database_url, "SELECT count(*) FROM api_keys") == [(3,)]


def test_a_database_with_nothing_but_a_session_is_not_empty(haja: Run, site: Site, target: Settings) -> None:
    execute(
        target.database_url,
        "INSERT INTO sign_ins (token_sha256, csrf_token, expires_at) VALUES (x'00', '', '2030-01-01')",
    )
    code, _, err = haja("restore", site.file)
    assert code == 1
    assert "The database holds a site already (there are rows in sign_ins)" in err
