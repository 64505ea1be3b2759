"""The heads of the catalogs that were used last, each fitted again when its catalog has changed."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import numpy as np

from app.catalogs.per_version import PerVersion
from app.catalogs.prototype_cache import PrototypeIndex
from app.catalogs.support_cache import SupportCache, Supports
from models.manifest import Manifest, sound_surfaces
from models.regions import WindowHead, fit_window_head
from models.ridge_head import RidgeHead, can_have_head, fit_head


class HeadCache:
    """A head for each catalog that is small enough for one, and one for the windows of wide photos."""

    def __init__(self, supports: SupportCache) -> None:
        self._supports = supports
        self._heads: PerVersion[RidgeHead] = PerVersion()
        self._window_heads: PerVersion[WindowHead] = PerVersion()

    async def head(self, catalog_id: UUID, index: PrototypeIndex) -> RidgeHead | None:
        """The head over the candidates of an index; None where prototypes shall judge."""
        if not can_have_head(len(index.candidates), int(index.shots.sum())):
            return None

        async def fit() -> RidgeHead | None:
            supports = await self._supports.supports(index.candidates, index)
            return await asyncio.to_thread(head_of, supports)

        return await self._heads.get(catalog_id, index.version, fit)

    async def window_head(self, catalog_id: UUID, index: PrototypeIndex, manifest: Manifest) -> WindowHead | None:
        """The head that judges windows, over the candidates that are defects; None where nothing says what is sound."""

        async def fit() -> WindowHead | None:
            supports = await self._supports.supports(index.candidates, index)
            return await asyncio.to_thread(window_head_of, supports, manifest)

        return await self._window_heads.get(catalog_id, index.version, fit)


def head_of(supports: Sequence[Supports]) -> RidgeHead | None:
    """The head over these classes, in this order; None where leave-one-out prefers prototypes.

    None as well where a class has a prototype but no photos, which only a damaged database has (`haja check`).
    """
    if not all(each.ids for each in supports):
        return None
    labels = np.repeat(np.arange(len(supports)), [len(each.ids) for each in supports])
    head = fit_head(np.concatenate([each.embeddings for each in supports]), labels)
    return None if head.outdone else head


def window_head_of(supports: Sequence[Supports], manifest: Manifest) -> WindowHead | None:
    """The head over those of these classes that are defects, in this order, against those of sound surfaces.

    None where there is no defect, or neither the catalog nor the checkpoint has a sound surface.
    """
    defects = [each for each in supports if each.candidate.kind == "defect"]
    if not defects or not all(each.ids for each in supports):
        return None
    dimension = defects[0].embeddings.shape[1]
    none = np.empty((0, dimension), np.float32)
    sound = [each for each in supports if each.candidate.kind == "sound"]
    own = np.concatenate([none, *(each.embeddings for each in sound)])
    is_rest = np.array([part.is_rest for each in sound for part in each.parts], bool)
    generic = sound_surfaces(manifest, dimension)
    if not len(own) + len(generic):
        return None
    labels = np.repeat(np.arange(len(defects)), [len(each.ids) for each in defects])
    examples = np.concatenate([each.embeddings for each in defects])
    return fit_window_head(examples, labels, own[~is_rest], own[is_rest], generic)
