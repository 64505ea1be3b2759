"""Defects that cover a part of a photo: named, found and told from what is sound.

    python -m benchmarks.regions

writes REGIONS.md.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks import ceiling, detection, report, sources, wide
from benchmarks.detection import Answer, Found
from benchmarks.draws import SEED, interval
from benchmarks.judges import Everywhere, Quick, Vectors, region_examples, rest_examples
from benchmarks.report import Section
from benchmarks.wide import WHOLE, Boxed, Wide
from models.backbones import Backbone
from models.manifest import sound_surfaces
from models.windows import Region

SHOTS, FOLDS = 5, 4
SIDES = (2, 3, 4)
SOUND_CLASSES = {"concrete_damage_lukrebaa": "no_crack", "masonry_historic": "intact", "solar_panel": "healthy"}
BOXED = ("rooms_facades", "tiles", "corrosion", "concrete_drone")
FALSE_ALARMS = 0.1
REPORT = report.HERE / "REGIONS.md"

PROTOCOL = f"""{SHOTS} examples of every class; ± is the 95 % interval of the mean over draws of examples, and speaks of
nothing else: photos are few. *Quick* is today's answer from the photo as a whole at the network's side; *scan* judges
its windows (`models.windows`, `models.regions`). Photos go through the service's own functions; the embeddings that
stand in for sound surfaces are those of the checkpoint. Nothing here was trained on. A catalog whose mode is automatic
is answered by *scan* once an example of a defect is a part of its photo, and by *quick* until then: below, *scan* with
examples of whole photos (mosaics, examples without boxes, close-ups) is what the mode `scan`, set by hand, does."""

MOSAICS = f"""One defective photo among sound ones of its source, {wide.TILE} pixels each, sent as one JPEG. Examples
are close-ups as whole photos, {SHOTS} sound ones as sound examples; they and the tiles come from
different halves of the source, which change places. *Named*: the first class is right. *At 10 %*: it is, and the photo
scores above the threshold that {100 * FALSE_ALARMS:.0f} % of the sound mosaics pass (chosen on them). *Shipped*: a
region is found and the first is named right, with the threshold that ships; *alarms*: sound mosaics in which one is
found. *Points*: the middle of the first region lies in the defective tile, and its class is right. *Alone*: the same
tiles, each as a photo of its own, judged by quick. Quick has the sound class as one of its classes."""

BOXES = f"""Photos with boxes ({FOLDS} folds: a query's examples come from others, on rooms_facades from other places by
`shoot_order.json`). *First*: the first class is one of the photo's, among photos with a defect. *mAP*: of photos by
class. *Points*: the middle of the first region lies in a box of its class. *AP*: average precision of boxes at
IoU {detection.OVERLAP}, mean over classes. *Found*: boxes found and rightly named at one false box a photo. *Seen*:
photos with a defect in which one is found; *alarms*: clean ones, clean_facades among them, in which one is; *right*:
the mean of seen and no alarm. Quick calls every photo defective and points at its middle. *Commonest class*: always the
most frequent one, at the middle. A source of one class has nothing to name."""

CLOSE = """Photos in which the defect fills the frame: sources of ACCURACY.md, at most 20 photos a class, without sound
examples; differences are of the same draws. *Scanned*: how many photos are large enough for windows. *Enlarged*: all
are taken for 8 times as large as they are, so that every one is scanned."""

RELIABILITY = """What is said of a region (the probability that it is a defect at all), against how often the middle of
such a region lies in a box: over all draws of the tables above, scan with boxes and mosaics."""


def main() -> None:
    """Measure all and write REGIONS.md; `--quick` takes few draws and photos and only prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if not (sources.DATA / "boxes").is_dir() or not sources.available("validation"):
        print(f"skipped: there are no photos in {sources.DATA}")
        return
    load, backbone = os.getloadavg()[0], ceiling.backbone()
    threadpool_limits(1, "blas")  # as the service does
    generic = sound_surfaces(backbone.manifest, backbone.dimension)
    size = Size(2, 2, 6, 8) if options.quick else Size(options.draws, 6, 20, 20)
    section = Section("regions", "Defects that cover a part of a photo")
    section.text(report.environment(f"python -m benchmarks.regions --draws {size.draws}", load))
    section.text(f"{_flat(PROTOCOL)} Backbone `{backbone.backbone_id}`, {size.draws} draws.")
    reliability = Reliability()
    mosaics(section, backbone, generic, size, reliability)
    boxes(section, backbone, generic, size, reliability)
    close_ups(section, backbone, generic, size)
    section.text("## Are probabilities right?\n\n" + _flat(RELIABILITY))
    section.table(["said", *reliability.said], reliability.rows())
    print(section.markdown())
    if not options.quick:
        REPORT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


@dataclass(frozen=True)
class Size:
    """How much is measured: draws, mosaics a defect class and sound ones (of each half), close-ups a class."""

    draws: int
    mosaics: int
    sound: int
    close: int


class Reliability:
    """What was said of regions, and whether it was so."""

    STEPS = np.linspace(0.5, 1, 6)

    def __init__(self) -> None:
        self.said: dict[str, list[tuple[float, bool]]] = defaultdict(list)

    def add(self, kind: str, answer: Answer, photo: Wide) -> None:
        """The regions of one answer."""
        self.said[kind] += [
            (each.score, any(detection.has_middle(box, each.region) for box in photo.regions))
            for each in answer.regions
        ]

    def rows(self) -> list[list[object]]:
        """A row for each step of what was said."""
        rows: list[list[object]] = []
        for low, high in zip(self.STEPS, self.STEPS[1:], strict=False):
            row: list[object] = [f"{100 * low:.0f} to {100 * high:.0f} %"]
            for said in self.said.values():
                of_step = [was for score, was in said if low <= score < high or score == high == 1]
                row.append(f"{100 * np.mean(of_step):.0f} % of {len(of_step)}" if of_step else "none")
            rows.append(row)
        return rows


Row = dict[str, list[float]]


def mosaics(section: Section, backbone: Backbone, generic: Vectors, size: Size, reliability: Reliability) -> None:
    """The section about mosaics."""
    section.text("## Mosaics of close-ups\n\n" + _flat(MOSAICS))
    results = {name: _mosaics_of(name, backbone, generic, size, reliability) for name in SOUND_CLASSES}
    shown: list[list[object]] = []
    for side in SIDES:
        every = {name: of_side[side] for name, of_side in results.items()}
        keys = next(iter(every.values())).keys()
        mean = {key: list(np.mean([each[key] for each in every.values()], axis=0)) for key in keys}
        shown += [[f"{side} x {side}", name, *map(interval, each.values())] for name, each in every.items()]
        shown.append([f"{side} x {side}", "mean", *map(interval, mean.values())])
        if side == 3:
            goal = mean
    section.table(["mosaic", "source", *keys], shown)
    share = np.mean(goal["scan: at 10 %"]) / np.mean(goal["alone: at 10 %"])
    shipped = np.mean(goal["scan: shipped"]) / np.mean(goal["alone: at 10 %"])
    section.text(
        f"3 x 3, mean over sources: scan at 10 % false alarms over the same tiles alone at 10 %: "
        f"{report.verdict(float(share), 0.85)}; with the shipped threshold {shipped:.2f}, and false alarms %: "
        f"{report.verdict(100 * float(np.mean(goal['scan: alarms'])), 10, at_most=True, digits=1)}."
    )


def _mosaics_of(
    name: str, backbone: Backbone, generic: Vectors, size: Size, reliability: Reliability
) -> dict[int, Row]:
    """By side; every list has one figure a draw, the mean over both halves of the source."""
    folder = sources.DATA / "validation" / name
    sound = SOUND_CLASSES[name]
    classes = [path.name for path in sorted(folder.iterdir()) if path.name != sound] + [sound]
    random = np.random.default_rng([SEED, 1])
    files = [random.permutation(np.array(sorted((folder / each).glob("*.jpg")))).tolist() for each in classes]
    found: dict[int, dict[str, list[list[float]]]] = {side: defaultdict(list) for side in SIDES}
    for half in range(2):
        tiles = [of_class[half::2] for of_class in files]
        alone = [[wide.see_file(path, backbone) for path in of_class[: size.sound]] for of_class in tiles]
        catalogs = [
            _catalog([_examples(of_class[1 - half :: 2], number) for of_class in files], generic, backbone)
            for number in range(size.draws)
        ]
        for side in SIDES:
            made = list(_mosaics(tiles, side, size, random, backbone))
            shown = [each for of_class in alone[:-1] for each in of_class[: size.mosaics]]
            truth = [label for label, of_class in enumerate(alone[:-1]) for _ in of_class[: size.mosaics]]
            for key, of_draws in _judged(catalogs, made, shown, truth, alone[-1], reliability).items():
                found[side][key].append(of_draws)
    return {side: {key: list(np.mean(halves, axis=0)) for key, halves in each.items()} for side, each in found.items()}


def _examples(files: Sequence[Path], number: int) -> list[Path]:
    return [files[place] for place in np.random.default_rng([SEED, 2, number]).permutation(len(files))[:SHOTS]]


def _catalog(examples: Sequence[Sequence[Path]], generic: Vectors, backbone: Backbone) -> tuple[Quick, Everywhere]:
    """Of a draw; the last class is the sound one."""
    pixels = [np.stack([wide.pixels(path, backbone) for path in of_class]) for of_class in examples]
    labels = np.repeat(np.arange(len(examples)), list(map(len, examples)))
    together = backbone.embed(np.concatenate(pixels))
    defective = labels < len(examples) - 1
    sides = together[defective], labels[defective], together[~defective]
    return Quick.of(together, labels), Everywhere.of(*sides, _none(generic), generic)


def _mosaics(
    tiles: Sequence[Sequence[Path]], side: int, size: Size, random: np.random.Generator, backbone: Backbone
) -> Iterator[Wide]:
    defective = [(label, path) for label, of_class in enumerate(tiles[:-1]) for path in of_class[: size.mosaics]]
    for each in [*defective, *[None] * size.sound]:
        chosen = [tiles[-1][place] for place in random.integers(len(tiles[-1]), size=side**2)]
        place = int(random.integers(side**2))
        if each is not None:
            chosen[place] = each[1]
        yield wide.mosaic(chosen, side, None if each is None else (place, each[0]), backbone)


def _judged(
    catalogs: Sequence[tuple[Quick, Everywhere]],
    made: Sequence[Wide],
    shown: Sequence[Wide],
    truth: Sequence[int],
    sound: Sequence[Wide],
    reliability: Reliability,
) -> Row:
    """made: mosaics, first those of the tiles `shown`, whose classes are `truth`, then sound ones; a figure a draw."""
    row: Row = defaultdict(list)
    count = len(truth)
    for quick, everywhere in catalogs:
        leads = {
            kind: np.stack([scores[:-1] - scores[-1] for photo in photos for scores in quick.scores(photo.whole[None])])
            for kind, photos in {"alone": [*shown, *sound], "quick": made}.items()
        }
        answers = [everywhere.answer(photo) for photo in made]
        for answer, photo in zip(answers, made, strict=True):
            reliability.add("mosaics", answer, photo)
        judged = {kind: (lead.argmax(axis=1), lead.max(axis=1)) for kind, lead in leads.items()}
        judged["scan"] = (
            np.array([answer.named for answer in answers]),
            np.array([answer.defective for answer in answers]),
        )
        for kind, (named, defective) in judged.items():
            right = named[:count] == truth
            threshold = np.quantile(defective[count:], 1 - FALSE_ALARMS, method="higher")
            row[f"{kind}: named"].append(float(right.mean()))
            row[f"{kind}: at 10 %"].append(float((right & (defective[:count] > threshold)).mean()))
        first = [bool(answer.regions) and answer.regions[0].label == label
                 for answer, label in zip(answers, truth, strict=False)]  # fmt: skip
        row["scan: shipped"].append(float(np.mean(first)))
        row["scan: alarms"].append(float(np.mean([bool(answer.regions) for answer in answers[count:]])))
        pointed = [
            detection.points_right(answer, photo.defects) for answer, photo in zip(answers, made[:count], strict=False)
        ]
        row["scan: points"].append(float(np.mean(pointed)))
    return row


def boxes(section: Section, backbone: Backbone, generic: Vectors, size: Size, reliability: Reliability) -> None:
    """The section about photos with boxes."""
    section.text("## Photos with boxes\n\n" + _flat(BOXES))
    clean = wide.boxed("clean_facades", backbone).photos
    rows: list[list[object]] = []
    for name in BOXED:
        results = _boxes_of(wide.boxed(name, backbone), clean, generic, size, reliability)
        several = len(results["commonest class"]["mAP"]) > 0
        rows += [
            [name, kind, *("-" if not of_draws else interval(of_draws) for of_draws in row.values())]
            for kind, row in results.items()
        ]
        if name == "rooms_facades" and several:
            goals = results["scan, examples with boxes"]
    section.table(["source", "judge", *row_keys(results)], rows)
    section.text(
        "rooms_facades, goals: "
        + "; ".join(
            f"{key} {report.verdict(100 * float(np.mean(goals[key])), goal, digits=1)}"
            for key, goal in {"first": 65, "mAP": 55, "points": 55}.items()
        )
        + "."
    )


def row_keys(results: dict[str, Row]) -> list[str]:
    """The columns of the table of boxes."""
    return list(next(iter(results.values())))


Judge = Callable[[Wide], Answer]


def _boxes_of(
    source: Boxed, clean: Sequence[Wide], generic: Vectors, size: Size, reliability: Reliability
) -> dict[str, Row]:
    rows: dict[str, Row] = defaultdict(lambda: defaultdict(list))
    for number in range(size.draws):
        random = np.random.default_rng([SEED, 3, number])
        answered: dict[str, list[tuple[Answer, Wide]]] = defaultdict(list)
        facades: dict[str, list[Answer]] = defaultdict(list)
        for queries, rest in _folds(source, random):
            for kind, judge in _judges(source, rest, generic, random).items():
                answered[kind] += [(judge(photo), photo) for photo in queries]
                facades[kind] += [judge(photo) for photo in clean]
        for answer, photo in answered["scan, examples with boxes"]:
            reliability.add("photos with boxes", answer, photo)
        for kind, pairs in answered.items():
            for key, value in _figures(pairs, facades[kind], source).items():
                rows[kind][key] += [] if value is None else [value]
    return rows


def _folds(source: Boxed, random: np.random.Generator) -> Iterator[tuple[list[Wide], list[Wide]]]:
    """Queries and the other photos, no place in both; each of the latter shows every class."""
    blocks = np.array([photo.block for photo in source.photos])
    every = set(range(len(source.classes)))
    while True:
        folds = np.array_split(random.permutation(np.unique(blocks)), FOLDS)
        parts = [
            ([source.photos[place] for place in np.flatnonzero(inside)],
             [source.photos[place] for place in np.flatnonzero(~inside)])
            for inside in (np.isin(blocks, fold) for fold in folds)
        ]  # fmt: skip
        if all({label for photo in rest for label, _ in photo.defects} == every for _, rest in parts):
            yield from parts
            return


def _judges(source: Boxed, rest: Sequence[Wide], generic: Vectors, random: np.random.Generator) -> dict[str, Judge]:
    chosen = [_chosen(rest, label, random) for label in range(len(source.classes))]
    flat = [each for of_class in chosen for each in of_class]
    labels = np.repeat(np.arange(len(chosen)), list(map(len, chosen)))
    with_boxes, without = region_examples(flat), np.stack([photo.whole for photo, _ in flat])
    rests = rest_examples(list({id(photo): photo for photo, _ in flat}.values()))
    none = _none(generic)
    counts = np.bincount([label for photo in rest for label in {label for label, _ in photo.defects}])
    commonest = int(counts.argmax())
    constant = Answer(commonest, np.zeros(len(counts)), 0.0, [Found(WHOLE, commonest, 1.0)])
    return {
        "commonest class": lambda _: constant,
        "quick, examples without boxes": Quick.of(without, labels).answer,
        "quick, examples with boxes": Quick.of(with_boxes, labels).answer,
        "scan, examples without boxes": Everywhere.of(without, labels, none, none, generic).answer,
        "scan, examples with boxes": Everywhere.of(with_boxes, labels, none, rests, generic).answer,
    }


def _chosen(photos: Sequence[Wide], label: int, random: np.random.Generator) -> list[tuple[Wide, Region]]:
    """Boxes of a class, each of another photo as long as there are any."""
    have = [(photo, region) for photo in photos for each, region in photo.defects if each == label]
    shuffled = [have[place] for place in random.permutation(len(have))]
    first, later = list[tuple[Wide, Region]](), list[tuple[Wide, Region]]()
    seen = set[int]()
    for each in shuffled:
        (later if id(each[0]) in seen else first).append(each)
        seen.add(id(each[0]))
    return (first + later)[:SHOTS]


def _figures(pairs: Sequence[tuple[Answer, Wide]], facades: Sequence[Answer], source: Boxed) -> dict[str, float | None]:
    answers, defects = [answer for answer, _ in pairs], [photo.defects for _, photo in pairs]
    shown = [(answer, boxes) for answer, boxes in zip(answers, defects, strict=True) if boxes]
    unharmed = [answer for answer, boxes in zip(answers, defects, strict=True) if not boxes] + [*facades]
    seen = float(np.mean([bool(answer.regions) for answer, _ in shown]))
    alarms = float(np.mean([bool(answer.regions) for answer in unharmed]))
    several = len(source.classes) > 1
    return {
        "first": float(np.mean([answer.named in {label for label, _ in boxes} for answer, boxes in shown]))
        if several
        else None,
        "mAP": _photo_precision(answers, defects, len(source.classes)) if several else None,
        "points": float(np.mean([detection.points_right(*each) for each in shown])),
        "AP": detection.box_precision(answers, defects, len(source.classes)),
        "found": detection.found_at_one_false(answers, defects),
        "seen": seen,
        "alarms": alarms,
        "right": (seen + 1 - alarms) / 2,
        "AUROC": detection.area_under_roc(
            np.array([answer.defective for answer, _ in shown]), np.array([answer.defective for answer in unharmed])
        ),
    }


def _photo_precision(answers: Sequence[Answer], defects: Sequence[detection.Defects], classes: int) -> float:
    if any(answer.scores.any() for answer in answers):
        return detection.mean_average_precision(answers, defects, classes)
    # Who tells nothing apart ranks by chance: the precision is the share of photos that show the class.
    return float(np.mean([[label in {each for each, _ in boxes} for label in range(classes)] for boxes in defects]))


def close_ups(section: Section, backbone: Backbone, generic: Vectors, size: Size) -> None:
    """The section about photos that a defect fills."""
    section.text("## Close-ups\n\n" + _flat(CLOSE))
    rows: list[list[object]] = []
    for name in sources.available("validation"):
        photos, labels = _close(name, backbone, size)
        figures: Row = defaultdict(list)
        for number in range(size.draws):
            random = np.random.default_rng([SEED, 4, number])
            places = [random.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
            supports = np.concatenate([each[:SHOTS] for each in places])
            queries = np.concatenate([each[SHOTS:] for each in places])
            examples = np.stack([photos[place][0].whole for place in supports])
            none = _none(generic)
            judge = Everywhere.of(examples, labels[supports], none, none, generic)
            quick, scan, enlarged = (
                np.mean([answer(photos[place][of]).named == labels[place] for place in queries])
                for answer, of in ((judge.quick.answer, 0), (judge.answer, 0), (judge.answer, 1))
            )
            for key, value in {
                "quick": quick,
                "scan - quick": scan - quick,
                "enlarged - quick": enlarged - quick,
            }.items():
                figures[key].append(float(value))
        scanned = sum(photo.features is not None for photo, _ in photos)
        rows.append([name, len(labels), scanned, *map(interval, figures.values())])
    section.table(["source", "photos", "scanned", *figures], rows)


def _close(name: str, backbone: Backbone, size: Size) -> tuple[list[tuple[Wide, Wide]], NDArray[np.int64]]:
    """Each photo as it is and enlarged, and their classes."""
    folder = sources.DATA / "validation" / name
    files = [
        (path, label)
        for label, kind in enumerate(sorted(folder.iterdir()))
        for path in sorted(kind.glob("*.jpg"))[: size.close]
    ]
    seen = [(wide.see_file(path, backbone), wide.see_file(path, backbone, enlarged=8)) for path, _ in files]
    return seen, np.array([label for _, label in files])


def _none(generic: Vectors) -> Vectors:
    return np.empty((0, generic.shape[1]), np.float32)


def _flat(text: str) -> str:
    return text.replace("\n", " ")


if __name__ == "__main__":
    main()
