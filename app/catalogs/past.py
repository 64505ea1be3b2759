"""A catalog as it was at an earlier version."""

from collections.abc import Sequence
from uuid import UUID

from app.catalogs import history
from app.catalogs.prototype_cache import Candidate, ClassTotal, PrototypeIndex, build_index
from app.catalogs.schemas import DefectClassName
from app.catalogs.support_cache import Supports, by_class
from app.storage.database import Session
from models.prototypes import embedding_sum


async def supports_at(session: Session, catalog_id: UUID, backbone_id: str, version: int) -> list[Supports]:
    """The classes that a catalog recognised at `version`, as they were called then, with their support photos then.

    Holds the embeddings of the whole catalog in memory. Versions before the catalog's `recorded_from` come out as
    they were only where nothing was renamed or removed, and no photo added, from then to `recorded_from`.
    """
    fields = await history.class_fields(session, catalog_id, version)
    rows = await history.all_supports(session, catalog_id, backbone_id, version)
    used = {class_id for class_id, *_ in rows}
    candidates = [
        Candidate(DefectClassName.model_validate(row), row.threshold, version, row.kind)
        for class_id, row in sorted(fields.items())
        if class_id in used
    ]
    return by_class(candidates, rows)


def index_of(version: int, backbone_id: str, supports: Sequence[Supports], *, scans: bool = False) -> PrototypeIndex:
    """The prototypes of these classes: exact sums do not depend on the way there, so they are those of `version`."""
    totals = [
        ClassTotal(each.candidate.defect_class.id, each.candidate, embedding_sum(each.embeddings), len(each.ids))
        for each in supports
    ]
    return build_index(version, backbone_id, totals, scans=scans)
