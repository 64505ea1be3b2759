"""The command `haja`, called as a person calls it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, update

from app.inspections.tables import Classification
from app.storage import schema
from tests.app.commands.conftest import Run
from tests.drawn import photo, photos
from tests.rest import execute


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


def _rows(database: str, table: str) -> int:
    ((count,),) = execute(database, f"SELECT count(*) FROM {table}")  # noqa: S608
    return int(count)


def _tables(database: str) -> list[str]:
    engine = schema.sync_engine(database)
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def test_migrate_makes_the_schema(run: Run, database: str) -> None:
    code, out, _ = run("migrate")
    assert (code, out) == (0, "The database has the schema of this version.\n")
    assert _rows(database, "photos") == 0
    assert run("migrate")[0] == 0


def test_import_registers_folders_and_names_each_refused_file(run: Run, database: str, folder: Path) -> None:
    code, out, _ = run("import", folder)
    assert code == 1
    refused = [line for line in out.splitlines() if line.startswith("refused")]
    assert len(refused) == 1
    assert refused[0].startswith("refused rust/broken[1].jpg: The photo is damaged")
    assert "9 photos are new in the catalog 'default'." in out
    assert (_rows(database, "defect_classes"), _rows(database, "support_photos")) == (3, 9)


def test_import_goes_on_after_a_class_of_which_nothing_can_be_used(run: Run, database: str, folder: Path) -> None:
    (folder / "a").mkdir()
    for name in (b"broken\xff.jpg", b"broken.jpg"):  # the first is no UTF-8
        Path(os.fsdecode(os.fsencode(folder / "a") + b"/" + name)).write_bytes(b"no photo")
    code, out, _ = run("import", folder)
    assert code == 1
    assert out.count("refused a/broken.jpg: This is no photo that Haja reads") == 2
    assert (_rows(database, "defect_classes"), _rows(database, "support_photos")) == (3, 9)


def test_import_again_adds_what_is_new(run: Run, database: str, folder: Path) -> None:
    run("import", folder)
    (folder / "crack" / "new.jpg").write_bytes(photo("crack", 9))
    code, out, _ = run("import", folder)
    assert code == 1  # one of them is broken
    assert "9 are examples already" in out
    assert "1 photos are new" in out
    assert (_rows(database, "defect_classes"), _rows(database, "support_photos")) == (3, 10)


def test_import_takes_more_photos_than_one_request(run: Run, database: str, tmp_path: Path) -> None:
    (tmp_path / "many" / "crack").mkdir(parents=True)
    for number in range(53):
        (tmp_path / "many" / "crack" / f"{number:02}.jpg").write_bytes(photo("crack", number))
    code, out, _ = run("import", tmp_path / "many")
    assert code == 0
    assert "53 photos are new" in out
    assert (_rows(database, "defect_classes"), _rows(database, "support_photos")) == (1, 53)


def test_import_without_folders_or_catalog_says_what_is_missing(
    run: Run, database: str, tmp_path: Path, folder: Path
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


def test_classify_prints_a_table_and_keeps_the_answers(run: Run, database: str, folder: Path, tmp_path: Path) -> None:
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


def test_classify_in_an_empty_catalog_says_what_to_do(run: Run, database: str, tmp_path: Path) -> None:
    (tmp_path / "query.jpg").write_bytes(photo())
    code, _, err = run("classify", tmp_path / "query.jpg")
    assert code == 1
    assert "register one with five photos" in err
    assert _rows(database, "photos") == 0


class TestReplay:
    @pytest.fixture
    def answer(self, run: Run, database: str, folder: Path, tmp_path: Path) -> str:
        """The id of an answer."""
        run("import", folder)
        (tmp_path / "query.jpg").write_bytes(photo("rust", 9))
        run("classify", tmp_path / "query.jpg")
        ((made,),) = execute(database, select(Classification.id))
        return str(made)

    def test_the_same_answer_is_exit_code_0(self, run: Run, answer: str) -> None:
        code, out, err = run("replay", answer)
        assert code == 0, err
        (line,) = (line for line in out.splitlines() if "rust" in line)
        _, name, similarity, again, probability, chance, _ = (cell.strip() for cell in line.split("│"))
        assert (name, similarity, probability) == ("rust", again, chance)
        assert "The same answer; probabilities differ by at most 0.0e+00." in out

    def test_another_answer_says_what_differs(self, run: Run, database: str, answer: str) -> None:
        ((predictions,),) = execute(database, select(Classification.predictions))
        predictions[0]["probability"], predictions[1]["defect_class"]["name"] = 0.25, "[red]"
        execute(database, update(Classification).values(predictions=predictions, unknown=True))
        code, out, _ = run("replay", answer)
        assert code == 1
        assert "Another answer:\n" in out
        assert "│ [red] " in out
        assert "classes: rust, " in out
        assert "probability of 'rust': 0.250000 answered, 0.99" in out
        assert "unknown: True answered, False again.\n" in out
        assert not out.endswith("\n\n")

    def test_an_answer_that_is_too_old_says_so(self, run: Run, database: str, answer: str) -> None:
        execute(database, "UPDATE catalogs SET recorded_from = 9, version = 9")
        assert run("replay", answer)[0] == 0
        execute(database, "UPDATE classifications SET threshold = 0.1")
        code, out, _ = run("replay", answer)
        assert code == 1
        assert "The answer is of version 4 of its catalog, whose past is kept from version 9 on" in out

    def test_a_catalog_that_has_moved_on_to_another_backbone_does_not_hinder(
        self, run: Run, database: str, answer: str
    ) -> None:
        execute(database, "UPDATE prototypes SET backbone_id = 'other@12345678'")
        execute(database, "UPDATE catalogs SET backbone_id = 'other@12345678'")
        assert run("replay", answer)[0] == 0
        execute(database, "UPDATE classifications SET backbone_id = 'other@12345678'")
        code, _, err = run("replay", answer)
        assert code == 1
        assert "The network other@12345678 is needed and cannot be loaded here" in err

    def test_an_id_that_is_none_or_of_nothing(self, run: Run, database: str) -> None:
        assert run("replay", "rust")[0] == 2
        code, _, err = run("replay", "0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d")
        assert code == 1
        assert err.startswith("There is no classification with this id.")
        assert "photos" in _tables(database)


class TestCheck:
    @pytest.fixture
    def database(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """The address of a database that has its schema already; the settings name it."""
        monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
        return database_url

    @pytest.fixture
    def sound(self, run: Run, database: str, folder: Path) -> str:
        """The address of a database without a fault."""
        run("import", folder)
        code, out, _ = run("check")
        assert (code, out) == (0, "Database, photos and prototypes agree.\n")
        return database

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("UPDATE prototypes SET embedding_sum = :zeros", "prototype is not the mean"),
            ("UPDATE prototypes SET embedding_sum = :broken", "class 'rust': its prototype is not the mean"),
            ("UPDATE prototypes SET shots = 4", "class 'rust': 3 photos, 3 embeddings, 4 shots"),
            ("DELETE FROM prototypes", "class 'rust': it has support photos and no prototype"),
        ],
    )
    def test_a_damaged_prototype_is_named(self, run: Run, sound: str, damage: str, sentence: str) -> None:
        rust = "defect_class_id = (SELECT id FROM defect_classes WHERE name = 'rust')"
        _change_one(sound, f"{damage} WHERE {rust}")
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out
        assert "'crack'" not in out

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("DELETE FROM embeddings", "class 'rust': 3 photos, 2 embeddings, 3 shots"),
            ("UPDATE embeddings SET vector = :broken", "class 'rust': its prototype is not the mean"),
        ],
    )
    def test_a_damaged_embedding_is_named(self, run: Run, sound: str, damage: str, sentence: str) -> None:
        rust = "SELECT id FROM defect_classes WHERE name = 'rust'"
        photo = f"SELECT photo_sha256 FROM support_photos WHERE defect_class_id = ({rust}) LIMIT 1"  # noqa: S608
        _change_one(sound, f"{damage} WHERE photo_sha256 = ({photo})")
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            (
                "UPDATE blobs SET bytes = :broken WHERE sha256 = (SELECT min(sha256) FROM blobs)",
                "its bytes have changed",
            ),
            ("DELETE FROM blobs WHERE sha256 = (SELECT min(sha256) FROM blobs)", "its bytes are missing"),
            ("INSERT INTO blobs VALUES ('of nothing', :broken)", "blob of nothing: no photo owns it"),
        ],
    )
    def test_a_damaged_photo_is_named(self, run: Run, sound: str, damage: str, sentence: str) -> None:
        _change_one(sound, damage)
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out

    @pytest.mark.only_on("sqlite", "PostgreSQL leaves nobody the choice to disregard foreign keys")
    def test_a_row_that_points_at_nothing_is_named(self, run: Run, sound: str) -> None:
        with closing(sqlite3.connect(_file(sound), isolation_level=None)) as connection:
            connection.execute("DELETE FROM photos WHERE sha256 = (SELECT min(sha256) FROM photos)")
        code, out, err = run("check")
        assert code == 1, err
        assert "points at a missing row of photos" in out

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("UPDATE past_support_photos SET removed_in = added_in", ": from 2 to 2, catalog at 5"),
            ("UPDATE past_support_photos SET removed_in = 6", ": from 2 to 6, catalog at 5"),
            ("UPDATE past_support_photos SET vector = substr(vector, 1, 2560)", "its embedding is damaged"),
            ("UPDATE past_support_photos SET vector = :broken", "its embedding is damaged"),
            ("UPDATE past_defect_classes SET until = 6", "changed in a version that its catalog has not reached"),
            (
                "UPDATE support_photos SET added_in = 6 WHERE id = (SELECT id FROM support_photos LIMIT 1)",
                "added in a version that its catalog has not reached",
            ),
        ],
    )
    def test_a_damaged_past_is_named(self, run: Run, sound: str, damage: str, sentence: str) -> None:
        """As if a support photo had been removed and a class renamed, in version 5."""
        execute(sound, "UPDATE catalogs SET version = 5")
        execute(
            sound,
            "INSERT INTO past_support_photos (support_photo_id, backbone_id, catalog_id, defect_class_id, "
            "photo_sha256, vector, added_in, removed_in) "
            "SELECT support_photos.id, backbone_id, catalog_id, defect_class_id, photo_sha256, vector, 2, 5 "
            "FROM support_photos JOIN embeddings USING (photo_sha256) "
            "JOIN defect_classes ON defect_classes.id = defect_class_id LIMIT 1",
        )
        execute(
            sound,
            "INSERT INTO past_defect_classes (defect_class_id, until, catalog_id, name, title_ko, title_en) "
            "SELECT id, 5, catalog_id, 'old', '', '' FROM defect_classes LIMIT 1",
        )
        code, out, err = run("check")
        assert (code, out) == (0, "Database, photos and prototypes agree.\n"), err
        _change_one(sound, damage)
        code, out, err = run("check")
        assert code == 1, err
        assert sentence in out

    def test_a_prototype_of_photos_that_are_all_gone_is_named(self, run: Run, sound: str) -> None:
        """As many shots as photos and embeddings, namely none; and yet it would be recognised."""
        rust = "(SELECT id FROM defect_classes WHERE name = 'rust')"
        execute(sound, f"DELETE FROM support_photos WHERE defect_class_id = {rust}")  # noqa: S608
        execute(sound, f"UPDATE prototypes SET shots = 0 WHERE defect_class_id = {rust}")  # noqa: S608
        code, out, _ = run("check")
        assert code == 1
        assert "class 'rust'" in out

    @pytest.mark.only_on("sqlite", "PostgreSQL's files are its server's business")
    def test_a_damaged_file_is_no_traceback(self, run: Run, sound: str) -> None:
        with closing(sqlite3.connect(_file(sound))) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with _file(sound).open("r+b") as file:
            file.seek(3 * 16_384)
            file.write(b"\xff" * 16_384)
        code, out, err = run("check")
        assert code == 1
        assert out or err


def _change_one(database: str, statement: str) -> None:
    """Fail where it changes no row or several."""
    values = {"broken": b"\0\x11\x22", "zeros": bytes(1280 * 8)}
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    assert execute(database, f"{statement} RETURNING 1", **used) == [(1,)]


def _file(database: str) -> Path:
    return Path(database.removeprefix("sqlite:///"))


def test_settings_that_do_not_fit_are_a_sentence_and_exit_code_2(
    run: Run, database: str, monkeypatch: pytest.MonkeyPatch
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
    assert _tables(database) == []


def test_serve_refuses_an_address_that_others_reach_without_a_key(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where no database of somebody lies
    monkeypatch.setenv("HAJA_HOST", "0.0.0.0")  # noqa: S104
    for arguments in (("serve",), ("serve", "--host", "0.0.0.0")):  # noqa: S104
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert "haja keys create NAME --role admin" in err
        monkeypatch.delenv("HAJA_HOST", raising=False)


def test_a_database_that_does_not_fit_is_a_sentence(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    for command in ("check", "serve", "migrate"):
        code, _, err = run(command)
        assert code == 1
        assert "newer version of Haja" in err


def test_a_foreign_database_is_left_as_it_is(run: Run, database: str) -> None:
    execute(database, "CREATE TABLE invoices (id INTEGER)")
    for command in ("serve", "migrate"):
        code, _, err = run(command)
        assert code == 1
        assert "not Haja's" in err
    assert _tables(database) == ["invoices"]


def test_a_catalog_of_a_backbone_that_is_not_there_keeps_the_service_from_starting(
    run: Run, database: str, folder: Path, tmp_path: Path
) -> None:
    run("import", folder)
    execute(database, "UPDATE prototypes SET backbone_id = 'other@12345678'")
    execute(database, "UPDATE catalogs SET backbone_id = 'other@12345678'")
    (tmp_path / "query.jpg").write_bytes(photo())
    code, _, err = run("classify", tmp_path / "query.jpg")
    assert code == 1
    assert "other@12345678" in err
    assert "HAJA_BACKBONE" in err
