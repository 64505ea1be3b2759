"""What the size of a catalog and of a class costs: classification, adding a photo, the first answer after an add."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from app.catalogs import repository as catalog_rows
from app.catalogs.prototype_cache import Candidate, PrototypeIndex
from app.catalogs.schemas import DefectClassName
from app.config import Settings
from app.inspections.judging import judge
from app.storage import schema
from app.storage.database import Database
from app.storage.tables import new_id
from benchmarks import ceiling, pictures, report, service, timing
from benchmarks.report import Section, verdict
from benchmarks.service import Service
from models.backbones import Backbone
from models.prototypes import embedding_sum, l2_normalise

SHOTS = 5
SIZES = (10, 1_000, 10_000)
CLASS_SHOTS = (5, 500)
TOLERANCE = 1.10
"""What may be left over to noise: a tenth."""


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, sizes, shots = (3, (10, 100, 300), (5, 50)) if quick else (200, SIZES, CLASS_SHOTS)
    backbone = ceiling.backbone()
    section = Section("catalog_size", "Size of a catalog and of a class")
    section.text(
        "Catalogs of synthetic classes (random unit embeddings, written by the repository in the form that five photos "
        "leave); a drawn photo of 640 x 480 px, unique at every request; one caller; requests to the catalogs in "
        f"turns, {rounds} each; median (10 % to 90 %) in ms."
    )
    with service.running(lambda url: asyncio.run(_fill(url, backbone, (1, *sizes)))) as running:
        _classification(section, running, backbone, sizes, rounds)
        _adding(section, running, shots, rounds)
        _after_add(section, running, max(sizes), rounds)
    return section


def _classification(
    section: Section, running: Service, backbone: Backbone, sizes: tuple[int, ...], rounds: int
) -> None:
    with httpx.Client(base_url=running.address, timeout=120) as client:
        photo = _photos()
        works: dict[str, Callable[[], object]] = {
            str(size): partial(_classify, client, _catalog(size), photo) for size in sizes
        }
        for _ in range(5):  # what only the first requests of a process pay is no matter of size
            _classify(client, _catalog(1), photo)
        cold = {name: timing.once(work) for name, work in works.items()}
        http = timing.in_turns(works, rounds)
    alone: dict[str, Callable[[], object]] = {}
    bare: dict[str, Callable[[], object]] = {}
    for size in sizes:
        index = _index(size, backbone.dimension)
        query = index.matrix[0].copy()
        alone[str(size)] = partial(judge, query, index, None, backbone.manifest, 5, None)
        bare[str(size)] = partial(np.matmul, query[np.newaxis], index.matrix.T)
    score, product = timing.in_turns(alone, rounds), timing.in_turns(bare, rounds)
    section.table(
        ["classes", "classification over HTTP", "the first, which loads it", "score stage alone",
         "bare matrix product"],
        [
            [f"{size:,}", timing.shown(http[str(size)]), f"{cold[str(size)]:.1f}", timing.shown(score[str(size)]),
             timing.shown(product[str(size)])]
            for size in sizes
        ],
    )  # fmt: skip
    small, large = (timing.median(http[str(size)]) for size in (min(sizes), max(sizes)))
    own = timing.median(product[str(max(sizes))]) - timing.median(product[str(min(sizes))])
    section.text(
        f"From {min(sizes)} to {max(sizes):,} classes an answer takes {large - small:.1f} ms more, of which the bare "
        f"product is {own:.1f} ms. An answer at {max(sizes):,} against one at {min(sizes)} plus the product: "
        f"{verdict(large / (small + own), TOLERANCE, at_most=True)}."
    )


def _adding(section: Section, running: Service, shots: tuple[int, ...], rounds: int) -> None:
    """Every photo that was added is taken away again, so that the classes stay as large as they are said to be."""
    photo = _photos()
    with httpx.Client(base_url=running.address, timeout=120) as client:
        client.post("/v1/catalogs", json={"name": "shots"}).raise_for_status()
        times: dict[str, list[float]] = {str(size): [] for size in shots}
        classes = {size: _class_with(client, photo, size) for size in shots}
        for turn in range(rounds + 1):
            for size, class_id in classes.items():
                ms, answer = timing.timed(partial(service.add_photos, client, class_id, [photo()]))
                assert answer["shots"] == size + 1, answer["shots"]
                client.delete(f"/v1/support-photos/{answer['photos'][0]['support_photo_id']}").raise_for_status()
                if turn:
                    times[str(size)].append(ms)
    section.table(
        ["photos in the class", "adding one photo"], [[size, timing.shown(found)] for size, found in times.items()]
    )
    small, large = (timing.median(times[str(size)]) for size in (min(shots), max(shots)))
    section.text(
        f"A class of {max(shots)} against one of {min(shots)}: {verdict(large / small, TOLERANCE, at_most=True)}."
    )


def _after_add(section: Section, running: Service, size: int, rounds: int) -> None:
    """Each round: one photo more in the largest catalog, the first answer after it, and one answer more."""
    photo = _photos()
    adds, firsts, seconds = [], [], []
    with httpx.Client(base_url=running.address, timeout=120) as client:
        catalog = _catalog(size)
        class_id = client.get(f"/v1/catalogs/{catalog}/defect-classes?limit=1").json()["items"][0]["id"]
        for _ in range(max(3, rounds // 4)):
            adds.append(timing.once(partial(service.add_photos, client, class_id, [photo()])))
            firsts.append(timing.once(partial(_classify, client, catalog, photo)))
            seconds.append(timing.once(partial(_classify, client, catalog, photo)))
    section.table(
        [f"in the catalog of {size:,} classes", "ms"],
        [["adding one photo", timing.shown(adds)], ["the first classification after it", timing.shown(firsts)],
         ["the next classification", timing.shown(seconds)]],
    )  # fmt: skip
    ratio = timing.median(firsts) / timing.median(seconds)
    section.text(f"The first answer after an add against the next: {verdict(ratio, TOLERANCE, at_most=True)}.")


async def _fill(url: str, backbone: Backbone, sizes: tuple[int, ...]) -> None:
    """Catalogs of synthetic classes, by the repository's own statements, each in one transaction."""
    url = Settings(database_url=url).database_url
    schema.prepare(url)
    database = Database(url)
    for size in sizes:
        vectors = _vectors(size, backbone.dimension)
        async with database.writing() as session:
            words = {"title_ko": "", "title_en": "", "description": ""}
            catalog = await catalog_rows.add_catalog(
                session, {"name": _catalog(size), "backbone_id": backbone.backbone_id, **words}
            )
            turn = await catalog_rows.next_version(session, catalog.id)
            assert turn is not None  # it has just been made
            for number, vector in enumerate(vectors):
                name = f"synthetic-{number}"
                fields: dict[str, Any] = {
                    "name": name,
                    "title_ko": name,
                    "title_en": name,
                    "description": "",
                    "severity": None,
                }
                fields |= {"catalog_id": catalog.id, "changed_in": turn.version, "threshold": None}
                added = await catalog_rows.add_defect_class(session, fields)
                total = embedding_sum(np.repeat(vector[np.newaxis], SHOTS, axis=0))
                await catalog_rows.shift_prototype(session, added.id, backbone.backbone_id, total, SHOTS)
    await database.close()


def _index(size: int, dimension: int) -> PrototypeIndex:
    candidates = tuple(
        Candidate(DefectClassName(id=new_id(), name=str(number), title_ko="", title_en="", severity=None), None, 1)
        for number in range(size)
    )
    shots, lengths = np.full(size, SHOTS), np.full(size, 0.8 * SHOTS)
    return PrototypeIndex(1, "", _vectors(size, dimension), np.arange(size), candidates, shots, lengths)


def _vectors(count: int, dimension: int) -> NDArray[np.float32]:
    return l2_normalise(np.random.default_rng(count).standard_normal((count, dimension)))


def _class_with(client: httpx.Client, photo: Callable[[], bytes], shots: int) -> str:
    """A class with that many photos, registered over HTTP."""
    answer = service.register(client, "shots", f"class-of-{shots}", [photo() for _ in range(min(shots, 50))])
    while answer["shots"] < shots:
        answer = service.add_photos(client, answer["id"], [photo() for _ in range(min(shots - answer["shots"], 50))])
    return str(answer["id"])


def _photos() -> Callable[[], bytes]:
    bases = cycle(pictures.drawn(480, 640))
    return lambda: pictures.unique(next(bases))


def _classify(client: httpx.Client, catalog: str, photo: Callable[[], bytes]) -> None:
    service.classify(client, catalog, photo())


def _catalog(size: int) -> str:
    return f"of-{size}"


if __name__ == "__main__":
    report.main(measure)
