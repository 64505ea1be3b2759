"""Folders read: what is a class, and what is said of the rest."""

import unicodedata
from pathlib import Path

from app.exchange.folders import read_folders


def _tree(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    return root


def test_names_become_those_of_classes(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "균열")  # as a Mac writes it
    photos, faults = read_folders(_tree(tmp_path, f"{decomposed}/0.jpg", "crack /1.jpg", "notes.txt"))
    assert sorted((photo.class_name, photo.path.name) for photo in photos) == [("crack", "1.jpg"), ("균열", "0.jpg")]
    assert faults == []


def test_what_is_left_out_is_named_unless_it_is_hidden(tmp_path: Path) -> None:
    long = "x" * 101
    tree = _tree(tmp_path, ".thumbnails/0.jpg", "crack/.0.jpg", "crack/0.jpg", "crack/more/1.jpg", f"{long}/0.jpg")
    photos, faults = read_folders(tree)
    assert [photo.name for photo in photos] == ["crack/0.jpg"]
    assert faults == [
        "crack/more: it is a folder in the folder of a class",
        f"{long}: the name of a class has 1 to 100 characters, all of which can be shown",
    ]
