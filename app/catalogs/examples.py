"""Examples of classes: photos or parts of them, and what lies outside of parts as examples of sound surfaces."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.access.audit.repository import record
from app.catalogs import history, repository
from app.catalogs.errors import BackboneSwitched, NoUsablePhoto
from app.catalogs.prototype_cache import PrototypeIndex
from app.catalogs.repository import NameTakenError, Turn
from app.catalogs.schemas import PhotoOutcome, PhotoProblem
from app.catalogs.tables import DefectClass, SupportPhoto
from app.errors import RequestInvalid
from app.photos.errors import TooManyRegions
from app.photos.intake import MappedPhoto, ReceivedPhoto, Refused, Upload
from app.photos.path import PhotoPath
from app.photos.regions import MAX_REGIONS, boxes_of
from app.storage.database import Database, Session
from models.prototypes import embedding_sum
from models.windows import Part, Region

SOUND_NAMES = ("sound", "sound surfaces", "sound surfaces outside of regions")
"""Of the class that is made where a catalog has none of this kind: the first that is free."""

Regions = Mapping[int, tuple[Region, ...]]
"""Of photos, by their place in the request."""


class Examples:
    """Takes examples in and writes them, in transactions of whoever calls."""

    def __init__(self, database: Database, photos: PhotoPath) -> None:
        self._database = database
        self._photos = photos

    async def take(
        self, uploads: Sequence[Upload], index: PrototypeIndex, regions: Regions
    ) -> list[ReceivedPhoto | Refused]:
        """Photos decoded and embedded; those with regions by these alone.

        Raises:
            NoUsablePhoto, RequestInvalid: nothing can be used; a photo with regions cannot.
            QueueFull, DecoderUnavailable, EmbedderUnavailable, HeatmapUnavailable, StorageUnavailable.
        """
        embedder = await self._photos.embedders.get(index.backbone_id)
        taken = await self._photos.intake.take_all(uploads, embedder)
        if not any(isinstance(photo, ReceivedPhoto) for photo in taken):
            faults = [
                _outcome_of_refused(photo).model_dump(exclude_none=True, exclude={"regions"})
                for photo in taken
                if isinstance(photo, Refused)
            ]
            raise NoUsablePhoto(
                "None of the photos can be used, so nothing was stored; errors says why.", errors=faults
            )
        for place, boxes in regions.items():
            photo = taken[place]
            if isinstance(photo, Refused):
                fault = f"{photo.filename} has regions, and cannot be used: {photo.error.detail}"
                raise RequestInvalid(f"Nothing was stored: {fault}", errors=[{"field": "body.regions", "fault": fault}])
            (part,) = await self._photos.intake.take_parts(photo, [Part(boxes)], embedder)
            assert part is not None  # noqa: S101 - only a rest may be too small
            taken[place] = part
        await self._photos.archive.store([photo for photo in taken if isinstance(photo, ReceivedPhoto)])
        return taken

    async def rests(
        self, catalog_id: UUID, taken: Sequence[ReceivedPhoto | Refused], index: PrototypeIndex, *, sound: bool
    ) -> list[ReceivedPhoto]:
        """What lies outside the regions of these photos and of all defects that the catalog knows in them.

        Where `sound` is false, only of photos whose rest is an example already: it has become smaller.
        """
        parts = {
            photo.decoded.sha256: photo for photo in taken if isinstance(photo, ReceivedPhoto) and photo.part.regions
        }
        if not parts:
            return []
        async with self._database.reading() as session:
            known = await repository.defect_parts(session, catalog_id, list(parts))
            kept = await repository.rests(session, catalog_id, list(parts))
        embedder = await self._photos.embedders.get(index.backbone_id)
        found = []
        for sha256, photo in parts.items():
            others = [Part.parse(text) for text in known.get(sha256, [])]
            if not (sound or sha256 in kept) or not all(other.regions for other in others):
                continue  # the whole photo shows a defect
            regions = {*photo.part.regions, *(region for other in others for region in other.regions)}
            wanted = [Part(tuple(sorted(regions)), is_rest=True)]
            found += [rest for rest in await self._photos.intake.take_parts(photo, wanted, embedder) if rest]
        return found

    async def add(
        self, session: Session, defect_class: DefectClass, taken: Sequence[ReceivedPhoto | Refused], turn: Turn
    ) -> list[PhotoOutcome]:
        """Write photos, embeddings, support photos and prototype of a class that this transaction holds."""
        received = {photo.decoded.sha256: photo for photo in taken if isinstance(photo, ReceivedPhoto)}
        known = await repository.known_sha256s(session, defect_class.id, list(received))
        new = [photo for sha256, photo in received.items() if sha256 not in known]
        added: dict[str, UUID] = {}
        if any(photo.backbone_id != turn.backbone_id for photo in new):
            raise BackboneSwitched
        if new:
            await session.run_sync(self._photos.archive.keep, new)
            await session.run_sync(self._photos.archive.keep_embeddings, new)
            # What is stored counts: the same photo in another class has an embedding, which may differ in its last bit.
            parts = [(photo.decoded.sha256, photo.part.text) for photo in new]
            stored = await self._photos.archive.embeddings(session, turn.backbone_id, parts)
            await repository.shift_prototype(
                session, defect_class.id, turn.backbone_id, _total(stored.values()), len(stored)
            )
            rows = [(photo.decoded.sha256, photo.part.text, photo.filename) for photo in new]
            added = await repository.add_support_photos(session, defect_class.id, rows, turn.version)
            await repository.change(session, defect_class, {"changed_in": turn.version})
        return _outcomes(taken, known, added)

    async def remove(self, session: Session, defect_class: DefectClass, support: SupportPhoto, turn: Turn) -> None:
        """Take an example back from a class that this transaction holds; its photo stays."""
        part = [(support.photo_sha256, support.part)]
        stored = await self._photos.archive.embeddings(session, turn.backbone_id, part)
        await repository.shift_prototype(
            session, defect_class.id, turn.backbone_id, -_total(stored.values()), -len(stored)
        )
        await history.keep_support_photo(session, support.id, turn.version)
        await repository.delete_support_photo(session, support.id)
        await repository.change(session, defect_class, {"changed_in": turn.version})

    async def add_region(
        self, session: Session, defect_class: DefectClass, photo: MappedPhoto, region: Region, turn: Turn
    ) -> UUID:
        """Make a region of a kept photo an example of a class that this transaction holds; the example's id.

        A photo is an example of a class once: beside others of its regions, this one joins them in a new example.
        Where all of the photo is one, or in a class of sound surfaces its rest, nothing is left to add.

        Raises:
            TooManyRegions: `MAX_REGIONS` are in the example already.
            BackboneSwitched: the catalog is answered by another backbone by now.
        """
        sha256 = photo.photo.decoded.sha256
        regions = {region}
        for known in await repository.support_photos_of(session, defect_class.id, [sha256]):
            part = Part.parse(known.part)
            if part.is_rest or not part.regions or region in part.regions:
                return known.id
            regions.update(part.regions)
            if len(regions) > MAX_REGIONS:
                raise TooManyRegions
            await self.remove(session, defect_class, known, turn)
        received = await asyncio.to_thread(photo.part, Part(tuple(sorted(regions))))
        assert received is not None  # noqa: S101 - only a rest may be too small
        (outcome,) = await self.add(session, defect_class, [received], turn)
        if defect_class.kind == "defect":
            await self._shrink_rest(session, defect_class.catalog_id, photo, turn)
        assert outcome.support_photo_id is not None  # noqa: S101 - it was accepted
        return outcome.support_photo_id

    async def _shrink_rest(self, session: Session, catalog_id: UUID, photo: MappedPhoto, turn: Turn) -> None:
        """Leave out of a photo's rest, where it is an example of a sound surface, every defect that is known by now."""
        sha256 = photo.photo.decoded.sha256
        if not await repository.rests(session, catalog_id, [sha256]):
            return
        parts = (await repository.defect_parts(session, catalog_id, [sha256]))[sha256]
        regions = {region for text in parts for region in Part.parse(text).regions}
        rest = await asyncio.to_thread(photo.part, Part(tuple(sorted(regions)), is_rest=True))
        await self.keep_rests(session, catalog_id, [] if rest is None else [rest], turn)
        await self.drop_rests(session, catalog_id, [sha256], turn)

    async def keep_rests(self, session: Session, catalog_id: UUID, rests: Sequence[ReceivedPhoto], turn: Turn) -> None:
        """Make rests examples of the catalog's class of sound surfaces, in place of larger rests of the same photos."""
        if not rests:
            return
        sound = await repository.sound_class(session, catalog_id) or await make_sound(session, catalog_id, turn)
        sha256s = [photo.decoded.sha256 for photo in rests]
        for older in await repository.support_photos_of(session, sound.id, sha256s):
            await self.remove(session, sound, older, turn)
        await self.add(session, sound, rests, turn)
        record(session, "examples-added", catalog_id, sound.id, name=sound.name, photos=sha256s)

    async def drop_rests(self, session: Session, catalog_id: UUID, sha256s: Sequence[str], turn: Turn) -> None:
        """Take rests back that are sound no more: of photos that show no defect any more, or one in their rest."""
        kept = await repository.rests(session, catalog_id, sha256s)
        known = await repository.defect_parts(session, catalog_id, list(kept))
        for sha256, support in kept.items():
            parts = [Part.parse(text) for text in known.get(sha256, [])]
            left_out = set(Part.parse(support.part).regions)
            if not parts or not all(part.regions and left_out.issuperset(part.regions) for part in parts):
                sound = await repository.defect_class(session, support.defect_class_id)
                assert sound is not None  # noqa: S101 - it has this support photo
                await self.remove(session, sound, support, turn)
                named = {"name": sound.name, "photo_id": sha256}
                record(session, "example-removed", catalog_id, support.id, **named)


def added_photos(photos: Iterable[PhotoOutcome]) -> list[str]:
    """The ids of those photos that became examples."""
    return [photo.photo_id for photo in photos if photo.status == "accepted" and photo.photo_id]


async def make_sound(session: Session, catalog_id: UUID, turn: Turn) -> DefectClass:
    """Make a class of sound surfaces in a catalog that has none. Raises `NameTakenError`."""
    fields = {
        "catalog_id": catalog_id,
        "kind": "sound",
        "title_ko": "이상 없음",
        "title_en": "Sound",
        "description": "",
    }
    fields |= {"severity": None, "threshold": None, "changed_in": turn.version}
    for name in SOUND_NAMES:
        if await repository.defect_class_named(session, catalog_id, name) is None:
            made = await repository.add_defect_class(session, fields | {"name": name})
            record(session, "class-registered", catalog_id, made.id, name=name, photos=[])
            return made
    raise NameTakenError


def _outcomes(
    taken: Sequence[ReceivedPhoto | Refused], known: dict[str, UUID], added: dict[str, UUID]
) -> list[PhotoOutcome]:
    outcomes = []
    counted: set[str] = set()
    for photo in taken:
        if isinstance(photo, Refused):
            outcomes.append(_outcome_of_refused(photo))
            continue
        sha256 = photo.decoded.sha256
        is_new = sha256 not in known and sha256 not in counted
        outcomes.append(
            PhotoOutcome(
                filename=photo.filename,
                status="accepted" if is_new else "duplicate",
                support_photo_id=known.get(sha256) or added[sha256],
                regions=boxes_of(photo.part.text) if is_new else [],
                photo_id=sha256,
            )
        )
        counted.add(sha256)
    return outcomes


def _outcome_of_refused(photo: Refused) -> PhotoOutcome:
    problem = PhotoProblem(code=photo.error.code, detail=photo.error.detail)
    return PhotoOutcome(filename=photo.filename, status="rejected", photo_id=None, problem=problem)


def _total(embeddings: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    return embedding_sum(np.stack(list(embeddings)))
