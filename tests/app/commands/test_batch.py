"""The command `haja batch`, called as a person calls it."""

from pathlib import Path

from sqlalchemy import select

from app.inspections.tables import Classification
from tests.app.commands.conftest import Run
from tests.drawn import photos
from tests.rest import execute


def test_a_folder_is_classified_and_what_failed_is_named(run: Run, database: str, tmp_path: Path) -> None:
    for kind in ("crack", "rust"):
        (tmp_path / "classes" / kind).mkdir(parents=True)
        (tmp_path / "new" / kind).mkdir(parents=True)
        for number, data in enumerate(photos(kind, range(14))):
            folder = "classes" if number < 3 else "new"
            (tmp_path / folder / kind / f"{kind}{number}.jpg").write_bytes(data)
    (tmp_path / "new" / "broken[1].jpg").write_bytes(b"no photo")
    code, _, errors = run("batch", tmp_path / "new")
    assert (code, errors.count("no defect class with photos yet")) == (1, 1)
    assert run("import", tmp_path / "classes")[0] == 0
    code, out, errors = run("batch", tmp_path / "new", "--top-k", 1)
    assert code == 1
    assert "22 photos classified, 1 failed." in out
    assert errors.startswith("broken[1].jpg: ")
    (tmp_path / "new" / "broken[1].jpg").unlink()
    assert run("batch", tmp_path / "new")[0] == 0
    found = execute(database, select(Classification.filename, Classification.predictions))
    assert len(found) == 44
    assert (
        sum(filename.startswith(best["defect_class"]["name"]) for filename, (best, *_) in found) > 33
    )  # chance would be 22


def test_an_empty_folder_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert run("batch", tmp_path / "none") == (1, "", f"{tmp_path / 'none'} holds no files.\n")
