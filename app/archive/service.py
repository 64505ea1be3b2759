"""What can be had of kept photos."""

from http import HTTPStatus

from app.archive.repository import ArchiveRepository
from app.database import Database
from app.errors import HajaError
from app.intake import Intake


class PhotoNotFound(HajaError):
    """No photo with this id is kept."""

    status = HTTPStatus.NOT_FOUND
    code = "photo-not-found"


class ArchiveService:
    """Thumbnails of kept photos."""

    def __init__(self, database: Database, archive: ArchiveRepository, intake: Intake) -> None:
        self._database = database
        self._archive = archive
        self._intake = intake

    async def thumbnail(self, photo_id: str, side: int) -> bytes:
        """A re-encoded JPEG of at most `side` pixels a side; never the bytes that were uploaded.

        Raises:
            PhotoNotFound: no such photo.
        """
        async with self._database.reading() as session:
            data = await self._archive.bytes(session, photo_id)
        if data is None:
            raise PhotoNotFound("There is no photo with this id; it may have been removed with its last use.")
        return await self._intake.thumbnail(data, side)
