"""Loading backbones other than that of the settings, by their ids."""

from pathlib import Path

import structlog

from app.backbones import repository
from app.config import Settings
from app.embedding import Embedder
from app.embedding.opening import open_embedder
from app.errors import EmbedderUnavailable, StartError
from app.metrics import Metrics
from app.storage.database import Database, Session
from models.manifest import CheckpointError
from models.options import VIEWED, Views

_log = structlog.get_logger(__name__)


class OtherBackbones:
    """Opens embedders with the settings of this process, but for another backbone."""

    def __init__(self, settings: Settings, metrics: Metrics, database: Database) -> None:
        self._settings = settings
        self._metrics = metrics
        self._database = database
        name = settings.backbone
        # Other processes may have been started in other folders.
        self._own_checkpoint = str(Path(name).absolute()) if name.endswith(".json") else name

    async def remember(self, session: Session, backbone_id: str) -> None:
        """Note that the settings of this process load this backbone."""
        await repository.remember(session, backbone_id, self._own_checkpoint, self._settings.views)

    async def open(self, backbone_id: str) -> Embedder:
        """The embedder of a backbone.

        Raises:
            EmbedderUnavailable: it cannot be loaded here.
        """
        async with self._database.reading() as session:
            known = await repository.known(session, backbone_id)
        checkpoint, views = (known.checkpoint, known.views) if known else _guess(backbone_id)
        settings = self._settings.model_copy(update={"backbone": checkpoint, "views": views})
        try:
            embedder = await open_embedder(settings, self._metrics)
        except (CheckpointError, StartError) as error:
            raise _unavailable(backbone_id, str(error)) from error
        if embedder.backbone_id != backbone_id:
            await embedder.close()
            raise _unavailable(backbone_id, f"{checkpoint} is {embedder.backbone_id} by now")
        _log.info("another backbone is loaded", backbone_id=backbone_id)
        return embedder


def _guess(backbone_id: str) -> tuple[str, Views]:
    """From before backbones were remembered: shipped checkpoints have the name that their ids begin with."""
    name = backbone_id.rpartition("@")[0]
    return name.removesuffix(VIEWED), "accurate" if name.endswith(VIEWED) else "quick"


def _unavailable(backbone_id: str, reason: str) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"The network {backbone_id} is needed and cannot be loaded here: {reason.rstrip('.')}. Its operator must bring "
        "it back, or move the catalog to another by haja reembed."
    )
