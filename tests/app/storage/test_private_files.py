"""Files of the database are for the user of the service only, whatever the machine's habits."""

import os
import sqlite3
import stat
import subprocess
import zipfile
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from app.storage import schema
from tests.service_process import HAJA, serving


def _modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()}


def _haja(folder: Path, *arguments: str) -> None:
    """Run a command on a machine that lets everybody read and write whatever nobody forbids."""
    variables = os.environ | {"HAJA_DATABASE_URL": f"sqlite:///{folder}/haja.db"}
    subprocess.run([*HAJA, *arguments], env=variables, umask=0, check=True, cwd=folder, stdout=subprocess.DEVNULL)


def test_what_commands_make(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    _haja(folder, "keys", "create", "Kim", "--role", "admin")
    _haja(folder, "backup", "site.zip")
    assert _modes(folder) == {"haja.db": 0o600, "site.zip": 0o600}
    with zipfile.ZipFile(folder / "site.zip") as archive:
        assert {entry.external_attr >> 16 & 0o77 for entry in archive.infolist()} == {0}


def test_what_a_service_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs, with its log; temporary files lie in the same folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    before = os.umask(0)
    try:
        with serving(tmp_path, f"sqlite:///{folder}/haja.db") as service:
            made = httpx.post(f"{service.address}/v1/catalogs", json={"name": "tower"})
            modes = _modes(folder)
    finally:
        os.umask(before)
    assert made.status_code == 201
    assert modes == dict.fromkeys(["haja.db", "haja.db-wal", "haja.db-shm"], 0o600)


@pytest.mark.parametrize(
    ("before", "after"),
    [(0o644, 0o600), (0o664, 0o600), (0o666, 0o600), (0o640, 0o640), (0o660, 0o660), (0o400, 0o400)],
)
def test_what_is_there_already(tmp_path: Path, before: int, after: int) -> None:
    """What everybody may read was nobody's choice; what a group may read was somebody's."""
    file = tmp_path / "haja.db"
    url = f"sqlite:///{file}"
    schema.prepare(url)
    open_one = sqlite3.connect(file)
    open_one.execute("PRAGMA journal_mode")
    open_one.execute("BEGIN IMMEDIATE").connection.rollback()
    for name in _modes(tmp_path):
        (tmp_path / name).chmod(before)
    assert len(_modes(tmp_path)) == 3
    schema.sync_engine(url).dispose()
    assert set(_modes(tmp_path).values()) == {after}
    open_one.close()


def test_one_of_somebody_else_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "haja.db"
    file.touch(0o644)
    file.chmod(0o644)

    def refuse(path: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    with capture_logs() as lines:
        schema.sync_engine(f"sqlite:///{file}").dispose()
    assert lines == [
        {"event": "every user of this machine can read the database", "file": str(file), "log_level": "warning"}
    ]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(schema.SchemaError, match="cannot be used: unable to open database file"):
        schema.known_revision(f"sqlite:///{tmp_path}/nowhere/haja.db")
