"""Heat maps: where in a photo a class was recognised."""

import asyncio
from dataclasses import replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.catalogs.errors import DefectClassNotFound
from app.catalogs.prototype_cache import PrototypeIndex
from app.catalogs.service import CatalogService
from app.inspections.errors import BackboneChanged
from app.inspections.schemas import Prediction
from app.inspections.service import InspectionService
from app.photos import reading
from app.photos.path import PhotoPath
from app.storage.database import Database
from models.heatmap import enlarged, evidence, positive_share
from models.heatmap_picture import layer, on_photo

LONGEST, SHORTEST = 1024, 32
"""Sides of the picture in pixels: bounds its bytes, and keeps a photo of a few pixels visible."""


class HeatmapService:
    """Heat maps of classifications, drawn anew at each call; nothing is stored."""

    def __init__(
        self,
        database: Database,
        inspections: InspectionService,
        catalogs: CatalogService,
        photos: PhotoPath,
    ) -> None:
        self._database = database
        self._inspections = inspections
        self._catalogs = catalogs
        self._photos = photos

    async def draw(self, classification_id: UUID, class_id: UUID | None, *, overlay: bool) -> bytes:
        """A PNG of `picture`."""
        picture = await self.picture(classification_id, class_id, overlay=overlay)
        return await asyncio.to_thread(reading.encode_png, picture)

    async def picture(
        self, classification_id: UUID, class_id: UUID | None, *, overlay: bool = False, longest: int = LONGEST
    ) -> NDArray[np.uint8]:
        """Where a photo speaks for a class and against the others of the catalog as it is now.

        Args:
            classification_id: which photo and catalog.
            class_id: of that catalog; None is the class that was predicted first.
            overlay: the coloured layer alone, transparent, instead of photo and layer.
            longest: most pixels a side.

        Returns:
            uint8 [H, W, 3] RGB, or [H, W, 4] RGBA of the layer alone.

        Raises:
            ClassificationNotFound, BackboneChanged, DefectClassNotFound: see their docstrings.
            PhotoNotFound, StorageUnavailable: as `ArchiveRepository.bytes`.
            PhotoError, QueueFull, DecoderUnavailable, EmbedderUnavailable, HeatmapUnavailable: as `Intake.feature_map`.
        """
        async with self._database.reading() as session:
            row, name, photo, _ = await self._inspections.find(session, classification_id)
            catalog = await self._catalogs.find(session, name)
        index = await self._catalogs.prototypes(catalog)
        if row.backbone_id != index.backbone_id:
            raise BackboneChanged(
                f"The answer was given by the backbone {row.backbone_id}, and the catalog's is {index.backbone_id} "
                "now: classify the photo again."
            )
        embedder = await self._photos.embedders.get(index.backbone_id)
        place = _place(index, class_id or Prediction.model_validate(row.predictions[0]).defect_class.id)
        data = await self._photos.archive.bytes(row.photo_sha256)
        features = await self._photos.intake.feature_map(data, enlarged(embedder.manifest.transform), embedder)
        width, height = picture_size(photo.width, photo.height, longest)
        picture = replace(embedder.manifest.transform, width=width, height=height)
        beneath = None if overlay else await self._photos.intake.pixels(data, picture)
        temperature = embedder.manifest.readings["prototypes"].temperature_at(index.shots)
        return await asyncio.to_thread(_draw, features, index, place, temperature, width, height, beneath)


def picture_size(width: int, height: int, longest: int = LONGEST) -> tuple[int, int]:
    """Width and height of the picture of a photo of this size: in its proportions, never larger than it."""
    scale = min(1.0, longest / max(width, height))
    return max(round(width * scale), SHORTEST), max(round(height * scale), SHORTEST)


def _place(index: PrototypeIndex, class_id: UUID) -> int:
    for place, candidate in enumerate(index.candidates):
        if candidate.defect_class.id == class_id:
            return place
    raise DefectClassNotFound(
        f"The catalog of this classification has no defect class {class_id} with photos, or not any more: choose one "
        "that it has by ?defect_class_id=."
    )


def _draw(
    features: NDArray[np.float32],
    index: PrototypeIndex,
    place: int,
    temperature: float,
    width: int,
    height: int,
    beneath: NDArray[np.uint8] | None,
) -> NDArray[np.uint8]:
    shown = positive_share(evidence(features, index.matrix[index.rows], place, temperature))
    rgba = layer(reading.enlarge(shown, width, height))
    return rgba if beneath is None else on_photo(rgba, beneath)
