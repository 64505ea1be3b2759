"""The app: everything is put together here, and nothing lives outside of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.formparsers import MultiPartParser
from threadpoolctl import threadpool_limits

import app.archive.endpoints
import app.catalogs.endpoints
import app.evaluation.endpoints
import app.inspections.endpoints
import app.inspections.export_endpoints
import app.operations
import app.web.endpoints
from app import errors, schema_version
from app.archive.repository import ArchiveRepository
from app.archive.service import ArchiveService
from app.blobs.opening import open_blobs
from app.catalogs.history import HistoryRepository
from app.catalogs.repository import CatalogRepository
from app.catalogs.service import CatalogService
from app.config import Settings
from app.database import Database
from app.embedding.local import LocalEmbedder
from app.errors import StorageUnavailable
from app.evaluation.service import EvaluationService
from app.idempotency.repository import forget_old
from app.inspections.export_report import ReportService
from app.inspections.export_service import ExportService
from app.inspections.heatmap import HeatmapService
from app.inspections.replay import ReplayService
from app.inspections.repository import InspectionRepository
from app.inspections.service import InspectionService
from app.intake import Intake
from app.metrics import Metrics
from app.middleware import LimitBody, Observe, Protect
from app.web.pages import Pages, VersionedFiles
from models.backbones import Backbone, load_backbone

# Phone photos stay in memory while they arrive: in a temporary file, each 64 kB piece would cost a change of threads.
# Starlette offers no other place to say so.
MultiPartParser.spool_max_size = 8_000_000

DOCS_URL = "/docs"


class StartError(Exception):
    """The service cannot start; the message says what to do."""


class Services:
    """The services of one process, without HTTP: the API and the command line use the same."""

    def __init__(self, settings: Settings, backbone: Backbone, metrics: Metrics) -> None:
        self.database = Database(settings.database_url, settings.database_timeout_s)
        self.embedder = LocalEmbedder(backbone, metrics, settings.batch_size, settings.queue_size)
        self.intake = Intake(
            self.embedder,
            metrics,
            threads=settings.decode_threads,
            queue_size=settings.queue_size,
            max_bytes=settings.max_photo_bytes,
            max_pixels=settings.max_photo_pixels,
        )
        self._catalog_rows = CatalogRepository()
        history = HistoryRepository()
        self.blobs = open_blobs(settings, self.database)
        self._blobs_place = settings.blobs
        archive_rows = ArchiveRepository(self.blobs)
        self.archive = ArchiveService(self.database, archive_rows, self.intake)
        self.catalogs = CatalogService(self.database, self._catalog_rows, history, archive_rows, self.intake)
        self.evaluations = EvaluationService(
            self.database, self.catalogs, self._catalog_rows, self.embedder.backbone_id
        )
        self.inspections = InspectionService(
            self.database, InspectionRepository(), self.catalogs, self._catalog_rows, archive_rows, self.intake, metrics
        )
        self.replays = ReplayService(self.database, self.inspections, history, archive_rows, self.intake)
        self.heatmaps = HeatmapService(self.database, self.inspections, self.catalogs, archive_rows, self.intake)
        self.exports = ExportService(self.inspections)
        self.reports = ReportService(self.exports, self.catalogs, self.archive, self.heatmaps)

    async def start(self) -> None:
        """Check that the stored prototypes are this backbone's, and make what must always exist.

        Raises:
            StartError: the prototypes belong to another backbone, or photos cannot be stored.
        """
        try:
            await self.blobs.check_ready()
        except StorageUnavailable as error:
            raise StartError(
                f"Photos cannot be stored in HAJA_BLOBS={self._blobs_place}: {error.reason}. The README's section on "
                "object storage says what to set."
            ) from error
        async with self.database.writing() as session:
            others = set(await self._catalog_rows.backbone_ids(session)) - {self.embedder.backbone_id}
            if others:
                raise StartError(
                    f"The database holds prototypes of the backbone {', '.join(sorted(others))}, and HAJA_BACKBONE "
                    f"and HAJA_VIEWS make {self.embedder.backbone_id}: set them back, or use another database."
                )
            await self._catalog_rows.add_default_catalog(session)
            await forget_old(session)

    async def close(self) -> None:
        """End threads and connections."""
        await self.intake.close()
        await self.database.close()


@asynccontextmanager
async def open_services(
    settings: Settings, metrics: Metrics, backbone: Backbone | None = None
) -> AsyncIterator[Services]:
    """The services, of a database whose prototypes are of this backbone.

    Raises:
        SchemaError, StartError, CheckpointError: the service cannot start; the message says what to do.
    """
    async with any_services(settings, metrics, backbone) as services:
        await services.start()
        yield services


@asynccontextmanager
async def any_services(
    settings: Settings, metrics: Metrics, backbone: Backbone | None = None
) -> AsyncIterator[Services]:
    """Bring an empty database to this version's schema, load the backbone, and give the services.

    For looking back only: the catalogs may have moved on to another backbone.

    Raises:
        SchemaError, CheckpointError: the message says what to do.
    """
    schema_version.prepare(settings.database_url)
    # The products here are small: threads of BLAS would spin against those that decode and embed.
    threadpool_limits(1, "blas")
    if backbone is None:
        backbone = load_backbone(
            settings.backbone, settings.engine, settings.precision, settings.embed_threads, settings.views
        )
    services = Services(settings, backbone, metrics)
    try:
        yield services
    finally:
        await services.close()


def create_app(settings: Settings, backbone: Backbone | None = None) -> FastAPI:
    """Make the service. `backbone` saves loading it where several apps share a process."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, metrics, backbone) as services:
            app.state.database = services.database
            app.state.blobs = services.blobs
            app.state.embedder = services.embedder
            app.state.archive_service = services.archive
            app.state.catalog_service = services.catalogs
            app.state.evaluation_service = services.evaluations
            app.state.inspection_service = services.inspections
            app.state.heatmap_service = services.heatmaps
            app.state.export_service = services.exports
            app.state.report_service = services.reports
            yield

    # Its pages bring their scripts along: FastAPI's own load them from another site, which an offline laptop lacks.
    service = FastAPIOffline(
        docs_url=DOCS_URL,
        redoc_url=None,
        title="Haja",
        summary="Recognises a construction defect after about five photos.",
        version="0.1.0",
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        responses=errors.documented(),
    )
    service.state.metrics = metrics
    service.state.pages = Pages()
    errors.install(service)
    service.add_middleware(LimitBody, max_bytes=settings.max_request_bytes)
    service.add_middleware(Protect, docs_url=DOCS_URL)
    service.add_middleware(Observe, metrics=metrics)
    # Before the classifications, where `export.csv` would be an id that does not fit.
    service.include_router(app.inspections.export_endpoints.router)
    for part in (app.catalogs, app.evaluation, app.inspections, app.archive, app.web):
        service.include_router(part.endpoints.router)
    service.mount("/static/{version}", VersionedFiles(service.state.pages.version))
    service.include_router(app.operations.router)
    service.openapi = lambda: errors.with_problem_schema(FastAPI.openapi(service))  # type: ignore[method-assign]
    return service


def _operation_id(route: APIRoute) -> str:
    # The function's name: client generators make method names of it, so it must not change with the address.
    return route.name
