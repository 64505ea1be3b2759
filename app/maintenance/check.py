"""Whether what is stored agrees with itself: database, photo bytes, embeddings, prototypes, what catalogs were."""

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalogs.history import embedded
from app.catalogs.repository import unpack
from app.catalogs.tables import Catalog, DefectClass, PastDefectClass, PastSupportPhoto, Prototype, SupportPhoto
from app.parallel import for_each
from app.photos.blobs import Blobs
from app.photos.tables import Embedding, Photo
from app.storage.database import Database
from models.prototypes import embedding_sum

PARALLEL = 4
"""Photos that are read at a time."""


async def find_faults(database: Database, blobs: Blobs) -> list[str]:
    """Every disagreement, as a sentence; none for a sound site.

    Raises:
        StorageUnavailable: the object storage does not answer, so nobody knows.
    """
    if faults := await database.faults():
        return faults  # what a damaged database says of its contents means nothing
    async with database.reading() as session:
        faults = await _prototypes(session) + await _past(session)
    return await _photos(database, blobs) + faults


async def _photos(database: Database, blobs: Blobs) -> list[str]:
    faults: dict[str, str] = {}

    async def look(sha256: str) -> None:
        data = await blobs.get(sha256)
        if data is None:
            faults[sha256] = f"photo {sha256}: its bytes are missing"
        elif (await asyncio.to_thread(hashlib.sha256, data)).hexdigest() != sha256:
            faults[sha256] = f"photo {sha256}: its bytes have changed"

    # A few at a time: together they may be larger than the memory.
    await for_each(await _sha256s(database), look, PARALLEL)
    still = await _sha256s(database) if faults else set()  # one that was removed meanwhile is no fault
    orphans = [f"blob {sha256}: no photo owns it" for sha256 in await blobs.orphans()]
    return [faults[sha256] for sha256 in sorted(faults.keys() & still)] + orphans


async def _sha256s(database: Database) -> set[str]:
    async with database.reading() as session:
        return set((await session.scalars(select(Photo.sha256))).all())


async def _prototypes(session: AsyncSession) -> list[str]:
    faults = []
    for class_id, name in (await session.execute(select(DefectClass.id, DefectClass.name))).all():
        own = SupportPhoto.defect_class_id == class_id
        count = await session.scalar(select(func.count()).where(own)) or 0
        prototypes = (await session.scalars(select(Prototype).where(Prototype.defect_class_id == class_id))).all()
        if count and not prototypes:
            faults.append(f"class {name!r}: it has support photos and no prototype")
        for prototype in prototypes:
            stored = select(Embedding.vector).join(SupportPhoto, embedded())
            stored = stored.where(own, Embedding.backbone_id == prototype.backbone_id)
            vectors = (await session.scalars(stored)).all()
            if not len(vectors) == count == prototype.shots:
                faults.append(f"class {name!r}: {count} photos, {len(vectors)} embeddings, {prototype.shots} shots")
            elif not _is_sum(prototype.embedding_sum, vectors):
                faults.append(f"class {name!r}: its prototype is not the mean of its embeddings")
    return faults


async def _past(session: AsyncSession) -> list[str]:
    faults = []
    columns = (PastSupportPhoto.support_photo_id, PastSupportPhoto.added_in, PastSupportPhoto.removed_in)
    removed = select(*columns, Catalog.version, PastSupportPhoto.vector).join(Catalog)
    async for support_id, added_in, removed_in, version, vector in await session.stream(removed):
        if not added_in < removed_in <= version:
            faults.append(f"removed support photo {support_id}: from {added_in} to {removed_in}, catalog at {version}")
        if len(vector) % 4 or not np.isclose(np.linalg.norm(np.frombuffer(vector, "<f4")), 1, atol=1e-3):
            faults.append(f"removed support photo {support_id}: its embedding is damaged")
    present = select(SupportPhoto.id).join(DefectClass).join(Catalog).where(SupportPhoto.added_in > Catalog.version)
    early = (await session.scalars(present)).all()
    faults += [
        f"support photo {support_id}: added in a version that its catalog has not reached" for support_id in early
    ]
    changed = select(PastDefectClass.defect_class_id).join(Catalog).where(PastDefectClass.until > Catalog.version)
    classes = (await session.scalars(changed)).all()
    return faults + [f"class {class_id}: changed in a version that its catalog has not reached" for class_id in classes]


def _is_sum(total: bytes, vectors: Sequence[bytes]) -> bool:
    sizes = {len(vector) for vector in vectors}
    if sizes != {len(total) // 2} or len(total) % 8:  # float32 each, float64 together
        return False
    embeddings = np.stack([np.frombuffer(vector, "<f4") for vector in vectors])
    return np.array_equal(embedding_sum(embeddings), unpack(total))
