"""A backup that is damaged, newer, killed or in the wrong place: refused with a sentence, and nothing is changed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.storage import schema
from tests.drawn import photos
from tests.durability.killable import Killable
from tests.rest import execute, register, row_counts

KILLED = """
import os, signal, zipfile
import app.commands.backup
from app.commands.main import main
close = zipfile.ZipFile.close
zipfile.ZipFile.close = lambda archive: os.kill(os.getpid(), signal.SIGKILL) if archive.mode == "w" else close(archive)
main()
"""
"""`haja`, which dies before the last bytes of the first archive that it writes."""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
async def file(
    client: httpx.AsyncClient, settings: Settings, haja: Run, at: Callable[[str], None], tmp_path: Path
) -> Path:
    """A sound backup."""
    await register(client, "crack", photos("crack", range(4)))
    at(settings.database_url)
    made = tmp_path / "site.zip"
    assert (await asyncio.to_thread(haja, "backup", made))[0] == 0
    return made


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the commands work on this database."""
    return lambda url: monkeypatch.setenv("HAJA_DATABASE_URL", url)


@pytest.fixture
def target(at: Callable[[str], None], file: Path) -> Settings:
    """Where the backup shall go: a database that is not there yet."""
    url = f"sqlite:///{file.parent}/target.db"
    at(url)
    return Settings(database_url=url)


def _refused(haja: Run, file: Path, reason: str) -> None:
    code, out, err = haja("restore", file)
    assert code == 1, out
    assert re.search(reason, err), err


def _is_empty(target: Settings) -> bool:
    return not Path(target.database_url.rpartition("///")[2]).exists() or not any(row_counts(target).values())


@pytest.mark.only_on("sqlite", "the file does not depend on where it came from")
class TestDamaged:
    @pytest.mark.torture
    def test_cut_off_anywhere(self, haja: Run, file: Path, target: Settings, runs: Callable[[int, int], int]) -> None:
        data = file.read_bytes()
        tries = runs(6, 60)
        for number in range(tries):
            file.write_bytes(data[: len(data) * number // tries])
            _refused(haja, file, "is damaged, cut off, or no backup")
            assert _is_empty(target)

    @pytest.mark.torture
    def test_a_changed_byte_anywhere(
        self, haja: Run, file: Path, target: Settings, runs: Callable[[int, int], int]
    ) -> None:
        """Either it is noticed, or it stands where it says nothing (the time of an entry) and all comes back."""
        data = file.read_bytes()
        with zipfile.ZipFile(file) as archive:
            contents = {entry.filename: (entry.header_offset, entry.compress_size) for entry in archive.infolist()}
        places = [offset + 60 + size // 2 for offset, size in contents.values() if size > 100]
        places += [len(data) * number // runs(6, 60) for number in range(runs(6, 60))]
        noticed = 0
        for place in places:
            changed = bytearray(data)
            changed[place] ^= 0x10
            file.write_bytes(changed)
            code, _, err = haja("restore", file)
            assert code in {0, 1}, err
            if code == 0:
                assert haja("check")[0] == 0
                schema.downgrade(target.database_url, "base")
                schema.upgrade(target.database_url)
            else:
                noticed += 1
                assert "nothing was restored" in err
            assert _is_empty(target)
        print(f"\n{noticed} of {len(places)} changed bytes were noticed, the others changed nothing")  # noqa: T201
        assert noticed >= len(contents) / 2

    def test_a_file_of_a_newer_version(self, haja: Run, file: Path, target: Settings) -> None:
        _rewrite(file, lambda manifest: re.sub(rb'"schema_revision": "\d+"', b'"schema_revision": "9999"', manifest))
        _refused(haja, file, r"newer version of Haja \(schema 9999; .*restore it with that version")
        assert _is_empty(target)
        _rewrite(file, lambda _: b'{"format": 2, "all": "else is different"}')
        _refused(haja, file, r"newer version of Haja \(format 2\): restore it with that version")
        assert _is_empty(target)

    def test_another_zip_and_no_file_at_all(self, haja: Run, target: Settings, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr("holiday.jpg", b"")
        _refused(haja, tmp_path / "other.zip", "no backup of Haja")
        _refused(haja, tmp_path / "nowhere.zip", "cannot be read: No such file or directory")
        assert _is_empty(target)


def _rewrite(file: Path, change: Callable[[bytes], bytes]) -> None:
    """Write the file anew, with another manifest."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["manifest.json"] = change(entries["manifest.json"])
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def test_a_site_is_never_written_over(haja: Run, file: Path, settings: Settings) -> None:
    before = row_counts(settings)
    _refused(haja, file, "holds a site already .*set HAJA_DATABASE_URL to an empty database")
    assert row_counts(settings) == before


def test_a_file_is_never_written_over(haja: Run, file: Path) -> None:
    before = file.read_bytes()
    code, _, err = haja("backup", file)
    assert (code, "exists already" in err) == (1, True)
    assert file.read_bytes() == before
    code, _, err = haja("backup", file.parent / "nowhere" / "site.zip")
    assert (code, "cannot be written: No such file or directory" in err) == (1, True)
    assert [each.name for each in file.parent.glob("site.zip*")] == ["site.zip"]


def test_photos_that_are_lost_are_named_and_the_rest_is_kept(
    haja: Run, file: Path, settings: Settings, at: Callable[[str], None]
) -> None:
    ((lost,),) = execute(settings.database_url, "SELECT min(sha256) FROM blobs")
    execute(settings.database_url, "DELETE FROM blobs WHERE sha256 = :lost", lost=lost)
    code, out, err = haja("backup", file.with_name("rest.zip"))
    assert (code, f"photo {lost}: its bytes are lost" in out) == (1, True)
    assert "holds all but these photos" in err
    at(f"sqlite:///{file.parent}/rest.db")
    code, out, _ = haja("restore", file.with_name("rest.zip"))
    assert (code, "with 3 photos, without 1 whose bytes it lacks" in out) == (0, True)
    code, out, _ = haja("check")
    assert (code, out) == (1, f"photo {lost}: its bytes are missing\n")


@pytest.mark.torture
def test_a_killed_restore_is_done_again(
    file: Path, empty_database_url: str, tmp_path: Path, runs: Callable[[int, int], int]
) -> None:
    """Killed between any two writes, those that make the tables among them: all is there in the end, and only once."""
    place = Killable(tmp_path, {"HAJA_DATABASE_URL": empty_database_url})
    point = 0
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        point += runs(7, 1)
        code, printed = place.command("restore", str(file), point=point)
    if code:  # it was killed after its last write
        assert "holds a site already" in printed
    assert point > 7
    print(f"\nkilled at {(point - 1) // runs(7, 1)} points")  # noqa: T201
    assert place.command("check") == (0, "Database, photos and prototypes agree.\n")
    assert execute(empty_database_url, "SELECT count(*) FROM support_photos") == [(4,)]


@pytest.mark.only_on("sqlite", "the file does not depend on where it came from")
def test_a_killed_backup_leaves_no_file_that_looks_whole(file: Path, settings: Settings) -> None:
    other = file.with_name("killed.zip")
    variables = os.environ | {"HAJA_DATABASE_URL": settings.database_url}
    done = subprocess.run([sys.executable, "-c", KILLED, "backup", str(other)], env=variables, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not other.exists()
    assert list(file.parent.glob("killed.zip.*.part"))
