"""What can be had of kept photos."""

from app.photos.errors import PhotoNotFound
from app.photos.intake import Intake, Upload
from app.photos.repository import ArchiveRepository
from app.storage.database import Database
from models.windows import ALL, Region


class ArchiveService:
    """Kept photos, and small pictures of them."""

    def __init__(self, database: Database, archive: ArchiveRepository, intake: Intake) -> None:
        self._database = database
        self._archive = archive
        self._intake = intake

    async def shrink(self, upload: Upload, side: int) -> bytes:
        """A picture that is sent, as a JPEG of at most `side` pixels a side; it is not kept.

        Raises:
            PhotoError, QueueFull, DecoderUnavailable: as `Intake.shrink`.
        """
        return await self._intake.shrink(upload, side)

    async def thumbnail(self, photo_id: str, side: int, region: Region = ALL) -> bytes:
        """A re-encoded JPEG of a region, of at most `side` pixels a side; never the bytes that were uploaded.

        Raises:
            PhotoNotFound: no such photo.
            PhotoError, QueueFull, DecoderUnavailable: as `Intake.thumbnail`.
            StorageUnavailable: see its docstring.
        """
        async with self._database.reading() as session:
            # Asked first: bytes may outlive their photo for a while.
            if not await self._archive.is_kept(session, photo_id):
                raise PhotoNotFound
        return await self._intake.thumbnail(await self._archive.bytes(photo_id), side, region)

    async def original(self, photo_id: str) -> bytes:
        """A photo exactly as it came, with all that its file says of place and camera: for whoever runs the site.

        Raises:
            PhotoNotFound, StorageUnavailable: as `ArchiveRepository.bytes`.
        """
        return await self._archive.bytes(photo_id)
