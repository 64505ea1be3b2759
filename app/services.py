"""Every service of one process, without HTTP: the API and the command line use the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from threadpoolctl import threadpool_limits

from app.access.service import AccessService
from app.api.idempotency.repository import forget_old
from app.backbones import repository as backbone_rows
from app.backbones.loading import OtherBackbones
from app.backbones.preloading import Preloader
from app.backbones.service import ReembeddingService
from app.catalogs import repository as catalog_rows
from app.catalogs.service import CatalogService
from app.config import Settings
from app.embedding import Embedder
from app.embedding.opening import open_embedder
from app.embedding.several import Embedders
from app.errors import EmbedderUnavailable, StartError, StorageUnavailable
from app.evaluation.service import EvaluationService
from app.inspections.exports.report import ReportService
from app.inspections.exports.service import ExportService
from app.inspections.heatmap import HeatmapService
from app.inspections.regions import RegionService
from app.inspections.removal import RemovalService
from app.inspections.replay import ReplayService
from app.inspections.service import InspectionService
from app.jobs.service import JobService
from app.jobs.worker import BatchWorker
from app.metrics import Metrics
from app.photos.blobs.opening import open_blobs
from app.photos.decoding.decoders import Decoders
from app.photos.intake import Intake
from app.photos.path import PhotoPath
from app.photos.repository import ArchiveRepository
from app.photos.service import ArchiveService
from app.storage import schema
from app.storage.database import Database, Session
from models.backbones import Backbone

_log = structlog.get_logger(__name__)


class Services:
    """The services of one process, without HTTP: the API and the command line use the same."""

    def __init__(self, settings: Settings, embedder: Embedder, decoders: Decoders, metrics: Metrics) -> None:
        self.database = Database(settings.database_url, settings.database_timeout_s)
        self.access = AccessService(self.database, catalog_rows, settings.session_hours)
        self._other_backbones = OtherBackbones(settings, metrics, self.database)
        self.embedders = Embedders(embedder, self._other_backbones.open)
        self.intake = Intake(metrics, decoders, queue_size=settings.queue_size, max_bytes=settings.max_photo_bytes)
        self._decoders = decoders
        self.blobs = open_blobs(settings, self.database)
        self._blobs_place = settings.blobs
        archive = ArchiveRepository(self.blobs)
        self.archive = ArchiveService(self.database, archive, self.intake)
        photos = PhotoPath(self.intake, self.embedders, archive)
        self.catalogs = CatalogService(self.database, photos)
        self.evaluations = EvaluationService(self.database, self.catalogs)
        self.inspections = InspectionService(self.database, self.catalogs, photos, metrics)
        self.regions = RegionService(self.database, self.inspections, self.catalogs, photos)
        self.replays = ReplayService(self.database, self.inspections, photos)
        self.heatmaps = HeatmapService(self.database, self.inspections, self.catalogs, photos)
        self.batch_worker = BatchWorker(self.database, archive, self.inspections, self.intake)
        self.jobs = JobService(self.database, self.inspections, photos, self.batch_worker.wake)
        self.preloader = Preloader(self.database, self.embedders)
        self.reembedding = ReembeddingService(self.database, self.catalogs, photos)
        self.removals = RemovalService(self.database, self.catalogs, archive)
        self.exports = ExportService(self.inspections)
        self.reports = ReportService(self.exports, self.catalogs, self.archive, self.heatmaps)

    async def start(self) -> None:
        """Load what the catalogs are answered by, and make what must always exist.

        Raises:
            StartError: a backbone of the catalogs cannot be loaded, or photos cannot be stored.
        """
        self._decoders.start()
        try:
            await self.blobs.check_ready()
        except StorageUnavailable as error:
            raise StartError(
                f"Photos cannot be stored in HAJA_BLOBS={self._blobs_place}: {error.reason}. docs/storage.md says "
                "what to set."
            ) from error
        if unsafe := await self.database.unsafe_settings():
            _log.warning(
                "PostgreSQL may lose what is answered with 201: it is set not to wait for its disk", off=unsafe
            )
        async with self.database.writing() as session:
            own = self.embedders.own.backbone_id
            await self.remember_backbone(session)
            await backbone_rows.adopt_empty(session, own)
            await catalog_rows.add_default_catalog(session, own)
            used = await backbone_rows.used(session)
            await forget_old(session)
        await self.jobs.forget_outdated()
        try:
            for backbone_id in sorted(used):
                await self.embedders.get(backbone_id)
        except EmbedderUnavailable as error:
            raise StartError(f"{error.detail} HAJA_BACKBONE and HAJA_VIEWS make {own} here.") from error

    async def remember_backbone(self, session: Session) -> None:
        """Note how other processes can load the backbone of the settings."""
        await self._other_backbones.remember(session, self.embedders.own.backbone_id)

    async def close(self) -> None:
        """End threads and connections."""
        await self.reports.close()
        await self.embedders.close()
        await self.database.close()


@asynccontextmanager
async def open_services(
    settings: Settings, metrics: Metrics, backbone: Backbone | None = None, decoders: Decoders | None = None
) -> AsyncIterator[Services]:
    """The services, with every backbone that the catalogs of the database are answered by.

    Raises:
        SchemaError, StartError, CheckpointError: the service cannot start; the message says what to do.
    """
    async with any_services(settings, metrics, backbone, decoders) as services:
        await services.start()
        yield services


@asynccontextmanager
async def any_services(
    settings: Settings, metrics: Metrics, backbone: Backbone | None = None, decoders: Decoders | None = None
) -> AsyncIterator[Services]:
    """Bring an empty database to this version's schema, open the embedder, and give the services.

    For looking back, and for moving catalogs: their backbones are loaded when they are needed.

    Raises:
        SchemaError, StartError, CheckpointError: the message says what to do.
    """
    schema.prepare(settings.database_url)
    # The products here are small: threads of BLAS would spin against those that decode and embed.
    threadpool_limits(1, "blas")
    own = decoders or Decoders(processes=settings.decode_processes, max_pixels=settings.max_photo_pixels)
    services = Services(settings, await open_embedder(settings, metrics, backbone), own, metrics)
    try:
        yield services
    finally:
        await services.close()
        if decoders is None:
            await asyncio.to_thread(own.close)
