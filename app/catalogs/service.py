"""The rules of catalogs: what may be registered, and what a change does to prototypes and versions."""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from app.access.audit.repository import record
from app.acting import Role, acting
from app.api.idempotency.service import Once
from app.api.pagination import Page, cut
from app.catalogs import history, repository
from app.catalogs.errors import (
    CatalogNameTaken,
    DefaultCatalogProtected,
    DefectClassNameTaken,
    DefectClassNotFound,
    SupportPhotoNotFound,
    TooManyPhotos,
)
from app.catalogs.examples import Examples, Regions, added_photos, make_sound
from app.catalogs.head_cache import HeadCache
from app.catalogs.prototype_cache import Candidate, PrototypeCache, PrototypeIndex
from app.catalogs.repository import NameTakenError, Turn
from app.catalogs.schemas import (
    CatalogChange,
    CatalogCreate,
    CatalogOut,
    DefectClassChange,
    DefectClassCreate,
    DefectClassFields,
    DefectClassName,
    DefectClassOut,
    ExampleParts,
    PhotoOutcome,
    Registered,
    SupportPhotoOut,
    SupportReport,
)
from app.catalogs.support_cache import SupportCache, Supports
from app.catalogs.support_report import examples_of, report
from app.catalogs.tables import Catalog, DefectClass, SupportPhoto
from app.errors import CatalogNotFound, RoleInsufficient
from app.photos.intake import MappedPhoto, ReceivedPhoto, Upload, display_name
from app.photos.path import PhotoPath
from app.photos.regions import read_regions
from app.photos.tables import Photo
from app.storage.database import Database, Session
from models.manifest import Manifest
from models.regions import WindowHead
from models.ridge_head import RidgeHead
from models.windows import Region

MAX_PHOTOS = 50

WHOLE = ExampleParts()
"""All photos are examples as a whole."""


class CatalogService:
    """Catalogs, defect classes and support photos."""

    def __init__(
        self,
        database: Database,
        photos: PhotoPath,
    ) -> None:
        self._database = database
        self._photos = photos
        self._cache = PrototypeCache(database)
        self._supports = SupportCache(database)
        self._heads = HeadCache(self._supports)
        self._examples = Examples(database, photos)

    async def create_catalog(self, wanted: CatalogCreate, once: Once) -> CatalogOut:
        """Make a catalog."""
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            try:
                own = {"backbone_id": self._photos.embedders.own.backbone_id}
                catalog = await repository.add_catalog(session, wanted.model_dump() | own)
            except NameTakenError:
                raise _catalog_name_taken(wanted.name) from None
            answer = CatalogOut.model_validate(catalog)
            record(session, "catalog-created", catalog.id, name=catalog.name)
            await session.run_sync(once.keep, answer)
        return answer

    async def list_catalogs(self, after: UUID | None, limit: int) -> Page[CatalogOut]:
        """A page of the catalogs that whoever is acting may see."""
        async with self._database.reading() as session:
            found = await repository.catalogs(session, acting().catalogs(), after, limit)
            rows, cursor = cut(found, limit)
        return Page(items=[CatalogOut.model_validate(row) for row in rows], next_cursor=cursor)

    async def get_catalog(self, name: str) -> CatalogOut:
        """One catalog."""
        async with self._database.reading() as session:
            return CatalogOut.model_validate(await self.find(session, name))

    async def change_catalog(self, name: str, change: CatalogChange) -> CatalogOut:
        """Rename or describe a catalog."""
        fields = change.changes()
        async with self._database.writing() as session:
            catalog = await self._held(session, name)
            if fields.get("name", name) != name:
                _refuse_renaming(name)
            if "mode" in fields:
                turn = await self._turn(session, catalog.id)
                fields |= {"version": turn.version}
            try:
                await repository.change(session, catalog, fields)
            except NameTakenError:
                raise _catalog_name_taken(fields["name"]) from None
            record(session, "catalog-changed", catalog.id, name=name, changed=fields)
            return CatalogOut.model_validate(catalog)

    async def delete_catalog(self, name: str) -> None:
        """Delete a catalog with its classes, photos and history."""
        if name == "default":
            raise DefaultCatalogProtected("The catalog 'default' always exists: delete its classes instead.")
        async with self._database.writing() as session:
            catalog = await self._held(session, name)
            await repository.delete_catalog(session, catalog.id)
            record(session, "catalog-deleted", catalog.id, name=name)
            await self._photos.archive.forget_unreferenced(session)

    async def register(
        self,
        catalog_name: str,
        wanted: DefectClassCreate,
        uploads: Sequence[Upload],
        once: Once,
        parts: ExampleParts = WHOLE,
    ) -> Registered:
        """Register a defect class with its first support photos; from then on it is recognised."""
        regions = _checked_regions(uploads, parts)
        async with self._database.reading() as session:
            catalog = await self.find(session, catalog_name)
            # Known before fifty photos are decoded; the insert below decides.
            if await repository.defect_class_named(session, catalog.id, wanted.name) is not None:
                raise _class_name_taken(wanted.name)
        index = await self.prototypes(catalog)
        taken = await self._examples.take(uploads, index, regions)
        rests = await self._examples.rests(catalog.id, taken, index, sound=parts.rest_is_sound)
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            turn = await self._turn(session, catalog.id)
            fields = wanted.model_dump(include=set(DefectClassCreate.model_fields)) | {
                "catalog_id": catalog.id,
                "changed_in": turn.version,
                "threshold": None,
            }
            try:
                defect_class = await repository.add_defect_class(session, fields)
            except NameTakenError:
                raise _class_name_taken(wanted.name) from None
            photos = await self._examples.add(session, defect_class, taken, turn)
            named = {"name": wanted.name, "photos": added_photos(photos)}
            record(session, "class-registered", catalog.id, defect_class.id, **named)
            await self._examples.keep_rests(session, catalog.id, rests, turn)
            await self._examples.drop_rests(session, catalog.id, added_photos(photos), turn)
            answer = await self._registered(session, defect_class, photos, turn, index)
            await session.run_sync(once.keep, answer)
        return answer

    async def add_support_photos(
        self, class_id: UUID, uploads: Sequence[Upload], once: Once, parts: ExampleParts = WHOLE
    ) -> Registered:
        """Add support photos to a class."""
        regions = _checked_regions(uploads, parts)
        async with self._database.reading() as session:
            catalog = await self._catalog_of(session, class_id)
        index = await self.prototypes(catalog)
        taken = await self._examples.take(uploads, index, regions)
        rests = await self._examples.rests(catalog.id, taken, index, sound=parts.rest_is_sound)
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            defect_class, turn = await self._turn_of(session, class_id)
            photos = await self._examples.add(session, defect_class, taken, turn)
            named = {"name": defect_class.name, "photos": added_photos(photos)}
            record(session, "examples-added", catalog.id, class_id, **named)
            await self._examples.keep_rests(session, catalog.id, rests, turn)
            await self._examples.drop_rests(session, catalog.id, added_photos(photos), turn)
            answer = await self._registered(session, defect_class, photos, turn, index)
            await session.run_sync(once.keep, answer)
        return answer

    async def list_defect_classes(self, catalog_name: str, after: UUID | None, limit: int) -> Page[DefectClassOut]:
        """A page of a catalog's classes."""
        async with self._database.reading() as session:
            catalog = await self.find(session, catalog_name)
            rows, cursor = cut(await repository.defect_classes(session, catalog.id, after, limit), limit)
            shots = await repository.shots(session, [row.id for row in rows])
        return Page(items=[_class_out(row, shots.get(row.id, 0)) for row in rows], next_cursor=cursor)

    async def get_defect_class(self, class_id: UUID) -> DefectClassOut:
        """One class."""
        async with self._database.reading() as session:
            return await self._describe(session, await self._defect_class(session, class_id))

    async def class_names(self, class_ids: Iterable[UUID]) -> dict[UUID, DefectClassName]:
        """What these classes are called, as far as whoever is acting may see them."""
        async with self._database.reading() as session:
            rows = await repository.defect_classes_by_id(session, acting().catalogs(), list(class_ids))
        return {row.id: DefectClassName.model_validate(row) for row in rows}

    async def change_defect_class(self, class_id: UUID, change: DefectClassChange) -> DefectClassOut:
        """Rename or edit a class; answers use the new words at once."""
        fields = change.changes()
        async with self._database.writing() as session:
            defect_class, turn = await self._turn_of(session, class_id)
            version = turn.version
            await history.keep_class(session, class_id, version)
            record(session, "class-changed", defect_class.catalog_id, class_id, name=defect_class.name, changed=fields)
            try:
                await repository.change(session, defect_class, fields | {"changed_in": version})
            except NameTakenError:
                raise _class_name_taken(fields["name"]) from None
            return await self._describe(session, defect_class)

    async def delete_defect_class(self, class_id: UUID) -> None:
        """Remove a class; it is not recognised any more."""
        async with self._database.writing() as session:
            defect_class, turn = await self._turn_of(session, class_id)
            version = turn.version
            record(session, "class-deleted", defect_class.catalog_id, class_id, name=defect_class.name)
            await history.keep_class(session, class_id, version)
            await history.keep_support_photos(session, class_id, version)
            sha256s = await repository.support_sha256s(session, class_id)
            await repository.delete_defect_class(session, class_id)
            await self._examples.drop_rests(session, defect_class.catalog_id, sha256s, turn)
            await self._photos.archive.forget_unreferenced(session, sha256s)

    async def support_report(self, class_id: UUID) -> SupportReport:
        """What the examples of a class are worth."""
        async with self._database.reading() as session:
            catalog = await self._catalog_of(session, class_id)
        index = await self.prototypes(catalog)
        async with self._database.reading() as session:
            rows = await repository.support_details(session, class_id, index.backbone_id)
        return await asyncio.to_thread(report, class_id, examples_of(rows), index)

    async def examples(self, class_id: UUID) -> list[tuple[SupportPhoto, Photo]]:
        """All support photos of a class, oldest first, each with what is known of its photo."""
        async with self._database.reading() as session:
            catalog = await self._catalog_of(session, class_id)
            rows = await repository.support_details(session, class_id, catalog.backbone_id)
        return [(support, photo) for support, photo, _ in rows]

    async def list_support_photos(self, class_id: UUID, after: UUID | None, limit: int) -> Page[SupportPhotoOut]:
        """A page of a class's support photos."""
        async with self._database.reading() as session:
            await self._defect_class(session, class_id)
            rows, cursor = cut(await repository.support_photos(session, class_id, after, limit), limit)
        return Page(items=[SupportPhotoOut.model_validate(row) for row in rows], next_cursor=cursor)

    async def first_support_photos(self, class_ids: Sequence[UUID], each: int = 5) -> dict[UUID, list[SupportPhotoOut]]:
        """The oldest support photos of each of these classes, at most `each` of one."""
        async with self._database.reading() as session:
            rows = await repository.first_support_photos(session, class_ids, each)
        found: dict[UUID, list[SupportPhotoOut]] = {class_id: [] for class_id in class_ids}
        for row in rows:
            found[row.defect_class_id].append(SupportPhotoOut.model_validate(row))
        return found

    async def delete_support_photo(self, support_id: UUID) -> None:
        """Take an example back: the prototype is as if it had never been there."""
        async with self._database.writing() as session:
            support = await self._support_photo(session, support_id)
            defect_class, turn = await self._turn_of(session, support.defect_class_id)
            await self._support_photo(session, support_id)  # again: another may have removed it until now
            await self._examples.remove(session, defect_class, support, turn)
            named = {"name": defect_class.name, "photo_id": support.photo_sha256}
            record(session, "example-removed", defect_class.catalog_id, support_id, **named)
            await self._examples.drop_rests(session, defect_class.catalog_id, [support.photo_sha256], turn)
            await self._photos.archive.forget_unreferenced(session, [support.photo_sha256])

    async def index(self, catalog_name: str) -> tuple[UUID, PrototypeIndex]:
        """A catalog's id and its prototypes as they are now."""
        found = await self._database.read(lambda session: repository.version(session, catalog_name))
        if found is None:
            raise CatalogNotFound.named(catalog_name)
        return found.id, await self._cache.index(*found)

    async def prototypes(self, catalog: Catalog) -> PrototypeIndex:
        """The prototypes of a catalog as it was found, or later."""
        return await self._cache.index(catalog.id, catalog.version)

    async def head(self, catalog_id: UUID, index: PrototypeIndex) -> RidgeHead | None:
        """What orders the classes of an index; None where its prototypes do."""
        return await self._heads.head(catalog_id, index)

    async def window_head(self, catalog_id: UUID, index: PrototypeIndex, manifest: Manifest) -> WindowHead | None:
        """What judges the windows of a photo against the defects of an index; None where nothing says what is sound."""
        return await self._heads.window_head(catalog_id, index, manifest)

    async def find(self, session: Session, name: str) -> Catalog:
        """The catalog of this name. Raises `CatalogNotFound`."""
        catalog = await repository.catalog(session, name)
        if catalog is None:
            raise CatalogNotFound.named(name)
        return catalog

    async def add_example(self, session: Session, class_id: UUID, received: ReceivedPhoto) -> UUID | None:
        """Add one kept photo to a class in the caller's transaction; its id there, also where it was one already."""
        defect_class, turn = await self._turn_of(session, class_id)
        return (await self._examples.add(session, defect_class, [received], turn))[0].support_photo_id

    async def add_region(self, session: Session, class_id: UUID, photo: MappedPhoto, region: Region) -> UUID:
        """Make a region of a kept photo an example of a class in the caller's transaction; as `Examples.add_region`."""
        defect_class, turn = await self._turn_of(session, class_id)
        return await self._examples.add_region(session, defect_class, photo, region, turn)

    async def sound_class(self, session: Session, catalog_id: UUID) -> UUID:
        """The catalog's class of sound surfaces, made in the caller's transaction where there is none."""
        found = await repository.sound_class(session, catalog_id)
        return (found or await make_sound(session, catalog_id, await self._turn(session, catalog_id))).id

    async def supports(self, candidates: Sequence[Candidate], index: PrototypeIndex) -> list[Supports]:
        """The support photos of these candidates of an index, as they were at its version, by its backbone."""
        return await self._supports.supports(candidates, index)

    async def _registered(
        self,
        session: Session,
        defect_class: DefectClass,
        photos: list[PhotoOutcome],
        turn: Turn,
        index: PrototypeIndex,
    ) -> Registered:
        """The answer to a registration, with a report by the other classes as they were in `index`."""
        described = await self._describe(session, defect_class)
        support_report = None
        # Adding a photo shall not cost more the larger the class is.
        if described.shots <= MAX_PHOTOS:
            rows = await repository.support_details(session, defect_class.id, turn.backbone_id)
            support_report = await asyncio.to_thread(report, defect_class.id, examples_of(rows), index)
        return Registered(
            **described.model_dump(), catalog_version=turn.version, photos=photos, support_report=support_report
        )

    async def _describe(self, session: Session, defect_class: DefectClass) -> DefectClassOut:
        shots = await repository.shots(session, [defect_class.id])
        return _class_out(defect_class, shots.get(defect_class.id, 0))

    async def _defect_class(self, session: Session, class_id: UUID) -> DefectClass:
        defect_class = await repository.defect_class(session, class_id)
        if defect_class is None:
            raise DefectClassNotFound
        return defect_class

    async def _support_photo(self, session: Session, support_id: UUID) -> SupportPhoto:
        support = await repository.support_photo(session, support_id)
        if support is None:
            raise SupportPhotoNotFound
        return support

    async def _catalog_of(self, session: Session, class_id: UUID) -> Catalog:
        catalog = await repository.catalog_of(session, class_id)
        if catalog is None:
            raise DefectClassNotFound
        return catalog

    async def _held(self, session: Session, name: str) -> Catalog:
        """The catalog of this name, which only this transaction changes now."""
        catalog = await self.find(session, name)
        if not await session.run_sync(repository.hold, catalog.id, unchanged=True):
            raise _catalog_deleted()
        return catalog

    async def _turn_of(self, session: Session, class_id: UUID) -> tuple[DefectClass, Turn]:
        """A class, and a change of its catalog; from then on only this transaction changes the catalog."""
        turn = await self._turn(session, (await self._defect_class(session, class_id)).catalog_id)
        return await self._defect_class(session, class_id), turn  # again: another may have removed it until now

    async def _turn(self, session: Session, catalog_id: UUID) -> Turn:
        turn = await repository.next_version(session, catalog_id)
        if turn is None:
            raise _catalog_deleted()
        return turn


def _class_out(row: DefectClass, shots: int) -> DefectClassOut:
    return DefectClassOut(**DefectClassFields.model_validate(row).model_dump(), shots=shots)


def _checked_regions(uploads: Sequence[Upload], parts: ExampleParts) -> Regions:
    if len(uploads) > MAX_PHOTOS:
        raise TooManyPhotos(
            f"One request takes at most {MAX_PHOTOS} photos, not {len(uploads)}: send the rest afterwards."
        )
    return read_regions(parts.regions, [display_name(upload.filename) for upload in uploads])


def _catalog_deleted() -> CatalogNotFound:
    return CatalogNotFound("The catalog was deleted in the meantime.")


def _refuse_renaming(name: str) -> None:
    if name == "default":
        raise DefaultCatalogProtected("The catalog 'default' keeps its name: make another catalog instead.")
    # Whether a name is taken tells that a catalog exists, so only those may try who see every catalog.
    if not acting().may(Role.ADMIN):
        raise RoleInsufficient(
            "A new name for a catalog needs the role admin in every catalog, which your key does not have; its titles "
            "and its description you may change."
        )


def _catalog_name_taken(name: str) -> CatalogNameTaken:
    return CatalogNameTaken(f"There is a catalog named {name!r} already: choose another name.")


def _class_name_taken(name: str) -> DefectClassNameTaken:
    return DefectClassNameTaken(
        f"This catalog has a defect class named {name!r} already: choose another name, or add the photos to that class."
    )
