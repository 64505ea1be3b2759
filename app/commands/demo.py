"""The whole job in one go, over REST, on photos that are drawn for it."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from app import logs
from app.commands.output import out
from app.config import Settings
from app.drawing import DRAWN_DEFECTS, DrawnDefect, draw
from app.photos import reading
from app.serve import running

SHOTS = 5
QUERIES = 6
SIZE = (480, 640)
"""Height and width of a photo: drawn in a fifth of the time that 960 x 1280 take, and recognised as well."""


def show(folder: Path) -> None:
    """`haja demo`: draw photos into `folder`, start a service with a database of its own, register, classify."""
    logs.configure("error")
    started = time.perf_counter()
    support = {defect: _draw(folder / "support" / defect.name, defect, range(SHOTS)) for defect in DRAWN_DEFECTS}
    queries = {
        defect: _draw(folder / "query" / defect.name, defect, range(100, 100 + QUERIES)) for defect in DRAWN_DEFECTS
    }
    out.print(
        f"Drew {SHOTS} support and {QUERIES} query photos of {len(DRAWN_DEFECTS)} defect types into {folder} "
        "(drawn by a program, not taken by a camera)."
    )
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(host="127.0.0.1", port=0, database_url=f"sqlite:///{scratch}/demo.db")
        with running(settings) as address, httpx.Client(base_url=address, timeout=60) as client:
            out.print(f"The service runs on {address}.")
            for defect, files in support.items():
                _register(client, defect, files)
            right = _classify_all(client, queries)
            count, seconds = QUERIES * len(queries), time.perf_counter() - started
            out.print(f"{right} of {count} new photos were recognised. All of it took {seconds:.0f} s.")
            if out.is_terminal:
                out.print(f"Open {address} in a browser to look around and to try photos of {folder}/query.")
                with suppress(EOFError, KeyboardInterrupt):
                    input("Enter ends the demo. ")


def _draw(folder: Path, defect: DrawnDefect, seeds: range) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, seed in enumerate(seeds, 1):
        path = folder / f"{number}.jpg"
        path.write_bytes(reading.encode_jpeg(draw(defect.name, seed, *SIZE).pixels))
        files.append(path)
    return files


def _register(client: httpx.Client, defect: DrawnDefect, files: list[Path]) -> None:
    answer = client.post(
        "/v1/catalogs/default/defect-classes",
        data={
            "name": defect.name,
            "title_ko": defect.title_ko,
            "title_en": defect.title_en,
            "description": defect.description,
            "severity": defect.severity,
        },
        files=[("photos", (file.name, file.read_bytes(), "image/jpeg")) for file in files],
    ).raise_for_status()
    registered = answer.json()
    out.print(f"Registered {registered['title_en']} ({registered['title_ko']}) with {registered['shots']} photos.")


def _classify_all(client: httpx.Client, queries: dict[DrawnDefect, list[Path]]) -> int:
    """Classify every query photo, print the answer to the first of each class; how many were right."""
    right = 0
    for defect, files in queries.items():
        for file in files:
            upload = {"photo": (file.name, file.read_bytes(), "image/jpeg")}
            answer = client.post("/v1/catalogs/default/classifications", files=upload).raise_for_status().json()
            right += answer["predictions"][0]["defect_class"]["name"] == defect.name
            if file is files[0]:
                out.print(_table(file, answer))
    return right


def _table(file: Path, answer: dict[str, Any]) -> Table:
    table = Table(
        "", "class", "", "probability", "similarity", title=f"{file}{' (unknown)' if answer['unknown'] else ''}"
    )
    for place, found in enumerate(answer["predictions"], 1):
        defect = found["defect_class"]
        table.add_row(
            str(place),
            defect["title_en"],
            defect["title_ko"],
            f"{found['probability']:.0%}",
            f"{found['similarity']:.2f}",
        )
    return table
