"""What is said of support photos: nearest examples, the support report, the evaluation of a catalog by itself.

    python -m benchmarks.support

writes SUPPORT.md.
"""

import argparse
import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.catalogs.past import index_of
from app.catalogs.prototype_cache import Candidate
from app.catalogs.schemas import DefectClassName, NumberedExample
from app.catalogs.support_cache import Supports
from app.catalogs.support_report import Example
from app.catalogs.support_report import report as support_report
from app.inspections.judging import nearest_examples
from app.photos import reading
from app.photos.quality import copies
from app.storage.tables import new_id
from benchmarks import ceiling, draws, report, sources
from benchmarks.heads import Episode, Photos
from benchmarks.report import Section
from models.backbones import Backbone
from models.ridge_head import fit_head
from models.windows import Part

SHOTS = 5
REPORT = report.HERE / "SUPPORT.md"

NEAREST = """How often the nearest of all support photos is of the query's class, and how often one of the three that an
answer names is, beside the accuracy of plain prototypes on the same queries."""

EVALUATION = """What `GET /v1/catalogs/{catalog}/evaluation` says of a catalog before any new photo comes, beside what
new photos then show: both are of the head, *by itself* from one photo less a class. *Confused with*: how often the
class that the support report names is the one that new photos of a class are most often taken for, where they are
mistaken at all; *chance* is a guess."""

WRONG = """One of five examples of every class is a photo of another class. *Found*: wrong examples that the report says
look like another class; *right ones named*: right examples of which it says so, beside wrong ones and where there are
none."""

COPIES = """Each photo beside itself shrunk to half its sides and written again as JPEG: *found* are copies that
are named as near-duplicates of their photo; *others*: pairs of two photos of one class that are."""


def main() -> None:
    """Report on the validation sources and write SUPPORT.md; `--quick` takes few episodes and only prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    episodes = 20 if options.quick else options.episodes
    names = sources.available("validation")
    if not names:
        print(f"skipped: there are no photos in {sources.DATA / 'validation'}")
        return
    load, backbone = os.getloadavg()[0], ceiling.backbone()
    loaded = {name: sources.load("validation", name, backbone) for name in names}
    everything = [
        Photos(name, [source.of_class(label) for label in range(len(source.classes))], {"quick": source.embeddings})
        for name, source in loaded.items()
    ]
    section = Section("support", "What is said of support photos")
    section.text(report.environment(f"python -m benchmarks.support --episodes {episodes}", load))
    section.text(
        f"Backbone `{backbone.backbone_id}`; {episodes:,} episodes a row, all classes of one source, {SHOTS} photos a "
        "class, per cent with 95 % intervals over the episodes."
    )
    section.text("### Nearest examples\n\n" + NEAREST.replace("\n", " "))
    section.table(
        ["source", "prototypes", "nearest is right", "one of three is right"],
        [[each.name, *map(draws.interval, _nearest(each, episodes))] for each in everything],
    )
    section.text("### A catalog judged by itself\n\n" + EVALUATION.replace("\n", " "))
    section.table(
        ["source", "by itself", "new photos", "confused with", "chance"],
        [[each.name, *_evaluated(each, episodes)] for each in everything],
    )
    section.text("### Wrong examples\n\n" + WRONG.replace("\n", " "))
    section.table(
        ["source", "found", "right ones named", "right ones named, none wrong"],
        [[each.name, *map(draws.interval, _wrong(each, episodes))] for each in everything],
    )
    section.text("### Copies\n\n" + COPIES.replace("\n", " "))
    section.table(
        ["source", "copies found", "others"],
        [[name, *_copies(source, backbone)] for name, source in loaded.items()],
    )
    print(section.markdown())
    if not options.quick:
        REPORT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


def _nearest(each: Photos, count: int) -> NDArray[np.float64]:
    rows = []
    for episode in each.episodes([SHOTS] * len(each.classes), count):
        supports = _supports(each, episode)
        index = index_of(1, "", supports)
        queries = each.embeddings["quick"][episode.queries]
        by_prototypes = (queries @ index.matrix[index.rows].T).argmax(axis=1) == episode.truth
        label = {supported.candidate.defect_class.id: place for place, supported in enumerate(supports)}
        named = np.array(
            [[label[found.defect_class_id] for found in nearest_examples(query, supports)] for query in queries]
        )
        right = named == episode.truth[:, np.newaxis]
        rows.append([by_prototypes.mean(), right[:, 0].mean(), right.any(axis=1).mean()])
    return np.array(rows).T


def _evaluated(each: Photos, count: int) -> list[object]:
    ways = len(each.classes)
    own, new, named = [], [], []
    for episode in each.episodes([SHOTS] * ways, count):
        embeddings = each.embeddings["quick"]
        head = fit_head(embeddings[episode.supports], episode.labels)
        answers = head.scores(embeddings[episode.queries]).argmax(axis=1)
        own.append(float((head.nearest == episode.labels).mean()))
        new.append(float((answers == episode.truth).mean()))
        supports = _supports(each, episode)
        index = index_of(1, "", supports)
        for label, supported in enumerate(supports):
            mistaken = answers[(episode.truth == label) & (answers != label)]
            if len(mistaken):
                often = np.bincount(mistaken, minlength=ways)
                said = support_report(supported.candidate.defect_class.id, _examples(supported), index).confused_with
                place = [other.candidate.defect_class for other in supports].index(said) if said else -1
                named.append(float(often[place] == often.max()))
    return [draws.interval(own), draws.interval(new), draws.interval(named), f"{100 / (ways - 1):.0f}"]


def _wrong(each: Photos, count: int) -> NDArray[np.float64]:
    shots = [SHOTS] * len(each.classes)
    spoilt = [list(_doubted(each, episode)) for episode in each.episodes(shots, count, wrong=True)]
    clean = [list(_doubted(each, episode)) for episode in each.episodes(shots, count)]
    # The first of each class is the wrong one.
    with_wrong, without = np.array(spoilt, float), np.array(clean, float)
    return np.stack(
        [with_wrong[:, :, 0].mean(axis=1), with_wrong[:, :, 1:].mean(axis=(1, 2)), without.mean(axis=(1, 2))]
    )


def _doubted(each: Photos, episode: Episode) -> Iterator[list[bool]]:
    """For each class, which of its examples are said to look like another class."""
    supports = _supports(each, episode)
    index = index_of(1, "", supports)
    for supported in supports:
        said = support_report(supported.candidate.defect_class.id, _examples(supported), index)
        strange = {
            support_id
            for warning in said.warnings
            if warning.code == "looks-like-another-class"
            for support_id in warning.support_photo_ids
        }
        yield [support_id in strange for support_id in supported.ids]


def _supports(each: Photos, episode: Episode) -> list[Supports]:
    supports = []
    for label in range(len(each.classes)):
        places = episode.supports[episode.labels == label]
        name = DefectClassName(id=new_id(), name=str(label), title_ko="", title_en="", severity=None)
        ids = tuple(new_id() for _ in places)
        photos, parts = ("",) * len(ids), (Part(),) * len(ids)
        supports.append(Supports(Candidate(name, None, 1), ids, photos, parts, each.embeddings["quick"][places]))
    return supports


def _examples(supported: Supports) -> list[Example]:
    return [
        Example(support_id, NumberedExample(number=number, filename=""), embedding, 224, 224, None, None, None)
        for number, (support_id, embedding) in enumerate(zip(supported.ids, supported.embeddings, strict=True), 1)
    ]


def _copies(source: sources.Source, backbone: Backbone) -> list[str]:
    originals = [photo.quality.fingerprint for photo in sources.decode_all(source.paths, backbone)]
    again = [_copied(path.read_bytes(), backbone) for path in source.paths]
    found = np.mean([len(copies([one, other])) == 1 for one, other in zip(originals, again, strict=True)])
    pairs = alike = 0
    for label in range(len(source.classes)):
        prints = [originals[place] for place in source.of_class(label)]
        for place, one in enumerate(prints):
            pairs += place
            alike += sum(len(copies([one, other])) for other in prints[:place])
    return [f"{100 * found:.1f} of {len(originals)}", f"{alike} of {pairs:,} pairs"]


def _copied(data: bytes, backbone: Backbone) -> str:
    image = reading.decode(data, backbone.transform, 64_000_000)
    half = reading.encode_jpeg(reading.shrink(data, max(image.width, image.height) // 2, 64_000_000), 85)
    return reading.decode(half, backbone.transform, 64_000_000).quality.fingerprint


if __name__ == "__main__":
    main()
