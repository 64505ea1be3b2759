"""Where heat maps point: at the defects of drawn photos, whose place is known, and at what decides on real ones.

    python -m benchmarks.heatmap

writes HEATMAP.md.
"""

import argparse
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import from_numpy
from torch.nn.functional import max_pool2d

from app.drawing import DRAWN_DEFECTS, draw
from app.inspections.heatmap import picture_size
from app.photos import reading
from benchmarks import ceiling, draws, report, sources, timing
from benchmarks.draws import Interval, interval
from benchmarks.report import Section
from benchmarks.sources import Source
from models.backbones import Backbone
from models.heatmap import ENLARGED, enlarged, evidence, positive_share
from models.heatmap_picture import layer, on_photo
from models.manifest import Transform
from models.probes import probes
from models.prototypes import embedding_sum, probabilities, prototype, similarities

SHOTS, QUERIES = 5, 10
FIRST_SEED = 10_000
HEIGHT, WIDTH = 600, 800
TOLERANCE = 24
BLANKED, CELLS = 0.2, 4
RESAMPLES = 1000
LIMIT = 64_000_000
SHIPPED = f"shipped: {ENLARGED} times the size, against the others"
CENTRE, RANDOM = "centre Gaussian", "random"
REPORT = report.HERE / "HEATMAP.md"

Map = NDArray[np.float32]

DRAWN = f"""Drawn photos ({WIDTH} x {HEIGHT}) of each of five defects, whose seeds were not used to choose anything;
prototypes of {SHOTS} other drawn photos a class; the map of the class that was drawn. *Area*: the mask's share of the
photo. *Inside*: the mask's share of the map. *Ratio*: inside over area, 1 is a map that knows nothing. *Hit*
(pointing game): the strongest place is at most {TOLERANCE} pixels from the mask; *chance*: how often a random place
is. Per cent, with 95 % intervals over the photos (of ratios: from {RESAMPLES:,} resamplings)."""

VARIANTS = """The same photos, mean over the five defects, each with the same weight. *Class alone*: no other
prototype is subtracted. *Others alike*: the plain mean of the other prototypes is, instead of one by their
probabilities. *Own proportions*: the photo is not squeezed to a square, the area is the same."""

DELETION = f"""Real photos have no masks, so what a map points at is taken away: the strongest {100 * BLANKED:.0f} %
of the area is replaced by a blur of the photo, and the photo is embedded again as the service does. The figures are
by how much the first answer's similarity falls against that to the other classes, in hundredths of a cosine, with 95
% intervals over the photos: the more it falls, the more the place had decided. {SHOTS} support photos and {QUERIES}
queries a class, all classes of one source. A random place says what a guess is worth; the middle is the better guess,
since people take photos of what is in the middle."""

READING = """**What follows**: on drawn photos, the larger a photo goes in, the better its map points; on real ones,
what the map at the network's own size marks decides as much or a little more (the intervals overlap). Twice the size
stands between. Photos in their own proportions are as good where they are 4 : 3; on masonry_historic, whose bricks
are up to five times as long as high and known to the prototypes only squeezed, they are worse. Subtracting the other
classes gains most on drawn photos. On concrete_damage_lukrebaa no map finds more than a random place does, and on
neu_steel none more than the middle: most of their photos show a surface all over."""

BY_EYE = """**Looked at by eye**: 33 photos of masonry_historic, concrete_damage_lukrebaa and road_civiclens, three of
each class, taken at random, with other support photos than above. Cracks in bricks (3 of 3) and potholes (3 of 3, two
with a second spot beside the hole) are marked well; delamination along parts of its rim; in photos of a crack in
concrete, the crack is marked in parts (2 of 3) or just missed, and an empty corner may be as bright. White
efflorescence is marked at a corner of the stain more than as a whole. Where a class is a surface and not a thing in a
place (no crack, intact, spalling or cracks all over), the map is a frame one or two cells inside the edge: nothing in
the photo, probably the network's zero padding. Fallen trees are marked at their ends, or at a lamp instead.
Continuing the photo by its mirror image beyond its edges moved the frame to the edge and did not help. So a map that
is a frame says that no place decided; one with a spot is worth a look at the spot, and is no outline of the
defect."""


@dataclass(frozen=True)
class Variant:
    """A way to make a map: at which size the photo goes in, and against what."""

    size: Callable[[Transform, int, int], Transform]
    against: str = "others"


def _times(factor: int) -> Callable[[Transform, int, int], Transform]:
    return lambda transform, _width, _height: replace(
        transform, height=factor * transform.height, width=factor * transform.width
    )


def _own_proportions(transform: Transform, width: int, height: int) -> Transform:
    """Whole cells of 32 pixels, the area of the shipped way."""
    scale = (ENLARGED**2 * transform.height * transform.width / (width * height)) ** 0.5
    rows, columns = (max(round(side * scale / 32), 1) * 32 for side in (height, width))
    return replace(transform, height=rows, width=columns)


VARIANT = {
    SHIPPED: Variant(lambda transform, _width, _height: enlarged(transform)),
    "1 times the size": Variant(_times(1)),
    "3 times the size": Variant(_times(3)),
    "own proportions": Variant(_own_proportions),
    "class alone": Variant(lambda transform, _width, _height: enlarged(transform), "nothing"),
    "others alike": Variant(lambda transform, _width, _height: enlarged(transform), "alike"),
}


@dataclass(frozen=True)
class Catalog:
    """Prototypes float32 [C, D] of `SHOTS` photos a class."""

    backbone: Backbone
    prototypes: NDArray[np.float32]

    @property
    def temperature(self) -> float:
        """As the service reads its similarities."""
        return self.backbone.manifest.readings["prototypes"].temperature_at(np.full(len(self.prototypes), SHOTS))

    def maps(self, data: bytes, place: int) -> dict[str, Map]:
        """Every way's map [h, w] of what speaks for a class, by its name."""
        transform = self.backbone.transform
        whole = reading.decode(data, transform, LIMIT)
        features: dict[Transform, NDArray[np.float32]] = {}
        found = {}
        for name, variant in VARIANT.items():
            size = variant.size(transform, whole.width, whole.height)
            if size not in features:
                features[size] = self.backbone.feature_map(reading.decode(data, size, LIMIT).pixels[np.newaxis])[0]
            found[name] = self._map(features[size], place, variant.against)
        return found | {CENTRE: _centre()}

    def _map(self, features: NDArray[np.float32], place: int, against: str) -> Map:
        own = self.prototypes[place : place + 1]
        if against == "nothing":
            return evidence(features, own, 0, self.temperature)
        if against == "alike":
            mean = np.delete(self.prototypes, place, axis=0).mean(axis=0, keepdims=True)
            return evidence(features, np.concatenate([own, mean]), 0, self.temperature)
        return evidence(features, self.prototypes, place, self.temperature)


def _centre() -> Map:
    """Two standard deviations from the middle to each edge."""
    line = np.exp(-np.square(np.linspace(-2, 2, 57, dtype=np.float32)) / 2)
    return np.outer(line, line)


@dataclass(frozen=True)
class Pointed:
    """Of one photo: the mask's share of the area and of the map, whether the maximum hits, how often chance does."""

    area: float
    inside: float
    hit: float
    chance: float


def main() -> None:
    """Measure on drawn and real photos and write HEATMAP.md; `--quick` takes few photos and only prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=100, help="drawn photos of each defect")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    count, queries = (2, 1) if options.quick else (options.photos, QUERIES)
    load, backbone = os.getloadavg()[0], ceiling.backbone()
    section = Section("heatmap", "Heat maps")
    section.text(report.environment(f"python -m benchmarks.heatmap --photos {count}", load))
    section.text(f"Backbone `{backbone.backbone_id}`; {count} drawn photos of each defect.")
    cost = _cost(backbone, 2 if options.quick else 20)
    drawn = _drawn(backbone, count)
    section.text("### Drawn defects\n\n" + DRAWN.replace("\n", " "))
    section.table(
        ["defect", "area", "inside", "ratio", "hit", "chance"],
        [[name, *_row(each[SHIPPED])] for name, each in drawn.items()],
    )
    section.text("### Other ways on the same photos\n\n" + VARIANTS.replace("\n", " "))
    section.table(["map", "inside", "ratio", "hit"], [_mean_row(drawn, way) for way in (*VARIANT, CENTRE)])
    names = sources.available("validation")[: 1 if options.quick else None]
    if names:
        section.text("### Real photos\n\n" + DELETION.replace("\n", " "))
        fell = {name: _deletion(sources.load("validation", name, backbone), backbone, queries) for name in names}
        section.table(
            ["taken away", *names],
            [[way, *(_hundredths(fell[name][way]) for name in names)] for way in (*VARIANT, CENTRE, RANDOM)],
        )
        section.text(READING.replace("\n", " "))
        section.text(BY_EYE.replace("\n", " "))
    section.text("### What a heat map costs\n\n" + cost)
    print(section.markdown())
    if not options.quick:
        REPORT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


def _drawn(backbone: Backbone, count: int) -> dict[str, dict[str, list[Pointed]]]:
    """For each defect and way to make a map, what it did on each photo."""
    names = [defect.name for defect in DRAWN_DEFECTS]
    examples = [
        [_embedding(backbone, reading.encode_jpeg(draw(name, seed, HEIGHT, WIDTH).pixels)) for seed in range(SHOTS)]
        for name in names
    ]
    catalog = Catalog(backbone, prototype(np.stack([embedding_sum(np.stack(each)) for each in examples])))
    found: dict[str, dict[str, list[Pointed]]] = {name: {way: [] for way in (*VARIANT, CENTRE)} for name in names}
    for place, name in enumerate(names):
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            drawing = draw(name, seed, HEIGHT, WIDTH)
            near = _near(drawing.mask)
            for way, values in catalog.maps(reading.encode_jpeg(drawing.pixels), place).items():
                found[name][way].append(_pointed(values, drawing.mask, near))
    return found


def _embedding(backbone: Backbone, data: bytes) -> NDArray[np.float32]:
    embedding: NDArray[np.float32] = backbone.embed(reading.decode(data, backbone.transform, LIMIT).pixels[np.newaxis])[
        0
    ]
    return embedding


def _near(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    side = 2 * TOLERANCE + 1
    widened = max_pool2d(max_pool2d(from_numpy(mask)[None].float(), (side, 1), 1, (TOLERANCE, 0)),
                         (1, side), 1, (0, TOLERANCE))  # fmt: skip
    return widened[0].numpy() > 0


def _pointed(values: Map, mask: NDArray[np.bool_], near: NDArray[np.bool_]) -> Pointed:
    shown = reading.enlarge(positive_share(values), mask.shape[1], mask.shape[0])
    total = float(shown.sum())
    # A map that shows nothing points nowhere: as good as any other place.
    inside = float(shown[mask].sum()) / total if total else float(mask.mean())
    hit = float(near.flat[shown.argmax()]) if total else float(near.mean())
    return Pointed(float(mask.mean()), inside, hit, float(near.mean()))


def _row(pointed: Sequence[Pointed]) -> Iterator[object]:
    area, inside, hit, chance = (
        np.array(each) for each in zip(*(vars(each).values() for each in pointed), strict=True)
    )
    picks = np.random.default_rng(0).integers(0, len(area), (RESAMPLES, len(area)))
    resampled = inside[picks].mean(axis=1) / area[picks].mean(axis=1)
    yield interval(area)
    yield interval(inside)
    yield f"{inside.mean() / area.mean():.2f} ± {1.96 * resampled.std():.2f}"
    yield interval(hit)
    yield interval(chance)


def _mean_row(drawn: dict[str, dict[str, list[Pointed]]], way: str) -> list[object]:
    groups = [each[way] for each in drawn.values()]
    ratios = [np.mean([one.inside for one in group]) / np.mean([one.area for one in group]) for group in groups]
    inside = _mean_of([interval(one.inside for one in group) for group in groups])
    hit = _mean_of([interval(one.hit for one in group) for group in groups])
    return [way, inside, f"{np.mean(ratios):.2f}", hit]


def _mean_of(groups: Sequence[Interval]) -> Interval:
    half = float(np.linalg.norm([group.half for group in groups])) / len(groups)
    return Interval(float(np.mean([group.mean for group in groups])), half, float("nan"))


def _deletion(source: Source, backbone: Backbone, queries: int) -> dict[str, list[float]]:
    """By how much the first answer's similarity falls against the others' on each photo, for each way."""
    chosen = draws.draw(source, 0, SHOTS)
    sums = np.stack([embedding_sum(source.embeddings[places]) for places in chosen.supports])
    catalog = Catalog(backbone, prototype(sums))
    fell: dict[str, list[float]] = {way: [] for way in (*VARIANT, CENTRE, RANDOM)}
    random = np.random.default_rng(0)
    labels = source.labels[chosen.queries]
    for query in np.concatenate([chosen.queries[labels == label][:queries] for label in range(len(source.classes))]):
        data = source.paths[query].read_bytes()
        pixels = reading.decode(data, backbone.transform, LIMIT).pixels
        cosines = similarities(source.embeddings[query : query + 1], catalog.prototypes)[0]
        first = int(cosines.argmax())
        weights = -np.insert(probabilities(np.delete(cosines, first), catalog.temperature), first, -1)
        maps = catalog.maps(data, first) | {RANDOM: random.random((7, 7), np.float32)}
        changed = np.stack([_without(pixels, values) for values in maps.values()])
        after = similarities(backbone.embed(changed), catalog.prototypes) @ weights
        for way, left in zip(maps, after, strict=True):
            fell[way].append(float(cosines @ weights - left))
    return fell


def _without(pixels: NDArray[np.uint8], values: Map) -> NDArray[np.uint8]:
    """The photo with a blur in the place of what a map marks most."""
    height, width = pixels.shape[:2]
    scaled = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
    field = reading.enlarge(scaled, width, height)
    marked = field >= np.quantile(field, 1 - BLANKED)
    coarse = pixels.reshape(CELLS, height // CELLS, CELLS, width // CELLS, 3).mean(axis=(1, 3)).astype(np.float32) / 255
    blur = np.stack([255 * reading.enlarge(channel, width, height) for channel in np.moveaxis(coarse, -1, 0)], axis=-1)
    return np.where(marked[..., np.newaxis], blur.round().astype(np.uint8), pixels)


def _hundredths(values: Sequence[float]) -> str:
    found: Interval = interval(values)
    return f"{100 * found.mean:.1f} ± {100 * found.half:.1f}"


def _cost(backbone: Backbone, rounds: int) -> str:
    """In words; called first, since memory that was once taken counts as taken."""
    transform = backbone.transform
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    backbone.feature_map(probes(ENLARGED * transform.height, ENLARGED * transform.width, 1))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1e3
    data = reading.encode_jpeg(draw("rust-stain", 1, 3000, 4000).pixels)
    width, height = picture_size(4000, 3000)
    prototypes = probes(1, backbone.dimension, 10)[:, 0, :, 0].astype(np.float32)
    large = reading.decode(data, enlarged(transform), LIMIT).pixels[np.newaxis]
    small = reading.decode(data, transform, LIMIT).pixels[np.newaxis]
    features = backbone.feature_map(large)[0]

    def picture(*, overlay: bool) -> bytes:
        rgba = layer(reading.enlarge(positive_share(evidence(features, prototypes, 0, 0.05)), width, height))
        if overlay:
            return reading.encode_png(rgba)
        beneath = reading.decode(data, replace(transform, width=width, height=height), LIMIT).pixels
        return reading.encode_png(on_photo(rgba, beneath))

    times = timing.in_turns(
        {
            "decode": lambda: reading.decode(data, enlarged(transform), LIMIT),
            "map": lambda: backbone.feature_map(large),
            "picture": lambda: picture(overlay=False),
            "layer": lambda: picture(overlay=True),
            "embedding": lambda: backbone.embed(small),
        },
        rounds,
    )
    shown = {name: timing.shown(each) for name, each in times.items()}
    return (
        f"Of a photo of 12 megapixels, median milliseconds and their 10 to 90 % range: decoding it for the network "
        f"{shown['decode']}; its features {shown['map']} (an embedding by the "
        f"service's engine: {shown['embedding']}); the picture with its photo, {width} x {height}, {shown['picture']}, "
        f"or the layer alone {shown['layer']}. The first map grows the process by {grown:.0f} MB."
    )


if __name__ == "__main__":
    main()
