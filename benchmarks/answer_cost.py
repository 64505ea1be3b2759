"""What an answer that can be trusted costs: each of its parts beside a plain classification, in one run."""

from collections.abc import Callable
from functools import partial
from itertools import cycle

import httpx
import numpy as np
from threadpoolctl import threadpool_limits

from app.catalogs.head_cache import head_of
from app.catalogs.past import index_of
from app.catalogs.prototype_cache import Candidate
from app.catalogs.schemas import DefectClassName
from app.catalogs.support_cache import Supports
from app.inspections.judging import judge, nearest_examples
from app.photos import quality, reading
from app.storage.tables import new_id
from benchmarks import ceiling, pictures, report, service, timing
from benchmarks.report import Section, verdict
from models.backbones import Backbone
from models.prototypes import l2_normalise
from models.ridge_head import can_have_head
from models.windows import Part

SHOTS = 5
SIZES = (5, 20, 100, 2_000)
GOAL = 1.2
TOP_K = 5


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, sizes = (3, SIZES[:2]) if quick else (100, SIZES)
    backbone = ceiling.backbone()
    threadpool_limits(1, "blas")  # as the service does
    section = Section("answer_cost", "What each part of an answer costs")
    section.text(
        f"Milliseconds, median (10 % to 90 %), in turns in one process, {SHOTS} photos a class with random embeddings. "
        "*Plain*: similarities, probabilities and threshold by prototypes. *Whole*: by the head where there is one, "
        "with the nearest examples, and what is measured of the photo while it is decoded. *Fit*: paid once, by the "
        "first classification after a change of the catalog; with 2,000 classes there is no head."
    )
    rows, added = [], {}
    for size in sizes:
        times = timing.in_turns(_works(backbone, size), rounds)
        rows.append([f"{size:,}", *map(timing.shown, times.values())])
        plain, whole, *_ = map(timing.median, times.values())
        added[size] = whole - plain
    section.table(["classes", "plain", "whole", "with a prediction set", "fit"], rows)
    over_http = _over_http(section, rounds)
    worst = max(added.values())
    section.text(
        f"At most {worst:.2f} ms are added to a classification of which a plain one takes at least "
        f"{over_http - worst:.1f} ms: {verdict(over_http / (over_http - worst), GOAL, at_most=True)}."
    )
    return section


def _works(backbone: Backbone, size: int) -> dict[str, timing.Work]:
    supports = _supports(size, backbone.dimension)
    index = index_of(1, "", supports)
    fit = partial(head_of, supports) if can_have_head(size, SHOTS * size) else lambda: None
    head = fit()
    query = supports[0].embeddings[0]
    pixels = reading.decode(pictures.drawn(480, 640)[0], backbone.transform, 64_000_000).pixels
    manifest, by_id = backbone.manifest, {each.candidate.defect_class.id: each for each in supports}

    def whole(coverage: float | None) -> None:
        quality.measure(pixels)
        best = judge(query, index, head, manifest, TOP_K, coverage).best
        nearest_examples(query, [by_id[each.defect_class.id] for each in best])

    return {
        "plain": partial(judge, query, index, None, manifest, TOP_K, None),
        "whole": partial(whole, None),
        "set": partial(whole, 0.9),
        "fit": fit,
    }


def _supports(size: int, dimension: int) -> list[Supports]:
    random = np.random.default_rng(size)
    return [
        Supports(
            Candidate(DefectClassName(id=new_id(), name=str(place), title_ko="", title_en="", severity=None), None, 1),
            tuple(new_id() for _ in range(SHOTS)),
            ("",) * SHOTS,
            (Part(),) * SHOTS,
            l2_normalise(random.standard_normal(dimension) + random.standard_normal((SHOTS, dimension))),
        )
        for place in range(size)
    ]


def _over_http(section: Section, rounds: int) -> float:
    """Median of a classification against five classes, of a photo of 1600 x 1200, one caller."""
    bases = cycle(pictures.drawn(1200, 1600))
    with service.running() as running, httpx.Client(base_url=running.address, timeout=120) as client:
        service.register_drawn_classes(running)
        answer = service.classify(client, "default", pictures.unique(next(bases)))
        heatmap = f"/v1/classifications/{answer['id']}/heatmap.png"
        works: dict[str, Callable[[], object]] = {
            "classification": lambda: service.classify(client, "default", pictures.unique(next(bases))),
            "heat map": lambda: client.get(heatmap).raise_for_status(),
        }
        times = timing.in_turns(works, max(3, rounds // 2))
    section.table(
        ["over HTTP, 1600 x 1200, one caller", "ms"], [[name, timing.shown(each)] for name, each in times.items()]
    )
    return timing.median(times["classification"])


if __name__ == "__main__":
    report.main(measure)
