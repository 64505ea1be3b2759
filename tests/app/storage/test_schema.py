"""Migrations: the schema is what the models say, goes up and down, and a database that does not fit is refused."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, select, text

import migrations
from app.api.idempotency.service import Once
from app.catalogs.schemas import DefectClassCreate
from app.config import Settings
from app.inspections.schemas import FeedbackCreate
from app.main import create_app
from app.metrics import Metrics
from app.photos.intake import KeptPhoto
from app.services import open_services
from app.storage import schema
from app.storage.schema import SchemaError
from app.storage.tables import Base
from models.backbones import Backbone
from tests.drawn import photo, photos
from tests.postgresql import PostgresServer

pytestmark = pytest.mark.both_databases


@pytest.fixture
def url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = schema.sync_engine(url)
    yield made
    made.dispose()


def differences(engine: Engine) -> list[object]:
    """What the migrations would still have to do for the schema to be the models'."""
    assert create_app is not None  # importing it has brought all tables into the metadata
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found: list[object] = compare_metadata(context, Base.metadata)
    return found


def test_the_models_equal_the_migrated_schema(url: str, engine: Engine) -> None:
    schema.prepare(url)
    assert len(inspect(engine).get_table_names()) > 5
    assert differences(engine) == []


def test_the_comparison_sees_a_difference(url: str, engine: Engine) -> None:
    schema.prepare(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE photos ADD COLUMN colour TEXT"))
    assert differences(engine) != []


def test_the_schema_goes_up_down_and_up_again(url: str, engine: Engine) -> None:
    schema.upgrade(url)
    tables = set(inspect(engine).get_table_names())
    assert tables >= set(Base.metadata.tables)
    schema.downgrade(url, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    schema.upgrade(url)
    assert set(inspect(engine).get_table_names()) == tables
    assert differences(engine) == []


async def test_an_older_database_keeps_its_rows_and_its_past_begins(
    url: str, engine: Engine, backbone: Backbone
) -> None:
    """Filled, brought down to 0002 as if it came from there, and up again; feedback still points at its example."""
    query = KeptPhoto("9.jpg", photo("crack", 9))
    async with open_services(Settings(database_url=url), Metrics(), backbone) as services:
        once = Once(services.database, None, "")
        uploads = [KeptPhoto("1.jpg", data) for data in photos("crack", range(2))]
        made = await services.catalogs.register("default", DefectClassCreate(name="crack"), uploads, once)
        old = await services.inspections.classify("default", query, 1, once)
        word = FeedbackCreate(verdict="confirmed", add_to_support=True)
        assert (await services.inspections.give_feedback(old.id, word, once)).support_photo_id is not None
    before = _rows(engine)
    schema.downgrade(url, "0002")
    assert "past_support_photos" not in inspect(engine).get_table_names()
    assert "added_in" not in {column["name"] for column in inspect(engine).get_columns("support_photos")}
    schema.upgrade(url)
    assert differences(engine) == []
    for row in (*before["classifications"], *before["feedback"]):
        row["actor"] = "unknown"  # who did it is kept since 0009
    assert _rows(engine) == before
    async with open_services(Settings(database_url=url), Metrics(), backbone) as services:
        once = Once(services.database, None, "")
        replayed = await services.replays.replay(old.id)
        assert replayed.differences  # nobody knows that the example of the feedback came after it
        assert "whose past is kept from version 3 on" in replayed.doubt
        new = await services.inspections.classify("default", query, 1, once)
        await services.catalogs.delete_defect_class(made.id)
        replayed = await services.replays.replay(new.id)
        assert (replayed.differences, replayed.doubt) == ([], "")


def _rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, without what is known since 0003, what each start notes anew, and the audit trail."""
    new = {"recorded_from", "added_in"}
    with engine.connect() as connection:
        return {
            table.name: [
                {name: value for name, value in row.items() if name not in new}
                for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in Base.metadata.sorted_tables
            if table.name not in {"backbones", "audit_entries"}
        }


async def test_an_empty_database_is_migrated_by_the_service_itself(
    url: str, engine: Engine, backbone: Backbone
) -> None:
    async with open_services(Settings(database_url=url), Metrics(), backbone) as services:
        assert (await services.catalogs.get_catalog("default")).version == 1
    assert differences(engine) == []


def test_two_that_find_an_empty_database_at_the_same_time_migrate_it_once(url: str, engine: Engine) -> None:
    """They tell when they are ready, and start when both are."""
    program = "import sys; from app.storage import schema as s; print(flush=True); input(); s.prepare(sys.argv[1])"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        pair = [stack.enter_context(subprocess.Popen([sys.executable, "-c", program, url], **pipes)) for _ in range(2)]  # type: ignore[call-overload]
        for each in pair:
            assert each.stdout.readline() == "\n"
        for each in pair:
            each.stdin.write("\n")
            each.stdin.flush()
        for each in pair:
            assert each.wait(60) == 0, each.stderr.read()
    assert differences(engine) == []


@pytest.mark.only_on("sqlite", "PostgreSQL's databases are made before")
def test_a_new_file_that_another_is_about_to_set_up_is_waited_for(url: str, engine: Engine) -> None:
    """SQLite refuses a second switch to WAL at once, however long a connection is willing to wait."""
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, other.rollback)
        release.start()
        schema.prepare(url)
        release.join()
    assert differences(engine) == []


@pytest.mark.only_on("postgresql", "SQLite shows one state to a whole transaction")
def test_one_that_looks_while_another_migrates_sees_its_own_tables(url: str, engine: Engine) -> None:
    """The other one is done just after the first look at the empty database."""
    looks: list[str] = []

    def migrate(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        looks.append(statement)
        if len(looks) == 1:
            schema.upgrade(url)

    event.listen(Engine, "after_cursor_execute", migrate)
    try:
        schema.prepare(url)
    finally:
        event.remove(Engine, "after_cursor_execute", migrate)
    assert len(looks) > 1
    assert differences(engine) == []


def test_a_database_of_this_version_is_left_alone(url: str, engine: Engine) -> None:
    schema.prepare(url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO blobs VALUES ('a', 'b')"))
    schema.prepare(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM blobs")).scalar() == 1


def test_a_newer_database_is_refused_and_left_as_it_is(url: str, engine: Engine) -> None:
    schema.prepare(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"newer version of Haja \(schema 9999; .*install that version"):
        schema.prepare(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_somebody_else_s_tables_are_refused_and_left_as_they_are(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))
    with pytest.raises(SchemaError, match="not Haja's"):
        schema.prepare(url)
    assert inspect(engine).get_table_names() == ["invoices"]


def test_an_older_database_is_told_to_migrate(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code of the future: the same migrations and one more."""
    schema.prepare(url)
    head = schema.head()
    future = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, future)
    (future / "versions" / "9998_next.py").write_text(
        f'revision = "9998"\ndown_revision = "{head}"\n\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(migrations, "__file__", str(future / "__init__.py"))
    with pytest.raises(SchemaError, match=rf"older schema \({head} instead of 9998\).*`haja migrate`"):
        schema.prepare(url)
    schema.upgrade(url)
    schema.prepare(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9998"


def test_the_files_are_named_by_their_revisions() -> None:
    """So that their order is known without Alembic."""
    walked = ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()
    assert schema.revisions() == [each.revision for each in walked][::-1]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_name_says_so(postgresql: PostgresServer, encoding: str) -> None:
    name = f"haja_{encoding.lower()}"
    postgresql.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        with pytest.raises(SchemaError, match=f"the encoding {encoding}.*ENCODING 'UTF8'"):
            schema.prepare(postgresql.url(name))
    finally:
        postgresql.drop(name)


def test_a_database_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="cannot be used"):
        schema.prepare(f"sqlite:///{tmp_path}/nowhere/haja.db")
    (tmp_path / "text.db").write_text("not a database, but long enough to have a header" * 100, encoding="utf-8")
    with pytest.raises(SchemaError, match="cannot be used"):
        schema.prepare(f"sqlite:///{tmp_path}/text.db")
    with pytest.raises(SchemaError, match="cannot be used") as refused:
        schema.prepare("postgresql+psycopg://me:secret@127.0.0.1:1/haja?connect_timeout=2")
    assert "secret" not in str(refused.value)
