"""The way of a photo through the service, for whoever takes photos."""

from typing import NamedTuple

from app.embedding.several import Embedders
from app.photos.intake import Intake
from app.photos.repository import ArchiveRepository


class PhotoPath(NamedTuple):
    """It is received and decoded, embedded, and kept."""

    intake: Intake
    embedders: Embedders
    archive: ArchiveRepository
