"""Judging query photos, and what inspectors say of the answers."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from app.access.audit.repository import record
from app.acting import Role, acting, actor
from app.api.idempotency.service import Guard, Once
from app.api.pagination import Page, cut
from app.catalogs import repository as catalog_rows
from app.catalogs.errors import DefectClassNotFound
from app.catalogs.prototype_cache import PrototypeIndex
from app.catalogs.service import CatalogService
from app.embedding import Embedder
from app.errors import CatalogNotFound, HeatmapUnavailable
from app.inspections import repository
from app.inspections.chosen import Changed, ChosenChange
from app.inspections.errors import (
    CatalogEmpty,
    ClassificationNotFound,
    FeedbackIncomplete,
    FeedbackNotFound,
    FeedbackNotYours,
)
from app.inspections.filters import ClassificationFilter
from app.inspections.judging import judge, judge_scan, nearest_examples
from app.inspections.schemas import (
    Agreement,
    AgreementOut,
    ClassificationOut,
    FeedbackCreate,
    FeedbackOut,
    NearestExample,
    PhotoOut,
    Prediction,
    PredictionSet,
    RegionFeedbackOut,
    RegionOut,
    Verdict,
)
from app.inspections.site_notes import SiteNotes, SiteNotesChange
from app.inspections.tables import Classification, Feedback, RegionFeedback
from app.metrics import Metrics
from app.photos.intake import KeptPhoto, ReceivedPhoto, Upload
from app.photos.path import PhotoPath
from app.photos.tables import Photo
from app.storage.database import Database, Session, SyncSession
from app.storage.tables import new_id
from models.regions import Scan, scan
from models.windows import is_wide

NO_NOTES = SiteNotes()

NO_CLASS: Final[tuple[Verdict, ...]] = ("unknown", "sound")
"""Verdicts that name none."""


class InspectionService:
    """Classifications and feedback."""

    def __init__(
        self,
        database: Database,
        catalogs: CatalogService,
        photos: PhotoPath,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._catalogs = catalogs
        self._photos = photos
        self._metrics = metrics

    async def classify(
        self,
        catalog_name: str,
        upload: Upload,
        top_k: int,
        once: Guard,
        coverage: float | None = None,
        notes: SiteNotes = NO_NOTES,
    ) -> ClassificationOut:
        """Judge one photo against one catalog and keep the answer; `coverage` asks for a prediction set."""
        # Before the photo is decoded: a catalog that is missing or empty costs the caller no waiting.
        catalog_id, index = await self.index(catalog_name)
        head = await self._catalogs.head(catalog_id, index)
        embedder = await self._photos.embedders.get(index.backbone_id)
        received = await self._photos.intake.take(upload, embedder)
        started = time.perf_counter()
        manifest = embedder.manifest
        found = await self.scan(received, catalog_id, index, embedder) if index.scans else None
        if found is None or found.whole_counts:
            query = received.embedding
            judgement = await asyncio.to_thread(judge, query, index, head, manifest, top_k, coverage)
        else:
            query = found.best_embedding
            every = await self._catalogs.supports(index.candidates, index)
            judgement = await asyncio.to_thread(judge_scan, found, index, every, manifest, top_k)
        supports = await self._catalogs.supports(judgement.best, index)
        # A class may have thousands of examples: not on the event loop.
        nearest = await asyncio.to_thread(nearest_examples, query, supports)
        regions = judgement.regions
        scored = time.perf_counter()
        self._metrics.stage("score").observe(scored - started)
        await self._photos.archive.store([received])
        same = {
            "catalog_version": index.version,
            "backbone_id": index.backbone_id,
            "head": judgement.head,
            "unknown": judgement.unknown,
            "threshold": judgement.threshold,
            "place": notes.place,
            "note": notes.note,
            **actor(),
        }
        fields = same | {
            "catalog_id": catalog_id,
            "photo_sha256": received.decoded.sha256,
            "filename": received.filename,
            "predictions": [prediction.model_dump(mode="json") for prediction in judgement.predictions],
            "prediction_set": judgement.prediction_set and judgement.prediction_set.model_dump(mode="json"),
            "nearest": [each.model_dump(mode="json") for each in nearest],
            "regions": None
            if regions is None
            else [each.model_dump(mode="json", exclude={"feedback"}) for each in regions],
            "first_class_id": judgement.predictions[0].defect_class.id,
            **notes.model_dump(),
        }

        def keep(session: SyncSession) -> ClassificationOut:
            once.claim(session)
            if not catalog_rows.hold(session, catalog_id):
                raise CatalogNotFound(f"The catalog {catalog_name!r} was deleted while the photo was judged.")
            self._photos.archive.keep(session, [received])
            own = {"id": new_id(), "created_at": datetime.now(UTC)}
            repository.add_classification(session, fields | own)
            answer = ClassificationOut(
                catalog=catalog_name,
                predictions=judgement.predictions,
                prediction_set=judgement.prediction_set,
                nearest=nearest,
                sound=_is_sound(regions),
                regions=regions,
                photo=_photo_sent(received, notes),
                feedback=None,
                **same,
                **own,
            )
            once.keep(session, answer)
            return answer

        answer = await self._database.write(keep)
        self._metrics.stage("store").observe(time.perf_counter() - scored)
        return answer

    async def scan(
        self, received: ReceivedPhoto, catalog_id: UUID, index: PrototypeIndex, embedder: Embedder
    ) -> Scan | None:
        """What the windows of a photo show; None where it can only be looked at as a whole.

        That is: it is small, nothing says what is sound, or the network has no features by place.
        """
        if not is_wide(received.decoded.width, received.decoded.height):
            return None
        head = await self._catalogs.window_head(catalog_id, index, embedder.manifest)
        if head is None:
            return None
        try:
            features = await self._photos.intake.wide_map(received, embedder)
        except HeatmapUnavailable:
            return None
        return await asyncio.to_thread(scan, features, head)

    async def get(self, classification_id: UUID) -> ClassificationOut:
        """One classification, as it was answered."""
        async with self._database.reading() as session:
            return await self._told(session, classification_id)

    async def get_all(self, ids: Sequence[UUID]) -> dict[UUID, ClassificationOut]:
        """Those of these classifications that are kept, as they were answered, by id."""
        async with self._database.reading() as session:
            rows = await repository.classifications_by_id(session, ids)
            words = await repository.region_feedback(session, ids)
        return await asyncio.to_thread(lambda: {row[0].id: _out(*row, words) for row in rows})

    async def list_classifications(
        self, wanted: ClassificationFilter, *, before: UUID | None, limit: int
    ) -> Page[ClassificationOut]:
        """A page of the history as far as whoever is acting may see it, newest first."""
        visible = acting().catalogs()
        async with self._database.reading() as session:
            rows = await repository.classifications(session, wanted, visible, before=before, limit=limit)
            words = await repository.region_feedback(session, [row[0].id for row in rows])
        # A third of a millisecond each: a long page is nothing for the event loop.
        answers = await asyncio.to_thread(lambda: [_out(*row, words) for row in rows])
        page, cursor = cut(answers, limit)
        return Page(items=list(page), next_cursor=cursor)

    async def has_more_than(self, most: int, wanted: ClassificationFilter) -> bool:
        """Whether the filtered history is longer."""
        async with self._database.reading() as session:
            return await repository.has_more_than(session, most, wanted, acting().catalogs())

    async def record_export(self, wanted: ClassificationFilter, file: str) -> frozenset[UUID]:
        """Note in the audit trail of each catalog how many of its answers are about to leave; the catalogs' ids."""
        visible = acting().catalogs()
        async with self._database.reading() as session:
            counts = await repository.counts(session, wanted, visible)
        if not counts:
            return frozenset()
        conditions = wanted.model_dump(mode="json", exclude_none=True)
        async with self._database.writing() as session:
            for catalog_id, count in counts.items():
                said = {"classifications": count, "conditions": conditions}
                record(session, "history-exported", catalog_id, None, file=file, **said)
        return frozenset(counts)

    async def change(self, classification_id: UUID, change: SiteNotesChange) -> ClassificationOut:
        """Write place or note of a classification differently."""
        async with self._database.writing() as session:
            found = await self.find(session, classification_id)
            await repository.change(session, found[0], change.changes())
            record(session, "notes-changed", found[0].catalog_id, classification_id, changed=change.changes())
            return await self._told(session, classification_id)

    async def change_many(self, chosen: ChosenChange, once: Once) -> Changed:
        """Write place or status of many classifications at once."""
        fields = changed = chosen.changes()
        if "place" in fields:
            fields = fields | {"place_folded": fields["place"].casefold()}
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            counts = await repository.change_many(session, chosen, acting().catalogs(), fields) if changed else {}
            for catalog_id, count in counts.items():
                record(session, "notes-changed", catalog_id, None, changed=changed, classifications=count)
            answer = Changed(classifications=sum(counts.values()))
            await session.run_sync(once.keep, answer)
        return answer

    async def give_feedback(self, classification_id: UUID, wanted: FeedbackCreate, once: Guard) -> FeedbackOut:
        """Keep the inspector's word on a classification, and make its photo an example where that is wished."""
        if wanted.add_to_support and wanted.verdict in NO_CLASS:
            raise FeedbackIncomplete(
                f"The photo cannot become an example: the verdict {wanted.verdict!r} names no class."
            )
        received = await self._photo_again(classification_id) if wanted.add_to_support else None
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            row, *_ = await self.find(session, classification_id)
            # Its classes and itself may be named until the end.
            if not await session.run_sync(catalog_rows.hold, row.catalog_id, unchanged=True):
                raise ClassificationNotFound
            class_id, class_name = await self._meant(session, row, wanted)
            example = None
            if received is not None:
                if class_id is None:
                    raise FeedbackIncomplete(
                        "The photo cannot become an example: the verdict names no class that still exists."
                    )
                example = await self._catalogs.add_example(session, class_id, received)
            feedback = await repository.add_feedback(
                session,
                {
                    "classification_id": row.id,
                    "verdict": wanted.verdict,
                    "defect_class_id": class_id,
                    "defect_class_name": class_name,
                    "note": wanted.note,
                    "support_photo_id": example,
                    **actor(),
                },
            )
            said = {"verdict": wanted.verdict, "class": class_name, "example": received and received.decoded.sha256}
            record(session, "feedback-given", row.catalog_id, row.id, **said)
            answer = FeedbackOut.model_validate(feedback)
            await session.run_sync(once.keep, answer)
        return answer

    async def withdraw_feedback(self, classification_id: UUID, feedback_id: UUID) -> None:
        """Take a word on a classification back, as if it had not been said; an example that it made stays.

        Raises:
            ClassificationNotFound, FeedbackNotFound: there is none.
            FeedbackNotYours: it is somebody else's, and whoever is acting is no curator.
        """
        async with self._database.writing() as session:
            row, *_ = await self.find(session, classification_id)
            word = await repository.feedback(session, feedback_id)
            if word is None or word.classification_id != row.id:
                raise FeedbackNotFound
            who = acting()
            if word.actor_id != who.id and not who.may(Role.CURATOR, row.catalog_id):
                raise FeedbackNotYours
            await repository.remove_feedback(session, word)
            said = {"verdict": word.verdict, "class": word.defect_class_name}
            record(session, "feedback-withdrawn", row.catalog_id, row.id, **said)

    async def agreement(self, catalog_name: str) -> AgreementOut:
        """How often inspectors agreed with the answers of a catalog, by week and class."""
        async with self._database.reading() as session:
            catalog = await self._catalogs.find(session, catalog_name)
            newest = {row[0]: row for row in await repository.judged(session, catalog.id)}
        judged: Counter[tuple[date, str | None]] = Counter()
        agreed: Counter[tuple[date, str | None]] = Counter()
        for _, created_at, unknown, predictions, borne_out in newest.values():
            day = created_at.astimezone(UTC).date()
            name = None if unknown else Prediction.model_validate(predictions[0]).defect_class.name
            key = (day - timedelta(days=day.weekday()), name)
            judged[key] += 1
            agreed[key] += borne_out
        order = sorted(judged, key=lambda key: (-key[0].toordinal(), key[1] is None, key[1] or ""))
        rows = [Agreement(week=key[0], defect_class=key[1], judged=judged[key], agreed=agreed[key]) for key in order]
        return AgreementOut(catalog=catalog_name, judged=judged.total(), agreed=agreed.total(), rows=rows)

    async def find(
        self, session: Session, classification_id: UUID
    ) -> tuple[Classification, str, Photo, Feedback | None]:
        """A classification, its catalog's name, its photo and newest feedback. Raises `ClassificationNotFound`."""
        found = await repository.classification(session, classification_id)
        if found is None:
            raise ClassificationNotFound
        return found[0], found[1], found[2], found[3]

    async def _told(self, session: Session, classification_id: UUID) -> ClassificationOut:
        found = await self.find(session, classification_id)
        return _out(*found, await repository.region_feedback(session, [classification_id]))

    async def _photo_again(self, classification_id: UUID) -> ReceivedPhoto:
        """The photo of a classification, decoded and embedded as if it had been sent as an example."""
        async with self._database.reading() as session:
            row, catalog, *_ = await self.find(session, classification_id)
            backbone_id = (await self._catalogs.find(session, catalog)).backbone_id
        photo = KeptPhoto(row.filename, await self._photos.archive.bytes(row.photo_sha256))
        return await self._photos.intake.take(photo, await self._photos.embedders.get(backbone_id))

    async def index(self, catalog_name: str) -> tuple[UUID, PrototypeIndex]:
        """A catalog's id and its prototypes as they are now. Raises `CatalogNotFound`, `CatalogEmpty`."""
        catalog_id, index = await self._catalogs.index(catalog_name)
        if not index.candidates:
            raise CatalogEmpty(
                f"The catalog {catalog_name!r} has no defect class with photos yet: register one with five photos "
                f"by POST /v1/catalogs/{catalog_name}/defect-classes, then classify."
            )
        return catalog_id, index

    async def _meant(
        self, session: Session, row: Classification, wanted: FeedbackCreate
    ) -> tuple[UUID | None, str | None]:
        """The class that the feedback is about: its id where it still exists, and its name."""
        if wanted.verdict in NO_CLASS:
            if wanted.defect_class_id is not None:
                raise FeedbackIncomplete(
                    f"The verdict {wanted.verdict!r} names no defect class: leave defect_class_id out."
                )
            return None, None
        if wanted.verdict == "confirmed":
            first = Prediction.model_validate(row.predictions[0]).defect_class
            if wanted.defect_class_id not in {None, first.id}:
                raise FeedbackIncomplete(
                    "That class was not the first prediction: send the verdict 'corrected' instead."
                )
            still = await catalog_rows.defect_class(session, first.id)
            return (first.id if still else None), first.name
        if wanted.defect_class_id is None:
            raise FeedbackIncomplete(
                "The verdict 'corrected' needs defect_class_id: the class that the photo really shows."
            )
        return await class_of(session, row, wanted.defect_class_id)


async def class_of(session: Session, row: Classification, class_id: UUID) -> tuple[UUID, str]:
    """Id and name of a class of the catalog of a classification. Raises `DefectClassNotFound`."""
    defect_class = await catalog_rows.defect_class(session, class_id)
    if defect_class is None or defect_class.catalog_id != row.catalog_id:
        raise DefectClassNotFound("The catalog of this classification has no defect class with this id.")
    return defect_class.id, defect_class.name


def _is_sound(regions: Sequence[object] | None) -> bool | None:
    return None if regions is None else not regions


def _out(
    row: Classification,
    catalog: str,
    photo: Photo,
    feedback: Feedback | None,
    region_feedback: Mapping[UUID, Sequence[RegionFeedback]],
) -> ClassificationOut:
    words = [RegionFeedbackOut.model_validate(each) for each in region_feedback.get(row.id, ())]
    by_number = {word.region: word for word in words}
    answered = len(row.regions or ())
    return ClassificationOut(
        id=row.id,
        catalog=catalog,
        catalog_version=row.catalog_version,
        backbone_id=row.backbone_id,
        head=row.head,
        predictions=[Prediction.model_validate(prediction) for prediction in row.predictions],
        unknown=row.unknown,
        threshold=row.threshold,
        prediction_set=row.prediction_set and PredictionSet.model_validate(row.prediction_set),
        nearest=[NearestExample.model_validate(each) for each in row.nearest or []],
        sound=_is_sound(row.regions),
        regions=None
        if row.regions is None
        else [
            RegionOut.model_validate(each | {"feedback": by_number.get(number)})
            for number, each in enumerate(row.regions, 1)
        ],
        added_regions=[word for word in words if word.region > answered],
        photo=_photo_out(row, photo),
        place=row.place,
        note=row.note,
        status=row.status,
        feedback=None if feedback is None else FeedbackOut.model_validate(feedback),
        actor_id=row.actor_id,
        actor=row.actor,
        created_at=row.created_at,
    )


def _photo_sent(received: ReceivedPhoto, notes: SiteNotes) -> PhotoOut:
    decoded = received.decoded
    place = decoded if notes.latitude is None else notes
    return PhotoOut(
        id=decoded.sha256,
        filename=received.filename,
        width=decoded.width,
        height=decoded.height,
        taken_at=notes.taken_at or (decoded.taken_at and decoded.taken_at.isoformat()),
        latitude=place.latitude,
        longitude=place.longitude,
    )


def _photo_out(row: Classification, photo: Photo) -> PhotoOut:
    place = photo if row.latitude is None else row
    return PhotoOut(
        id=photo.sha256,
        filename=row.filename,
        width=photo.width,
        height=photo.height,
        taken_at=row.taken_at or photo.taken_at,
        latitude=place.latitude,
        longitude=place.longitude,
    )
