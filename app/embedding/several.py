"""The embedders of one process: that of the settings, and those of other backbones that catalogs are answered by."""

import asyncio
from collections.abc import Awaitable, Callable

from app.embedding import Embedder


class Embedders:
    """Embedders by the id of their backbone; one that is needed and not there is opened, once."""

    def __init__(self, own: Embedder, open_other: Callable[[str], Awaitable[Embedder]]) -> None:
        self.own = own
        self._open_other = open_other
        self._open = {own.backbone_id: own}
        self._lock = asyncio.Lock()

    async def get(self, backbone_id: str) -> Embedder:
        """The embedder of a backbone; the first call for another than the settings' own waits until it is loaded.

        Raises:
            EmbedderUnavailable: it cannot be opened here.
        """
        if (found := self._open.get(backbone_id)) is not None:
            return found
        async with self._lock:
            if backbone_id not in self._open:
                self._open[backbone_id] = await self._open_other(backbone_id)
            return self._open[backbone_id]

    async def close(self) -> None:
        """Close all of them."""
        for embedder in self._open.values():
            await embedder.close()
