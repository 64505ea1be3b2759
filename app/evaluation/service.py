"""Leave-one-out evaluation of a catalog on the embeddings that are stored."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray

from app.api.language import Language
from app.catalogs import repository as catalog_rows
from app.catalogs.schemas import DefectClassName, Share
from app.catalogs.service import CatalogService
from app.errors import HajaError
from app.evaluation.schemas import CatalogEvaluation, ClassEvaluation, Confusion
from app.storage.database import Database
from models.confusion_picture import draw_confusion
from models.leave_one_out import nearest_without
from models.manifest import HeadName
from models.ridge_head import can_have_head, fit_head

MAX_CONFUSIONS = 1000
MAX_DRAWN = 60

_WORDS: dict[Language, tuple[str, str, str]] = {
    "ko": ("판정", "실제 유형", "판정할 수 있는 사진이 없음"),
    "en": ("answer", "truth", "no photo could be judged"),
}


class CatalogTooLargeToDraw(HajaError):
    """A confusion matrix of so many classes cannot be read."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "catalog-too-large-to-draw"


@dataclass(frozen=True)
class _Judged:
    """The support photos of a catalog at one version: labels and answers int64 [S] are places in `classes`."""

    version: int
    backbone_id: str
    classes: list[DefectClassName]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    head: HeadName


class EvaluationService:
    """Evaluations of catalogs; nothing is stored."""

    def __init__(self, database: Database, catalogs: CatalogService) -> None:
        self._database = database
        self._catalogs = catalogs

    async def evaluate(self, catalog: str) -> CatalogEvaluation:
        """Judge every support photo of a catalog by the others."""
        judged = await self._judge(catalog)
        return await asyncio.to_thread(_describe, catalog, judged)

    async def draw(self, catalog: str, language: Language) -> bytes:
        """The confusion matrix as a PNG."""
        judged = await self._judge(catalog)
        if len(judged.classes) > MAX_DRAWN:
            raise CatalogTooLargeToDraw(
                f"A confusion matrix of {len(judged.classes)} classes cannot be read; at most {MAX_DRAWN} are drawn. "
                f"GET /v1/catalogs/{catalog}/evaluation lists the confusions."
            )
        return await asyncio.to_thread(_draw, catalog, judged, language)

    async def _judge(self, catalog_name: str) -> _Judged:
        # One reading session sees one state: the version and the photos belong together.
        async with self._database.reading() as session:
            catalog = await self._catalogs.find(session, catalog_name)
            version, classes = catalog.version, await catalog_rows.class_names(session, catalog.id)
            supports = list(await catalog_rows.support_embeddings(session, catalog.id, catalog.backbone_id))
        place = {row.id: number for number, row in enumerate(classes)}
        supports = [row for row in supports if row[0] in place]  # sound surfaces are no type of defect
        labels = np.array([place[class_id] for class_id, _ in supports], np.int64)
        answers, head = await asyncio.to_thread(judge_by_others, [vector for _, vector in supports], labels)
        names = [DefectClassName.model_validate(row) for row in classes]
        return _Judged(version, catalog.backbone_id, names, labels, answers, head)


def judge_by_others(vectors: Sequence[bytes], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], HeadName]:
    """What each photo is taken for without itself, -1 where its class has no other; by the head that answers have."""
    if not vectors:
        return np.empty(0, np.int64), "prototypes"
    # Classes without photos cannot be recognised: number those that have some.
    used, dense = np.unique(labels, return_inverse=True)
    embeddings = np.stack([np.frombuffer(vector, "<f4") for vector in vectors])
    nearest, name = _by_best(embeddings, dense)
    return np.where(nearest < 0, -1, used[nearest]), name


def _by_best(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], HeadName]:
    if can_have_head(int(labels.max()) + 1, len(labels)):
        head = fit_head(embeddings, labels)
        if not head.outdone:
            return head.nearest, "ridge"
    return nearest_without(embeddings, labels), "prototypes"


def _describe(catalog: str, judged: _Judged) -> CatalogEvaluation:
    known = judged.answers >= 0
    right = judged.answers == judged.labels
    wrong = Counter(zip(judged.labels[known & ~right].tolist(), judged.answers[known & ~right].tolist(), strict=True))
    most = {truth: answer for (truth, answer), _ in reversed(wrong.most_common())}
    counts = [
        np.bincount(judged.labels[chosen], minlength=len(judged.classes)).tolist()
        for chosen in (slice(None), known, right)
    ]
    classes = [
        ClassEvaluation(
            defect_class=name,
            shots=shots,
            recall=Share.of(recognised, known_shots),
            confused_with=judged.classes[most[place]] if place in most else None,
        )
        for place, (name, shots, known_shots, recognised) in enumerate(zip(judged.classes, *counts, strict=True))
    ]
    classes.sort(key=lambda each: (0.0 if each.recall is None else each.recall.low, each.shots))
    return CatalogEvaluation(
        catalog=catalog,
        catalog_version=judged.version,
        backbone_id=judged.backbone_id,
        head=judged.head,
        accuracy=Share.of(int(right.sum()), int(known.sum())),
        not_judged=int((~known).sum()),
        classes=classes,
        confusions=[
            Confusion(truth=judged.classes[truth].id, answer=judged.classes[answer].id, photos=count)
            for (truth, answer), count in wrong.most_common(MAX_CONFUSIONS)
        ],
    )


def _draw(catalog: str, judged: _Judged, language: Language) -> bytes:
    known = judged.answers >= 0
    counts = np.zeros((len(judged.classes),) * 2, np.int64)
    np.add.at(counts, (judged.labels[known], judged.answers[known]), 1)
    share = Share.of(int(counts.trace()), int(counts.sum()))
    answer, truth, nothing = _WORDS[language]
    figure = nothing if share is None else f"{share.value:.0%} ({share.low:.0%} – {share.high:.0%})"
    classes = [each.title(language) for each in judged.classes]
    return draw_confusion(counts, classes, f"{catalog}: {figure}", answer, truth)
