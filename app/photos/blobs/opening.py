"""The blobs that the settings name."""

from app.config import DATABASE, Settings
from app.photos.blobs import Blobs
from app.photos.blobs.in_database import DatabaseBlobs
from app.photos.blobs.in_objects import ObjectBlobs
from app.photos.blobs.objects import ObjectStorage
from app.storage.database import Database


def open_blobs(settings: Settings, database: Database) -> Blobs:
    """What `HAJA_BLOBS` names. Raises `StorageUnavailable` where the variables AWS_* make no sense."""
    if settings.blobs == DATABASE:
        return DatabaseBlobs(database)
    return ObjectBlobs(ObjectStorage(settings.blobs, settings.blobs_timeout_s), database)
