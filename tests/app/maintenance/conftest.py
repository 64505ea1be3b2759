"""A site with something of everything and its backup, made once; and its parts, to be put together in other ways."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.commands.backup import back_up
from app.config import Settings
from app.photos.decoding.decoders import Decoders
from app.serve import running
from models.backbones import Backbone
from tests.conftest import DATABASE_TIMEOUT_S, LIMITS
from tests.drawn import photo, photos
from tests.rest import CLASSES, CLASSIFICATIONS, created, files


@dataclass
class Site:
    """A backup, and what was valid when it was made: keys and the cookie of a session."""

    file: Path
    admin: str
    curator: str
    revoked: str
    session: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated: Path, backbone: Backbone, decoders: Decoders) -> Site:
    """Two classes, answers with feedback, a batch, keys and a session; and their backup."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(migrated, folder / "site.db")
    settings = Settings(port=0, database_url=f"sqlite:///{folder}/site.db", database_timeout_s=DATABASE_TIMEOUT_S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAJA_DATABASE_URL", settings.database_url)
        patch.setattr("app.logs.configure", lambda _level: None)
        with running(settings, backbone, decoders, LIMITS) as address:
            with httpx.Client(base_url=address, timeout=60) as client:
                owner = {"name": "admin", "role": "admin", "email": "owner@site.example"}
                keys = {"admin": created(client.post("/v1/keys", json=owner))["key"]}
                client.headers["Authorization"] = f"Bearer {keys['admin']}"
                for name in ("curator", "revoked"):
                    made = created(client.post("/v1/keys", json={"name": name, "catalogs": {"default": "curator"}}))
                    keys[name] = made["key"]
                assert client.delete(f"/v1/keys/{made['id']}").status_code == 204
                for name in ("crack", "rust"):
                    created(client.post(CLASSES, data={"name": name}, files=files(photos(name, range(2)))))
                judged = created(client.post(CLASSIFICATIONS, files=files([photo("crack", 7)], "photo")))
                created(client.post(f"/v1/classifications/{judged['id']}/feedback", json={"verdict": "confirmed"}))
                job = client.post(f"{CLASSIFICATIONS}/batch", files=files([photo("rust", 8)])).json()["id"]
                assert "event: finished" in client.get(f"/v1/jobs/{job}/events").text
            with httpx.Client(base_url=address) as browser:
                assert browser.post("/sign-in", data={"key": keys["admin"], "then": "/"}).status_code == 303
                session = browser.cookies["haja_session"]
            back_up(folder / "site.zip")
    return Site(folder / "site.zip", session=session, **keys)


class Parts:
    """What a backup is made of, to be changed; what it says of itself follows, unless that is what is changed."""

    def __init__(self, file: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            self.entries = {name: archive.read(name) for name in archive.namelist()}
        self.manifest: dict[str, Any] = json.loads(self.entries.pop("manifest.json"))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table."""
        return [json.loads(line) for line in self.entries[f"tables/{table}.jsonl"].splitlines()]

    def set_rows(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Give a table other rows."""
        self.set_lines(table, b"".join(json.dumps(row).encode() + b"\n" for row in rows))

    def set_lines(self, table: str, data: bytes) -> None:
        """Give a table other lines."""
        self.entries[f"tables/{table}.jsonl"] = data
        entry = self.manifest["tables"].setdefault(table, {"columns": {"id": "uuid"}})
        entry |= {"rows": len(data.splitlines()), "sha256": hashlib.sha256(data).hexdigest()}

    def change(self, table: str, **values: Any) -> None:
        """Change columns of the first row of a table."""
        first, *others = self.rows(table)
        self.set_rows(table, [first | values, *others])

    def write(self, file: Path, add: Callable[[zipfile.ZipFile], None] = lambda _: None) -> None:
        """Write the archive, and what `add` does to it."""
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in self.entries.items():
                packing = zipfile.ZIP_DEFLATED if name.startswith("tables/") else zipfile.ZIP_STORED
                archive.writestr(name, data, packing)
            add(archive)
            if self.manifest:
                archive.writestr("manifest.json", json.dumps(self.manifest))


@pytest.fixture
def parts(site: Site) -> Parts:
    """The parts of a sound backup."""
    return Parts(site.file)


@pytest.fixture
def target(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty database, which the commands work on."""
    shutil.copy(migrated, tmp_path / "target.db")
    url = f"sqlite:///{tmp_path}/target.db"
    monkeypatch.setenv("HAJA_DATABASE_URL", url)
    return Settings(port=0, database_url=url, database_timeout_s=DATABASE_TIMEOUT_S)
