"""Folders read: one per class, with the photos in it."""

from pathlib import Path

from app.exchange.class_names import class_name
from app.exchange.registering import LabelledPhoto
from app.photos.intake import display_name


def read_folders(folder: Path) -> tuple[list[LabelledPhoto], list[str]]:
    """The photos in the folders of a folder; and a sentence on each thing that was left out, unless it is hidden."""
    photos, faults = [], []
    for of_class in _shown(folder):
        if not of_class.is_dir():
            continue
        shown = display_name(of_class.name)
        try:
            name = class_name(of_class.name)
        except ValueError as error:
            faults.append(f"{shown}: {error}")
            continue
        for path in _shown(of_class):
            where = f"{shown}/{display_name(path.name)}"
            if path.is_dir():
                faults.append(f"{where}: it is a folder in the folder of a class")
            else:
                photos.append(LabelledPhoto(path, where, name))
    return photos, faults


def _shown(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
