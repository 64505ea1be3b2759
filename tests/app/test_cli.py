"""The command `haja`, called as a person calls it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from models.backbones import Backbone
from tests.drawn import photo, photos

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a database that does not exist yet; the settings name it."""
    path = tmp_path / "haja.db"
    monkeypatch.setenv("HAJA_DATABASE_URL", f"sqlite:///{path}")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, haja: Run, backbone: Backbone) -> Run:
    """`haja` with the backbone that is loaded already."""
    monkeypatch.setattr("app.embedding.opening.load_backbone", lambda *_: backbone)
    monkeypatch.setattr("app.cli.logs.configure", lambda _level: None)  # pytest's own capture stays in place
    return haja


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of three photos, and one file of `rust` that is broken."""
    for kind in ("crack", "rust", "brick"):
        (tmp_path / "site" / kind).mkdir(parents=True)
        for number, data in enumerate(photos(kind, range(3))):
            (tmp_path / "site" / kind / f"{number}.jpg").write_bytes(data)
    (tmp_path / "site" / "rust" / "broken[1].jpg").write_bytes(photo("rust", 3)[:1000])
    (tmp_path / "site" / "rust" / ".hidden").write_bytes(b"")
    (tmp_path / "site" / "empty").mkdir()
    (tmp_path / "site" / "notes.txt").write_text("not a folder", encoding="utf-8")
    return tmp_path / "site"


def _rows(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def test_migrate_makes_the_schema(run: Run, database: Path) -> None:
    code, out, _ = run("migrate")
    assert (code, out) == (0, "The database has the schema of this version.\n")
    assert _rows(database, "photos") == 0
    assert run("migrate")[0] == 0


def test_import_registers_folders_and_names_each_refused_file(run: Run, database: Path, folder: Path) -> None:
    code, out, _ = run("import", folder)
    assert code == 0
    refused = [line for line in out.splitlines() if line.startswith("refused")]
    assert len(refused) == 1
    assert refused[0].startswith("refused rust/broken[1].jpg: The photo is damaged")
    assert "9 photos are new in the catalog 'default'." in out
    assert (_rows(database, "defect_classes"), _rows(database, "support_photos")) == (3, 9)


def test_import_again_adds_what_is_new(run: Run, database: Path, folder: Path) -> None:
    run("import", folder)
    (folder / "crack" / "new.jpg").write_bytes(photo("crack", 9))
    code, out, _ = run("import", folder)
    assert code == 0
    assert "1 photos are new" in out
    assert (_rows(database, "defect_classes"), _rows(database, "support_photos")) == (3, 10)


def test_import_takes_more_photos_than_one_request(run: Run, database: Path, tmp_path: Path) -> None:
    (tmp_path / "many" / "crack").mkdir(parents=True)
    for number in range(53):
        (tmp_path / "many" / "crack" / f"{number:02}.jpg").write_bytes(photo("crack", number))
    code, out, _ = run("import", tmp_path / "many")
    assert code == 0
    assert "53 photos are new" in out
    assert (_rows(database, "defect_classes"), _rows(database, "support_photos")) == (1, 53)


def test_import_without_folders_or_catalog_says_what_is_missing(
    run: Run, database: Path, tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "bare").mkdir()
    code, _, err = run("import", tmp_path / "bare")
    assert code == 1
    assert "one folder per defect class" in err
    assert run("import", tmp_path / "nowhere")[0] == 2
    code, _, err = run("import", folder, "--catalog", "nowhere")
    assert code == 1
    assert "There is no catalog named 'nowhere'" in err
    assert _rows(database, "photos") == 0


def test_classify_prints_a_table_and_keeps_the_answers(run: Run, database: Path, folder: Path, tmp_path: Path) -> None:
    run("import", folder)
    query, text = tmp_path / "query.jpg", tmp_path / "text.jpg"
    query.write_bytes(photo("rust", 9))
    text.write_text("no photo", encoding="utf-8")
    code, out, _ = run("classify", query, "--top-k", 2)
    assert code == 0
    line = next(line for line in out.splitlines() if "query.jpg" in line)
    assert "rust" in line.split("│")[3]
    assert "%" in line
    # A file that is no photo does not keep the others out, and the exit code tells of it.
    code, out, _ = run("classify", text, query)
    assert code == 1
    assert "This is no photo that Haja reads" in out
    assert any("query.jpg" in line and "rust" in line for line in out.splitlines())
    assert _rows(database, "classifications") == 2
    assert run("classify", tmp_path / "nowhere.jpg")[0] == 2


@pytest.mark.usefixtures("database")
def test_names_with_brackets_are_shown_as_they_are(run: Run, tmp_path: Path) -> None:
    for name, kind in (("[red]crack[/red]", "crack"), ("rust[/]", "rust")):
        (tmp_path / "classes" / name.replace("/", "|")).mkdir(parents=True)
        for seed in range(3):
            (tmp_path / "classes" / name.replace("/", "|") / f"{seed}.jpg").write_bytes(photo(kind, seed))
    assert run("import", tmp_path / "classes")[0] == 0
    query = tmp_path / "[bold]query.jpg"
    query.write_bytes(photo("crack", 9))
    code, out, _ = run("classify", query)
    assert code == 0
    shown = "".join(character for character in out if character not in "│ \n")
    assert "[red]crack[|red]" in shown
    assert "[bold]query.jpg" in shown


def test_classify_in_an_empty_catalog_says_what_to_do(run: Run, database: Path, tmp_path: Path) -> None:
    (tmp_path / "query.jpg").write_bytes(photo())
    code, _, err = run("classify", tmp_path / "query.jpg")
    assert code == 1
    assert "register one with five photos" in err
    assert _rows(database, "photos") == 0


Answered = tuple[str, sqlite3.Connection]


class TestReplay:
    @pytest.fixture
    def answered(self, run: Run, database: Path, folder: Path, tmp_path: Path) -> Iterator[Answered]:
        """The id of an answer, and a connection to its database."""
        run("import", folder)
        (tmp_path / "query.jpg").write_bytes(photo("rust", 9))
        run("classify", tmp_path / "query.jpg")
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            yield connection.execute("SELECT id FROM classifications").fetchone()[0], connection

    def test_the_same_answer_is_exit_code_0(self, run: Run, answered: Answered) -> None:
        code, out, err = run("replay", answered[0])
        assert code == 0, err
        (line,) = (line for line in out.splitlines() if "rust" in line)
        _, name, similarity, again, probability, chance, _ = (cell.strip() for cell in line.split("│"))
        assert (name, similarity, probability) == ("rust", again, chance)
        assert "The same answer; probabilities differ by at most 0.0e+00." in out

    def test_another_answer_says_what_differs(self, run: Run, answered: Answered) -> None:
        answer, connection = answered
        changed = "json_set(predictions, '$[0].probability', 0.25, '$[1].defect_class.name', '[red]')"
        connection.execute(f"UPDATE classifications SET predictions = {changed}, unknown = 1")  # noqa: S608
        code, out, _ = run("replay", answer)
        assert code == 1
        assert "Another answer:\n" in out
        assert "│ [red] " in out
        assert "classes: rust, " in out
        assert "probability of 'rust': 0.250000 answered, 0.99" in out
        assert "unknown: True answered, False again.\n" in out
        assert not out.endswith("\n\n")

    def test_an_answer_that_is_too_old_says_so(self, run: Run, answered: Answered) -> None:
        answer, connection = answered
        connection.execute("UPDATE catalogs SET recorded_from = 9, version = 9")
        assert run("replay", answer)[0] == 0
        connection.execute("UPDATE classifications SET threshold = 0.1")
        code, out, _ = run("replay", answer)
        assert code == 1
        assert "The answer is of version 4 of its catalog, whose past is kept from version 9 on" in out

    def test_a_catalog_that_has_moved_on_to_another_backbone_does_not_hinder(
        self, run: Run, answered: Answered
    ) -> None:
        answer, connection = answered
        connection.execute("UPDATE prototypes SET backbone_id = 'other@12345678'")
        assert run("replay", answer)[0] == 0
        connection.execute("UPDATE classifications SET backbone_id = 'other@12345678'")
        code, _, err = run("replay", answer)
        assert code == 1
        assert "set HAJA_BACKBONE to other, or" in err

    def test_an_id_that_is_none_or_of_nothing(self, run: Run, database: Path) -> None:
        assert run("replay", "rust")[0] == 2
        code, _, err = run("replay", "0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d")
        assert code == 1
        assert err.startswith("There is no classification with this id.")
        assert database.exists()


class TestCheck:
    @pytest.fixture
    def sound(self, run: Run, database: Path, folder: Path) -> Iterator[sqlite3.Connection]:
        run("import", folder)
        code, out, _ = run("check")
        assert (code, out) == (0, "Database, photos and prototypes agree.\n")
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            yield connection

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("UPDATE prototypes SET embedding_sum = zeroblob(length(embedding_sum))", "prototype is not the mean"),
            ("UPDATE prototypes SET embedding_sum = x'00'", "class 'rust': its prototype is not the mean"),
            ("UPDATE prototypes SET shots = 4", "class 'rust': 3 photos, 3 embeddings, 4 shots"),
            ("DELETE FROM prototypes", "class 'rust': it has support photos and no prototype"),
        ],
    )
    def test_a_damaged_prototype_is_named(
        self, run: Run, sound: sqlite3.Connection, damage: str, sentence: str
    ) -> None:
        rust = "defect_class_id = (SELECT id FROM defect_classes WHERE name = 'rust')"
        assert sound.execute(f"{damage} WHERE {rust}").rowcount == 1
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out
        assert "'crack'" not in out

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("DELETE FROM embeddings", "class 'rust': 3 photos, 2 embeddings, 3 shots"),
            ("UPDATE embeddings SET vector = x'00112233'", "class 'rust': its prototype is not the mean"),
        ],
    )
    def test_a_damaged_embedding_is_named(
        self, run: Run, sound: sqlite3.Connection, damage: str, sentence: str
    ) -> None:
        rust = "SELECT id FROM defect_classes WHERE name = 'rust'"
        photo = f"SELECT photo_sha256 FROM support_photos WHERE defect_class_id = ({rust}) LIMIT 1"  # noqa: S608
        assert sound.execute(f"{damage} WHERE photo_sha256 = ({photo})").rowcount == 1
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("UPDATE blobs SET bytes = x'00' WHERE rowid = (SELECT min(rowid) FROM blobs)", "its bytes have changed"),
            ("DELETE FROM blobs WHERE rowid = (SELECT min(rowid) FROM blobs)", "its bytes are missing"),
            ("INSERT INTO blobs VALUES (printf('%064d', 7), x'00')", f"blob {7:064}: no photo owns it"),
            ("DELETE FROM photos WHERE rowid = (SELECT min(rowid) FROM photos)", "points at a missing row of photos"),
        ],
    )
    def test_a_damaged_photo_is_named(self, run: Run, sound: sqlite3.Connection, damage: str, sentence: str) -> None:
        assert sound.execute(damage).rowcount == 1
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("UPDATE past_support_photos SET removed_in = added_in", ": from 2 to 2, catalog at 5"),
            ("UPDATE past_support_photos SET removed_in = 6", ": from 2 to 6, catalog at 5"),
            ("UPDATE past_support_photos SET vector = substr(vector, 1, 2560)", "its embedding is damaged"),
            ("UPDATE past_support_photos SET vector = x'001122'", "its embedding is damaged"),
            ("UPDATE past_defect_classes SET until = 6", "changed in a version that its catalog has not reached"),
            (
                "UPDATE support_photos SET added_in = 6 WHERE id = (SELECT min(id) FROM support_photos)",
                "added in a version that its catalog has not reached",
            ),
        ],
    )
    def test_a_damaged_past_is_named(self, run: Run, sound: sqlite3.Connection, damage: str, sentence: str) -> None:
        """As if the first support photo had been removed and the first class renamed, in version 5."""
        sound.execute("UPDATE catalogs SET version = 5")
        sound.execute(
            "INSERT INTO past_support_photos (support_photo_id, backbone_id, catalog_id, defect_class_id, "
            "photo_sha256, vector, added_in, removed_in) "
            "SELECT printf('%032d', 7), backbone_id, catalog_id, defect_class_id, photo_sha256, vector, 2, 5 "
            "FROM support_photos JOIN embeddings USING (photo_sha256) "
            "JOIN defect_classes ON defect_classes.id = defect_class_id LIMIT 1"
        )
        sound.execute(
            "INSERT INTO past_defect_classes (defect_class_id, until, catalog_id, name, title_ko, title_en) "
            "SELECT id, 5, catalog_id, 'old', '', '' FROM defect_classes LIMIT 1"
        )
        code, out, err = run("check")
        assert (code, out) == (0, "Database, photos and prototypes agree.\n"), err
        assert sound.execute(damage).rowcount == 1
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out

    def test_a_prototype_of_photos_that_are_all_gone_is_named(self, run: Run, sound: sqlite3.Connection) -> None:
        """As many shots as photos and embeddings, namely none; and yet it would be recognised."""
        sound.execute("PRAGMA foreign_keys = ON")
        rust = "(SELECT id FROM defect_classes WHERE name = 'rust')"
        sound.execute(f"DELETE FROM support_photos WHERE defect_class_id = {rust}")  # noqa: S608
        sound.execute(f"UPDATE prototypes SET shots = 0 WHERE defect_class_id = {rust}")  # noqa: S608
        code, out, _ = run("check")
        assert code == 1
        assert "class 'rust'" in out

    def test_a_damaged_file_is_no_traceback(self, run: Run, sound: sqlite3.Connection, database: Path) -> None:
        sound.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sound.close()
        with database.open("r+b") as file:
            file.seek(3 * 16_384)
            file.write(b"\xff" * 16_384)
        code, out, err = run("check")
        assert code == 1
        assert out or err


def test_settings_that_do_not_fit_are_a_sentence_and_exit_code_2(
    run: Run, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAJA_PORT", "99999")
    code, out, err = run("check")
    assert (code, out) == (2, "")
    assert err.startswith("HAJA_PORT: ")
    monkeypatch.delenv("HAJA_PORT")
    monkeypatch.setenv("HAJA_DATABASE_URL", "mysql://host/haja")
    code, _, err = run("migrate")
    assert code == 2
    assert "HAJA_DATABASE_URL: the database must be sqlite or postgresql, not mysql" in err
    assert not database.exists()


def test_serve_refuses_an_open_address_that_nobody_asked_for_twice(
    run: Run, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAJA_HOST", "0.0.0.0")  # noqa: S104
    for arguments in (("serve",), ("serve", "--host", "0.0.0.0")):  # noqa: S104
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert "HAJA_ALLOW_UNAUTHENTICATED=true" in err
        monkeypatch.delenv("HAJA_HOST", raising=False)
    assert not database.exists()


def test_a_database_that_does_not_fit_is_a_sentence(run: Run, database: Path, migrated: Path) -> None:
    shutil.copy(migrated, database)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in ("check", "serve"):
        code, _, err = run(command)
        assert code == 1
        assert "newer version of Haja" in err


def test_migrating_a_newer_or_foreign_database_is_a_sentence(run: Run, database: Path, migrated: Path) -> None:
    shutil.copy(migrated, database)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    code, _, err = run("migrate")
    assert code == 1
    assert "newer version of Haja" in err
    database.unlink()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    code, _, err = run("migrate")
    assert code == 1
    assert "not Haja's" in err
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]


def test_prototypes_of_another_backbone_are_refused(run: Run, database: Path, folder: Path, tmp_path: Path) -> None:
    run("import", folder)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE prototypes SET backbone_id = 'other@12345678'")
    (tmp_path / "query.jpg").write_bytes(photo())
    code, _, err = run("classify", tmp_path / "query.jpg")
    assert code == 1
    assert "other@12345678" in err
    assert "HAJA_BACKBONE" in err
