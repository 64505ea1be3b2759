"""Backups that somebody made for harm: refused in words, nothing restored, in little memory."""

import json
import os
import random
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.maintenance.backup_file import MOST_ROW_BYTES, MOST_ROW_VALUES, BackupError, BackupWriter
from app.maintenance.backup_reader import MOST_LIST_BYTES, BackupReader
from tests.app.maintenance.conftest import Parts, Site
from tests.postgresql import PostgresServer
from tests.rest import execute, row_counts

Run = Callable[..., tuple[int, str, str]]

NOWHERE = "0199c2a5-aaaa-7cc3-9d0e-5d2f0a1b2c3d"


def _refused(haja: Run, file: Path, target: Settings, reason: str) -> None:
    """It says this, or something that begins so, and nothing is restored."""
    code, _, err = haja("restore", file)
    assert code == 1
    assert err.startswith(f"{file} is damaged, cut off, or no backup of Haja ({reason}")
    assert err.endswith("), so nothing was restored: take another copy of it.\n")
    assert not any(row_counts(target).values())


VALUES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a role that there is not": (
        "api_keys",
        {"role": "superadmin"},
        "table api_keys, role: Input should be 'inspector', 'curator' or 'admin'",
    ),
    "a role in a catalog that there is not": (
        "api_key_grants",
        {"role": "superadmin"},
        "table api_key_grants, role: Input should be 'inspector', 'curator' or 'admin'",
    ),
    "a catalog that is a path": (
        "catalogs",
        {"name": "../x"},
        "table catalogs, name: String should match pattern '^[a-z0-9][a-z0-9_-]{0,62}$'",
    ),
    "a catalog whose name has a second line": (
        "catalogs",
        {"name": "default\n"},
        "table catalogs, name: String should match pattern '^[a-z0-9][a-z0-9_-]{0,62}$'",
    ),
    "a text that is too long": (
        "defect_classes",
        {"name": "x" * 101},
        "table defect_classes, name: String should have at most 100 characters",
    ),
    "a number in the place of a text": (
        "defect_classes",
        {"name": 7},
        "table defect_classes, name: Input should be a valid string",
    ),
    "a text in the place of a number": (
        "catalogs",
        {"version": "7"},
        "table catalogs, version: Input should be a valid integer",
    ),
    "a number that no database holds": (
        "catalogs",
        {"version": 2**63},
        "table catalogs, version: Input should be less than 2147483648",
    ),
    "nothing where something must be": (
        "catalogs",
        {"name": None},
        "table catalogs, name: Input should be a valid string",
    ),
    "a severity that there is not": (
        "defect_classes",
        {"severity": "deadly"},
        "table defect_classes, severity: Input should be 'low', 'medium', 'high' or 'critical'",
    ),
    "a threshold beyond every similarity": (
        "defect_classes",
        {"threshold": 2.0},
        "table defect_classes, threshold: Input should be less than or equal to 1",
    ),
    "a threshold that is no number": (
        "defect_classes",
        {"threshold": float("nan")},
        "table defect_classes, threshold: Input should be less than or equal to 1",
    ),
    "a time without a zone": (
        "catalogs",
        {"created_at": "2026-11-28T00:00:00"},
        "table catalogs, created_at: Input should have timezone info",
    ),
    "a time that a zone carries out of what there is": (
        "catalogs",
        {"created_at": "0001-01-01T00:00:00+14:00"},
        "table catalogs, created_at: Input should be greater than 0002-01-01T00:00:00Z",
    ),
    "an id that is none": (
        "catalogs",
        {"id": "1; DROP TABLE catalogs"},
        "table catalogs, id: Input should be a valid UUID, invalid character: found `;` at 1",
    ),
    "an embedding that is none": (
        "embeddings",
        {"vector": "AAAA"},
        "table embeddings, vector: Value error, it is no vector of float32",
    ),
    "a prototype that is none": (
        "prototypes",
        {"embedding_sum": "AAAA"},
        "table prototypes, embedding_sum: Value error, it is no vector of float64",
    ),
    "bytes that are none": (
        "embeddings",
        {"vector": "A"},
        "table embeddings, vector: Base64 decoding error: ",
    ),
    "an answer without a class": (
        "classifications",
        {"predictions": []},
        "table classifications, predictions: List should have at least 1 item after validation, not 0",
    ),
    "an answer that is none": (
        "classifications",
        {"predictions": [{}]},
        "table classifications, predictions.0.defect_class: Field required",
    ),
    "parameters of a job that are none": (
        "jobs",
        {"parameters": {}},
        "table jobs, parameters.BatchParameters.top_k: Field required",
    ),
    "a kind of job that there is not": (
        "jobs",
        {"kind": "delete"},
        "table jobs, kind: Input should be 'classify' or 'reembed'",
    ),
    "a deed that there is not": (
        "audit_entries",
        {"action": "nothing"},
        "table audit_entries, action: Input should be ",
    ),
    "a photo that is a page": (
        "photos",
        {"media_type": "text/html"},
        "table photos, media_type: String should match pattern '^image/(jpeg|png|webp|heif)$'",
    ),
    "a photo of another name": (
        "photos",
        {"sha256": "../../etc/passwd"},
        "table photos, sha256: String should match pattern '^[0-9a-f]{64}$'",
    ),
    "a photo of another size": ("photos", {"byte_size": 1}, "photo "),
    "a column more": (
        "catalogs",
        {"owner\x1b[2J": "me"},
        "table catalogs, owner\\x1b[2J: Extra inputs are not permitted",
    ),
    "a class of a catalog that is not there": (
        "defect_classes",
        {"catalog_id": NOWHERE},
        "table defect_classes, FOREIGN KEY constraint failed",
    ),
    "a grant of a key that is not there": (
        "api_key_grants",
        {"api_key_id": NOWHERE},
        "table api_key_grants, FOREIGN KEY constraint failed",
    ),
    "an example of a photo that is not there": (
        "support_photos",
        {"photo_sha256": "0" * 64},
        "table support_photos, FOREIGN KEY constraint failed",
    ),
}
"""What is crafted: the table, columns of its first row, and what is said of it (or how that begins)."""


@pytest.mark.parametrize("crafted", VALUES)
def test_a_value_that_no_site_has(haja: Run, parts: Parts, target: Settings, tmp_path: Path, crafted: str) -> None:
    table, values, reason = VALUES[crafted]
    parts.change(table, **values)
    parts.write(tmp_path / "crafted.zip")
    _refused(haja, tmp_path / "crafted.zip", target, reason)


def _table(name: str) -> Callable[[Parts], None]:
    def add(parts: Parts) -> None:
        parts.set_rows(name, [{"id": NOWHERE}])

    return add


def _table_lost(parts: Parts) -> None:
    del parts.manifest["tables"]["api_keys"]
    del parts.entries["tables/api_keys.jsonl"]


def _twice(parts: Parts) -> None:
    first = parts.rows("catalogs")[0]
    parts.set_rows("catalogs", [first, first])


def _photo_lost(parts: Parts) -> None:
    lost = parts.manifest["photos"].pop()
    del parts.entries[f"photos/{lost}"]


def _photo_not_listed(parts: Parts) -> None:
    del parts.entries[f"photos/{parts.manifest['photos'][0]}"]


def _photo_of_other_bytes(parts: Parts) -> None:
    name = f"photos/{parts.manifest['photos'][0]}"
    parts.entries[name] = bytes(reversed(parts.entries[name]))


def _photo_of_nobody(parts: Parts) -> None:
    parts.entries[f"photos/{'0' * 64}"] = b""
    parts.manifest["photos"].append("0" * 64)


def _manifest(**values: Any) -> Callable[[Parts], None]:
    return lambda parts: parts.manifest.update(values)


def _lines(table: str, data: bytes) -> Callable[[Parts], None]:
    return lambda parts: parts.set_lines(table, data)


STRUCTURE: dict[str, tuple[Callable[[Parts], None], str]] = {
    "a table of the schema": (
        _table("alembic_version"),
        "it holds a table 'alembic_version', which is not part of a site",
    ),
    "the bytes of photos as a table": (_table("blobs"), "it holds a table 'blobs', which is not part of a site"),
    "a table of the database's own": (
        _table("sqlite_master"),
        "it holds a table 'sqlite_master', which is not part of a site",
    ),
    "a table that is a path": (_table("../x"), "it holds a table '../x', which is not part of a site"),
    "a table less": (_table_lost, "it lacks table api_keys"),
    "a column less": (
        lambda parts: parts.manifest["tables"]["api_keys"]["columns"].pop("revoked_at"),
        "table api_keys has not the columns of schema ",
    ),
    "a column of another kind": (
        lambda parts: parts.manifest["tables"]["api_keys"]["columns"].update(role="json"),
        "table api_keys has not the columns of schema ",
    ),
    "a kind that there is not": (
        lambda parts: parts.manifest["tables"]["api_keys"]["columns"].update(role="code"),
        "1 validation error for Manifest",
    ),
    "a row twice": (_twice, "table catalogs, UNIQUE constraint failed: catalogs."),
    "rows that are not counted": (
        lambda parts: parts.manifest["tables"]["catalogs"].update(rows=7),
        "table catalogs",
    ),
    "fewer than no rows": (
        lambda parts: parts.manifest["tables"]["catalogs"].update(rows=-1),
        "1 validation error for Manifest",
    ),
    "another version of the format": (_manifest(format=0), "1 validation error for Manifest"),
    "no photos": (_manifest(photos=None), "1 validation error for Manifest"),
    "a photo that is a path": (_manifest(photos=["../../x"]), "1 validation error for Manifest"),
    "a photo that is twice": (
        lambda parts: parts.manifest["photos"].append(parts.manifest["photos"][0]),
        "something is there twice",
    ),
    "a photo that is lost without a word": (_photo_lost, "it lacks photo "),
    "a photo that is not there": (_photo_not_listed, "it lacks 'photos/"),
    "a photo of other bytes": (_photo_of_other_bytes, "photo "),
    "a photo that no table names": (_photo_of_nobody, "it holds photos that no table names"),
    "a photo that is lost and that no table names": (
        _manifest(missing_photos=["0" * 64]),
        "it holds photos that no table names",
    ),
    "lines that are no JSON": (_lines("catalogs", b"{\n"), "table catalogs, Invalid JSON: EOF while parsing an object"),
    "a list in the place of a row": (_lines("catalogs", b"[]\n"), "table catalogs, Input should be an object"),
    "lists in lists": (
        _lines("catalogs", b"[" * 90_000 + b"\n"),
        "table catalogs, Invalid JSON: recursion limit exceeded",
    ),
    "text that is no UTF-8": (_lines("catalogs", b'{"id": "\xff"}\n'), "table catalogs, Invalid JSON: "),
    "half a character": (_lines("catalogs", b'{"id": "\\ud800"}\n'), "table catalogs, Invalid JSON: "),
    "more values than a row has": (
        _lines("catalogs", b",".join(b"%d" % (number * 7919 % 99991) for number in range(MOST_ROW_VALUES + 1)) + b"\n"),
        "row 1 of table catalogs is too large",
    ),
    "more values than the table of contents has": (
        _manifest(photos=[[]] * 2 * MOST_ROW_VALUES),
        "manifest.json holds too many values",
    ),
    "a file more": (
        lambda parts: parts.entries.update({"../../.ssh/authorized_keys": b"me"}),
        "it holds '../../.ssh/authorized_keys', which is not part of a backup",
    ),
    "a file of an absolute name": (
        lambda parts: parts.entries.update({"/etc/cron.d/x\x1b[2J": b"me"}),
        "it holds '/etc/cron.d/x\\x1b[2J', which is not part of a backup",
    ),
    "a folder": (
        lambda parts: parts.entries.update({"photos/": b""}),
        "it holds 'photos/', which is not part of a backup",
    ),
    "no table of contents": (
        lambda parts: parts.manifest.clear(),
        "There is no item named 'manifest.json' in the archive",
    ),
}
"""What is crafted, how, and what is said of it (or how that begins)."""


@pytest.mark.parametrize("crafted", STRUCTURE)
def test_a_structure_that_no_backup_has(
    haja: Run, parts: Parts, target: Settings, tmp_path: Path, crafted: str
) -> None:
    change, reason = STRUCTURE[crafted]
    change(parts)
    parts.write(tmp_path / "crafted.zip")
    _refused(haja, tmp_path / "crafted.zip", target, reason)


def test_a_version_that_is_none(haja: Run, parts: Parts, target: Settings, tmp_path: Path) -> None:
    parts.manifest["schema_revision"] = "head\x1b[2J\nhaja"
    parts.write(tmp_path / "crafted.zip")
    code, _, err = haja("restore", tmp_path / "crafted.zip")
    assert code == 1
    assert err.startswith("The backup was made by a newer version of Haja (schema head\\x1b[2J; this one knows up to ")
    assert not any(row_counts(target).values())


class TestArchive:
    """What a zip archive can do beyond holding files."""

    def test_an_entry_twice(self, haja: Run, parts: Parts, target: Settings, tmp_path: Path) -> None:
        def again(archive: zipfile.ZipFile) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr("tables/catalogs.jsonl", b"")

        parts.write(tmp_path / "crafted.zip", again)
        _refused(haja, tmp_path / "crafted.zip", target, "something is there twice")

    def test_a_link(self, haja: Run, parts: Parts, target: Settings, tmp_path: Path) -> None:
        name = f"photos/{parts.manifest['photos'][0]}"
        data = parts.entries.pop(name)

        def link(archive: zipfile.ZipFile) -> None:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, data)

        parts.write(tmp_path / "crafted.zip", link)
        _refused(haja, tmp_path / "crafted.zip", target, f"'{name}' is no ordinary file")

    @pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
    def test_a_table_that_is_packed_in_another_way(
        self, haja: Run, parts: Parts, target: Settings, tmp_path: Path, packing: int
    ) -> None:
        data = parts.entries.pop("tables/catalogs.jsonl")
        parts.write(tmp_path / "crafted.zip", lambda archive: archive.writestr("tables/catalogs.jsonl", data, packing))
        _refused(
            haja, tmp_path / "crafted.zip", target, "'tables/catalogs.jsonl' is packed in another way than Haja does"
        )

    def test_a_photo_that_is_packed(self, haja: Run, parts: Parts, target: Settings, tmp_path: Path) -> None:
        name = f"photos/{parts.manifest['photos'][0]}"
        data = parts.entries.pop(name)
        parts.write(tmp_path / "crafted.zip", lambda archive: archive.writestr(name, data, zipfile.ZIP_DEFLATED))
        _refused(haja, tmp_path / "crafted.zip", target, f"{name} is packed")

    def test_a_bomb(self, haja: Run, parts: Parts, target: Settings, tmp_path: Path) -> None:
        parts.set_lines("catalogs", bytes(10_000_000))
        parts.write(tmp_path / "crafted.zip")
        _refused(haja, tmp_path / "crafted.zip", target, "'tables/catalogs.jsonl' would become 10000000 bytes")

    def test_an_entry_that_wants_a_password(self, haja: Run, parts: Parts, target: Settings, tmp_path: Path) -> None:
        parts.write(tmp_path / "crafted.zip")
        data = bytearray((tmp_path / "crafted.zip").read_bytes())
        place = data.rindex(b"PK\x01\x02", 0, data.rindex(b"manifest.json"))
        data[place + 8] |= 1
        (tmp_path / "crafted.zip").write_bytes(data)
        _refused(
            haja,
            tmp_path / "crafted.zip",
            target,
            "File 'manifest.json' is encrypted, password required for extraction",
        )

    def test_a_list_of_entries_of_three_gigabytes(self, haja: Run, target: Settings, tmp_path: Path) -> None:
        """The end of an archive that says so, in a file that takes no room: nothing of it is read."""
        end = b"PK\x05\x06" + bytes(4) + b"\x01\x00" * 2 + (3 * 10**9).to_bytes(4, "little") + bytes(6)
        with (tmp_path / "crafted.zip").open("wb") as file:
            file.truncate(3 * 10**9)
            file.seek(0, os.SEEK_END)
            file.write(end)
        assert (tmp_path / "crafted.zip").stat().st_blocks * 512 < MOST_LIST_BYTES
        _refused(haja, tmp_path / "crafted.zip", target, "its list of entries is too large")

    def test_whatever_bytes_change_it_is_read_or_refused(self, site: Site, tmp_path: Path) -> None:
        """The headers of all entries and their list, where every number can be a place or a size."""
        data = site.file.read_bytes()
        with zipfile.ZipFile(site.file) as archive:
            starts = [entry.header_offset for entry in archive.infolist()]
            end = archive.start_dir
        places = [place for start in starts for place in range(start, start + 30)] + list(range(end, len(data)))
        chance = random.Random(20)  # noqa: S311
        refused = 0
        for _ in range(400):
            changed = bytearray(data)
            for place in chance.sample(places, chance.randint(1, 4)):
                changed[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            (tmp_path / "changed.zip").write_bytes(changed)
            try:
                with BackupReader(tmp_path / "changed.zip") as reader:
                    for name in reader.manifest.tables:
                        assert all(reader.rows(name))
                    assert all(map(reader.photo, reader.manifest.photos))
            except BackupError as error:
                assert "so nothing was restored" in str(error)  # noqa: PT017 - either is right
                refused += 1
        assert refused > 100


@pytest.mark.parametrize(
    ("table", "values", "reason"),
    [
        ("defect_classes", {"catalog_id": NOWHERE}, "table defect_classes, insert or update on table"),
        ("defect_classes", {"description": "a\0b"}, "table defect_classes, PostgreSQL text fields cannot contain NUL"),
    ],
)
def test_what_postgresql_refuses(
    haja: Run,
    parts: Parts,
    postgresql: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    table: str,
    values: dict[str, Any],
    reason: str,
) -> None:
    name = postgresql.create(migrated=True)
    try:
        monkeypatch.setenv("HAJA_DATABASE_URL", postgresql.url(name))
        parts.change(table, **values)
        parts.write(tmp_path / "crafted.zip")
        code, _, err = haja("restore", tmp_path / "crafted.zip")
        assert code == 1
        assert f"no backup of Haja ({reason}" in err
        assert execute(postgresql.url(name), "SELECT count(*) FROM catalogs") == [(0,)]
    finally:
        postgresql.drop(name)


MEASURED = """
import sys
from app.commands.main import main
try:
    main()
finally:
    print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1], file=sys.stderr)
"""
"""`haja`, which says at its end how many kB of memory it had at most."""


def _peak(file: Path, target: Settings) -> tuple[str, float]:
    """What a process that restores the file says, and the most memory that it had, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "restore", str(file)],
        env=os.environ | {"HAJA_DATABASE_URL": target.database_url, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr, int(done.stderr.split()[-1]) / 1024


ROOM = 150
"""MiB that a refusal may take beyond what the command itself has."""

MEBIBYTE = b" " * (2**20 - 6_000)
"""With 6,000 bytes of chance before it, 180 times smaller when it is packed: no bomb by its size."""


@pytest.mark.parametrize("mebibytes", [64, pytest.param(3_000, marks=pytest.mark.long)])
def test_a_row_without_end_takes_little_memory(parts: Parts, target: Settings, tmp_path: Path, mebibytes: int) -> None:
    parts.entries.pop("tables/catalogs.jsonl")
    chance = random.Random(11)  # noqa: S311
    size = 0

    def endless(archive: zipfile.ZipFile) -> None:
        nonlocal size
        entry = zipfile.ZipInfo("tables/catalogs.jsonl")
        entry.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(entry, "w", force_zip64=True) as stream:
            for _ in range(mebibytes):
                size += stream.write(chance.randbytes(6_000).replace(b"\n", b" ") + MEBIBYTE)

    parts.write(tmp_path / "endless.zip", endless)
    assert size == mebibytes * 2**20
    (tmp_path / "short.zip").write_bytes(b"no backup")
    _, least = _peak(tmp_path / "short.zip", target)
    said, most = _peak(tmp_path / "endless.zip", target)
    assert "row 1 of table catalogs is too large" in said
    assert "nothing was restored" in said
    print(f"\n{least:.0f} MiB to refuse a short file, {most:.0f} MiB a row of {mebibytes} MiB")  # noqa: T201
    assert most - least < ROOM
    assert not any(row_counts(target).values())


def test_the_largest_row_that_is_read_takes_little_memory(parts: Parts, target: Settings, tmp_path: Path) -> None:
    """Small values in a large row: read, they take many times its bytes."""
    values = b",".join([b"[]"] * (MOST_ROW_VALUES // 2 - 10))
    row = b'{"detail": {"a": [' + values + b'], "b": "' + b"x" * (MOST_ROW_BYTES - len(values) - 100) + b'"}}\n'
    assert len(row) < MOST_ROW_BYTES
    parts.set_lines("audit_entries", row)
    parts.entries["tables/audit_entries.jsonl"] = row
    name = "tables/audit_entries.jsonl"
    data = parts.entries.pop(name)
    parts.write(tmp_path / "large.zip", lambda archive: archive.writestr(name, data, zipfile.ZIP_STORED))
    (tmp_path / "short.zip").write_bytes(b"no backup")
    _, least = _peak(tmp_path / "short.zip", target)
    said, most = _peak(tmp_path / "large.zip", target)
    assert "table audit_entries, id: Field required" in said
    print(f"\n{least:.0f} MiB to refuse a short file, {most:.0f} MiB the largest row")  # noqa: T201
    assert most - least < ROOM
    assert not any(row_counts(target).values())


def test_no_row_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    with BackupWriter(tmp_path / "site.zip") as writer, writer.table("classifications", {"id": "uuid"}) as add:
        add([json.dumps([0] * (MOST_ROW_VALUES - 10)).encode()])
        for row in (b"x" * MOST_ROW_BYTES, b"," * MOST_ROW_VALUES):
            with pytest.raises(BackupError, match="A row of classifications is larger than a backup can hold"):
                add([row])
