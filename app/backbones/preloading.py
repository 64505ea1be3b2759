"""Having a backbone loaded before the first photo is answered by it."""

import asyncio

import structlog

from app.backbones import repository
from app.embedding.several import Embedders
from app.errors import HajaError
from app.storage.database import Database

LOOK_S = 5.0
"""Between two looks; loading takes about as long."""

_log = structlog.get_logger(__name__)


class Preloader:
    """Loads what catalogs are answered by, and what they are being embedded by, in the background."""

    def __init__(self, database: Database, embedders: Embedders) -> None:
        self._database = database
        self._embedders = embedders

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                await self.look()
            except HajaError as error:
                _log.warning("a backbone cannot be loaded beforehand", reason=error.detail)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Load what is needed, or soon will be. Raises `EmbedderUnavailable`, `DatabaseUnavailable`."""
        async with self._database.reading() as session:
            needed = await repository.used(session) | await repository.wanted(session)
        for backbone_id in sorted(needed):
            await self._embedders.get(backbone_id)
