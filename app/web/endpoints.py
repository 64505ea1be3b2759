"""The pages: what a browser shows is read through the same services as the REST interface; changes go through REST."""

from collections.abc import Callable, Coroutine
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Cookie, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.catalogs.endpoints import Catalogs
from app.catalogs.schemas import DefectClassOut
from app.evaluation.endpoints import Evaluations
from app.inspections.endpoints import Inspections
from app.web.pages import Pages

CLASSES_SHOWN = 200
"""Most classes that a page shows or offers for choosing."""

Catalog = Annotated[str, Cookie(alias="catalog")]


class PageRoute(APIRoute):
    """An error of a page is a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its errors rendered."""
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                return _pages(request).render(request, "problem.html", 404, code="not-found")
            except HTTPException as error:
                code = getattr(error, "code", "not-found")
                return _pages(request).render(request, "problem.html", error.status_code, code=code)

        return handle_or_explain


router = APIRouter(include_in_schema=False, route_class=PageRoute)


def _pages(request: Request) -> Pages:
    return request.app.state.pages  # type: ignore[no-any-return]


@router.get("/")
async def show_inspect(request: Request, catalogs: Catalogs, catalog: Catalog = "default") -> Response:
    """Take photos and see what they show."""
    shown = await _frame(catalogs, catalog)
    classes = await _classes(catalogs, shown["catalog"])
    return _pages(request).render(request, "inspect.html", **shown, has_classes=any(each.shots for each in classes))


@router.get("/catalog")
async def show_catalog(
    request: Request, catalogs: Catalogs, evaluations: Evaluations, catalog: Catalog = "default"
) -> Response:
    """The classes with their photos, and how well they are told apart."""
    shown = await _frame(catalogs, catalog)
    classes = await _classes(catalogs, shown["catalog"])
    examples = await catalogs.first_support_photos([each.id for each in classes])
    evaluation = await evaluations.evaluate(shown["catalog"])
    weak = [each for each in evaluation.classes if each.recall is not None and each.recall.value < 1]
    return _pages(request).render(
        request, "catalog.html", **shown, classes=classes, examples=examples, evaluation=evaluation, weak=weak
    )


@router.get("/catalog/new")
async def show_register(request: Request, catalogs: Catalogs, catalog: Catalog = "default") -> Response:
    """Register a defect class."""
    return _pages(request).render(request, "register.html", **await _frame(catalogs, catalog))


@router.get("/catalog/{class_id}")
async def show_defect_class(
    request: Request, class_id: UUID, catalogs: Catalogs, catalog: Catalog = "default"
) -> Response:
    """One class: its names, its photos and what they are worth."""
    defect_class = await catalogs.get_defect_class(class_id)
    photos = await catalogs.list_support_photos(class_id, None, 200)
    report = await catalogs.support_report(class_id)
    return _pages(request).render(
        request,
        "defect_class.html",
        **await _frame(catalogs, catalog),
        defect_class=defect_class,
        photos=photos.items,
        report=report,
    )


@router.get("/classifications/{classification_id}")
async def show_classification(
    request: Request, classification_id: UUID, inspections: Inspections, catalogs: Catalogs
) -> Response:
    """One answer, as the inspect page showed it."""
    classification = await inspections.get(classification_id)
    return _pages(request).render(
        request,
        "classification.html",
        **await _frame(catalogs, classification.catalog),
        classification=classification.model_dump(mode="json"),
    )


@router.get("/offline")
async def show_offline(request: Request) -> Response:
    """What the service worker shows where the network is missing."""
    return _pages(request).render(request, "problem.html", code="offline")


@router.get("/choose")
async def choose(
    request: Request,
    language: Literal["ko", "en"] | None = None,
    catalog: Annotated[str | None, Query(pattern="^[a-z0-9_-]{1,63}$")] = None,
    then: str = "/",
) -> Response:
    """Remember a language or a catalog, and go on."""
    parts = urlsplit(then)
    # Only to an address of this service: a browser reads // and /\ as another one.
    here = then if then.startswith("/") and not parts.netloc and "\\" not in then else "/"
    answer = RedirectResponse(here, 303)
    for name, value in (("language", language), ("catalog", catalog)):
        if value is not None:
            answer.set_cookie(name, value, max_age=31_536_000, httponly=True, samesite="lax")
    return answer


@router.get("/manifest.webmanifest")
async def get_manifest(request: Request) -> Response:
    """What a phone needs to install the pages."""
    pages = _pages(request)
    return JSONResponse(
        pages.manifest(pages.language(request)),
        headers={"Cache-Control": "private, no-cache"},
        media_type="application/manifest+json",
    )


@router.get("/service-worker.js")
async def get_service_worker(request: Request) -> Response:
    """At the root, because it serves what lies below its own address only."""
    return Response(
        _pages(request).service_worker(), headers={"Cache-Control": "no-cache"}, media_type="text/javascript"
    )


async def _frame(catalogs: Catalogs, chosen: str) -> dict[str, Any]:
    """The catalogs to choose from, and the one that is shown: the chosen one may have been renamed or deleted."""
    every = (await catalogs.list_catalogs(None, CLASSES_SHOWN)).items
    names = {each.name for each in every}
    return {"catalogs": every, "catalog": chosen if chosen in names else "default"}


async def _classes(catalogs: Catalogs, catalog: str) -> list[DefectClassOut]:
    return (await catalogs.list_defect_classes(catalog, None, CLASSES_SHOWN)).items
