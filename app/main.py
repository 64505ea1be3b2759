"""The app: everything is put together here, and nothing lives outside of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.formparsers import MultiPartParser

import app.access.audit_endpoints
import app.access.endpoints
import app.catalogs.endpoints
import app.evaluation.endpoints
import app.inspections.endpoints
import app.inspections.exports.endpoints
import app.inspections.region_endpoints
import app.inspections.removal_endpoints
import app.inspections.team
import app.inspections.thumbnails
import app.jobs.endpoints
import app.server.health
import app.web.endpoints
import app.web.sign_in
from app import __version__
from app.access.audit.service import AuditService
from app.access.cookies import Cookies
from app.access.middleware import Authenticate
from app.access.sign_in_tries import SignInTries
from app.api import problems
from app.api.uploads import flatten_forms
from app.config import Settings
from app.errors import QueueFull
from app.metrics import Metrics
from app.photos.decoding.decoders import Decoders
from app.server.admission import Admission
from app.server.body_limit import MAX_FORM_FIELD_BYTES, MAX_FORM_FIELDS, LimitBody
from app.server.concurrency_limit import ConcurrencyLimit
from app.server.limits import DEFAULT, Limits
from app.server.load_shedding import LoadShedding
from app.server.request_context import RequestContext
from app.services import open_services
from app.storage import schema
from app.web.pages import Pages, VersionedFiles
from models.backbones import Backbone

if TYPE_CHECKING:
    from app.access.provider import SignInProvider

# Phone photos stay in memory while they arrive: in a temporary file, each 64 kB piece would cost a change of threads.
# Starlette offers no other place to say so.
MultiPartParser.spool_max_size = 8_000_000

DOCS_URL = "/docs"


def create_app(
    settings: Settings,
    backbone: Backbone | None = None,
    decoders: Decoders | None = None,
    limits: Limits = DEFAULT,
) -> FastAPI:
    """Make the service. Apps that share a process may share `backbone`, of the local embedder, and `decoders`."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_services(settings, metrics, backbone, decoders) as services,
            services.access.noting_use(),
        ):
            await services.access.refuse_open(settings.host)
            app.state.access_service = services.access
            app.state.audit_service = AuditService(services.database)
            app.state.schema_revision = schema.head()
            app.state.database = services.database
            app.state.blobs = services.blobs
            app.state.embedder = services.embedders.own
            app.state.archive_service = services.archive
            app.state.catalog_service = services.catalogs
            app.state.evaluation_service = services.evaluations
            app.state.inspection_service = services.inspections
            app.state.region_service = services.regions
            app.state.removal_service = services.removals
            app.state.heatmap_service = services.heatmaps
            app.state.export_service = services.exports
            app.state.report_service = services.reports
            app.state.job_service = services.jobs
            app.state.batch_worker = services.batch_worker
            app.state.batch_task = asyncio.create_task(services.batch_worker.run())
            endless = (services.preloader.run(), services.removals.run())
            background = [app.state.batch_task, *map(asyncio.create_task, endless)]
            try:
                yield
            finally:
                for task in background:
                    task.cancel()
                await asyncio.wait(background)

    # Its pages bring their scripts along: FastAPI's own load them from another site, which an offline laptop lacks.
    service = FastAPIOffline(
        docs_url=DOCS_URL,
        redoc_url=None,
        title="Haja",
        summary="Recognises a construction defect after about five photos.",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,  # it would send the caller to whatever name Host says
        generate_unique_id_function=_operation_id,
        responses=problems.documented(),
        form_limits={"max_fields": MAX_FORM_FIELDS, "max_part_size": MAX_FORM_FIELD_BYTES},
    )
    service.state.metrics = metrics
    service.state.pages = Pages()
    service.state.cookies = cookies = Cookies(secure=settings.is_https)
    service.state.sign_in_tries = tries = SignInTries(metrics)
    service.state.sign_in_provider = _sign_in_provider(settings)
    problems.install(service)
    photos = ConcurrencyLimit(settings.queue_size, QueueFull)
    # From the inside to the outside.
    service.add_middleware(Admission, photos=photos, limits=limits)
    service.add_middleware(
        Authenticate,
        cookies=cookies,
        tries=tries,
        per_minute=settings.requests_per_minute,
        public_url=settings.public_url,
    )
    service.add_middleware(LimitBody, limits=limits)
    service.add_middleware(RequestContext, metrics=metrics, docs_url=DOCS_URL, is_https=settings.is_https)
    service.add_middleware(LoadShedding, photos=photos, limits=limits, metrics=metrics, is_https=settings.is_https)
    for part in (
        app.inspections.exports.endpoints,
        app.web.sign_in,
        app.catalogs.endpoints,
        app.evaluation.endpoints,
        app.inspections.endpoints,
        app.inspections.region_endpoints,
        app.inspections.removal_endpoints,
        app.inspections.team,
        app.jobs.endpoints,
        app.inspections.thumbnails,
        app.access.endpoints,
        app.access.audit_endpoints,
        app.web.endpoints,
    ):
        service.include_router(part.router)
    service.mount("/static/{version}", VersionedFiles(service.state.pages.version))
    service.include_router(app.server.health.router)
    service.openapi = lambda: _completed(FastAPI.openapi(service))  # type: ignore[method-assign]
    return service


def _sign_in_provider(settings: Settings) -> "SignInProvider | None":
    if settings.oidc_issuer is None:
        return None
    from app.access.provider import SignInProvider  # noqa: PLC0415 - loads authlib, which most services do without

    return SignInProvider.of(settings)


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """What FastAPI cannot know: the schema of problems, flat forms, and that the middleware asks for keys."""
    problems.with_problem_schema(document)
    flatten_forms(document)
    document["components"]["securitySchemes"] = {"api_key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"api_key": []}]
    return document


def _operation_id(route: APIRoute) -> str:
    # The function's name: client generators make method names of it, so it must not change with the address.
    return route.name
