"""The pages: what a browser shows is read through the same services as the REST interface; changes go through REST."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Cookie, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.access.requirements import needs
from app.acting import Role, acting
from app.api.language import Language
from app.api.pagination import Cursor, decode_cursor
from app.catalogs.endpoints import Catalogs
from app.catalogs.scopes import DEFECT_CLASS
from app.catalogs.service import CatalogService
from app.errors import CatalogNotFound, RequestInvalid
from app.evaluation.endpoints import Evaluations
from app.inspections.endpoints import Inspections
from app.inspections.exports.endpoints import Reports
from app.inspections.scopes import CLASSIFICATION
from app.web.history_form import HistoryForm
from app.web.own_address import own_address
from app.web.pages import Pages
from app.web.words import words_of

SHOWN = 100
"""Most classes, examples or answers of one page."""

OFFERED = 200
"""Most catalogs and classes to choose from."""

GOOD_RECALL = 0.8
"""A class below it is named as one that needs better examples."""

Catalog = Annotated[str, Cookie(alias="catalog")]


class PageRoute(APIRoute):
    """An error of a page is a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its errors rendered."""
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                # An address of nothing that could be there, or a form that does not fit.
                is_elsewhere = any(fault["loc"][0] == "path" for fault in error.errors())
                status, code = (404, "not-found") if is_elsewhere else (422, RequestInvalid.code)
                return pages_of(request).render(request, "problem.html", status, code=code)
            except HTTPException as error:
                code = getattr(error, "code", "not-found")
                page = pages_of(request).render(request, "problem.html", error.status_code, code=code)
                page.headers.update(error.headers or {})
                return page

        return handle_or_explain


router = APIRouter(include_in_schema=False, route_class=PageRoute)


def pages_of(request: Request) -> Pages:
    """What renders the pages of this app."""
    return request.app.state.pages  # type: ignore[no-any-return]


@router.get("/", dependencies=[needs(Role.INSPECTOR)])
async def show_inspect(request: Request, catalogs: Catalogs, catalog: Catalog = "default") -> Response:
    """Take photos and see what they show."""
    shown = await _frame(catalogs, catalog)
    _, index = await catalogs.index(shown["catalog"])
    titles = await _titles(request, catalogs, shown["catalog"])
    return pages_of(request).render(
        request, "inspect.html", **shown, titles=titles, scans=index.scans, has_classes=bool(index.candidates)
    )


@router.get("/catalog", dependencies=[needs(Role.INSPECTOR)])
async def show_catalog(
    request: Request,
    catalogs: Catalogs,
    evaluations: Evaluations,
    catalog: Catalog = "default",
    cursor: Cursor = None,
) -> Response:
    """The classes with their photos, and how well they are told apart."""
    shown = await _frame(catalogs, catalog)
    page = await catalogs.list_defect_classes(shown["catalog"], decode_cursor(cursor), SHOWN)
    # Of a catalog that takes several pages the figures would take seconds: the REST interface has them.
    whole = cursor is None and page.next_cursor is None
    evaluation = await evaluations.evaluate(shown["catalog"]) if whole else None
    judged = evaluation.classes if evaluation else []
    showing = next(each for each in shown["catalogs"] if each.name == shown["catalog"])
    return pages_of(request).render(
        request,
        "catalog.html",
        **shown,
        mode=showing.mode,
        chooses_mode=acting().may(Role.ADMIN, showing.id),
        classes=page.items,
        next_cursor=page.next_cursor,
        examples=await catalogs.first_support_photos([each.id for each in page.items]),
        evaluation=evaluation,
        weak=[each for each in judged if each.recall is not None and each.recall.value < GOOD_RECALL],
    )


@router.get("/catalog/new", dependencies=[needs(Role.CURATOR)])
async def show_register(request: Request, catalogs: Catalogs, catalog: Catalog = "default") -> Response:
    """Register a defect class."""
    shown = await _frame(catalogs, catalog)
    _, index = await catalogs.index(shown["catalog"])
    return pages_of(request).render(request, "register.html", **shown, scans=index.scans)


@router.get("/catalog/{class_id}", dependencies=[needs(Role.INSPECTOR, DEFECT_CLASS)])
async def show_defect_class(
    request: Request, class_id: UUID, catalogs: Catalogs, catalog: Catalog = "default", cursor: Cursor = None
) -> Response:
    """One class: its names, its photos and what they are worth."""
    defect_class = await catalogs.get_defect_class(class_id)
    photos = await catalogs.list_support_photos(class_id, decode_cursor(cursor), SHOWN)
    report = await catalogs.support_report(class_id)
    shown = await _frame(catalogs, catalog)
    _, index = await catalogs.index(shown["catalog"])
    return pages_of(request).render(
        request,
        "defect_class.html",
        **shown,
        scans=index.scans,
        defect_class=defect_class,
        photos=photos.items,
        next_cursor=photos.next_cursor,
        report=report,
        doubted={photo for warning in report.warnings for photo in warning.support_photo_ids},
    )


@router.get("/history", dependencies=[needs(Role.INSPECTOR)])
async def show_history(
    request: Request,
    inspections: Inspections,
    catalogs: Catalogs,
    reports: Reports,
    chosen: Annotated[HistoryForm, Query()],
    cursor: Cursor = None,
    catalog: Catalog = "default",
) -> Response:
    """What was answered, newest first, and what inspectors said of it."""
    shown = await _frame(catalogs, chosen.catalog or catalog)
    wanted = chosen.conditions()
    page = await inspections.list_classifications(wanted, before=decode_cursor(cursor), limit=SHOWN)
    classes = (await catalogs.list_defect_classes(shown["catalog"], None, OFFERED)).items
    pages = pages_of(request)
    language = pages.language(request)
    names = {each.id: each.title(language) for each in classes}
    query = wanted.model_dump(mode="json", exclude_none=True)
    as_chosen = chosen.model_dump(mode="json", exclude_defaults=True)
    return pages.render(
        request,
        "history.html",
        **shown,
        chosen=chosen,
        is_filtered=bool(query),
        items=page.items,
        words={each.id: words_of(each, names, language, pages.say(language)) for each in page.items},
        classes=classes,
        titles={str(class_id): title for class_id, title in names.items()},
        report=reports.newest(),
        wanted=urlencode(query | {"lang": language}),
        next_page=page.next_cursor and urlencode(as_chosen | {"cursor": page.next_cursor}),
    )


@router.get("/team", dependencies=[needs(Role.INSPECTOR)])
async def show_team(
    request: Request,
    catalogs: Catalogs,
    period: Literal["today", "week", "all"] = "today",
    catalog: Catalog = "default",
) -> Response:
    """What was found, by whom, where, and what is still to be judged."""
    shown = await _frame(catalogs, catalog)
    titles = await _titles(request, catalogs, shown["catalog"])
    return pages_of(request).render(request, "team.html", **shown, titles=titles, period=period)


@router.get("/classifications/{classification_id}", dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)])
async def show_classification(
    request: Request, classification_id: UUID, inspections: Inspections, catalogs: Catalogs
) -> Response:
    """One answer, as the inspect page showed it."""
    classification = await inspections.get(classification_id)
    return pages_of(request).render(
        request,
        "classification.html",
        **await _frame(catalogs, classification.catalog),
        titles=await _titles(request, catalogs, classification.catalog),
        classification=classification.model_dump(mode="json"),
    )


@router.get("/offline")
async def show_offline(request: Request) -> Response:
    """What the service worker shows where the network is missing."""
    return pages_of(request).render(request, "problem.html", code="offline")


@router.get("/choose")
async def choose(
    request: Request,
    language: Language | None = None,
    catalog: Annotated[str | None, Query(pattern="^[a-z0-9_-]{1,63}$")] = None,
    then: str = "/",
) -> Response:
    """Remember a language or a catalog, and go on."""
    answer = RedirectResponse(own_address(then), 303)
    for name, value in (("language", language), ("catalog", catalog)):
        if value is not None:
            is_https = request.url.scheme == "https"
            answer.set_cookie(name, value, max_age=31_536_000, httponly=True, samesite="lax", secure=is_https)
    return answer


@router.get("/manifest.webmanifest")
async def get_manifest(request: Request) -> Response:
    """What a phone needs to install the pages."""
    pages = pages_of(request)
    return JSONResponse(
        pages.manifest(pages.language(request)),
        headers={"Cache-Control": "private, no-cache"},
        media_type="application/manifest+json",
    )


@router.get("/service-worker.js")
async def get_service_worker(request: Request) -> Response:
    """At the root, because it serves what lies below its own address only."""
    return Response(
        pages_of(request).service_worker(), headers={"Cache-Control": "no-cache"}, media_type="text/javascript"
    )


def forget_choice(request: Request, answer: Response) -> None:
    """Whoever comes next begins with a catalog of their own; the language is the phone's."""
    answer.delete_cookie("catalog", secure=request.url.scheme == "https", httponly=True, samesite="lax")


async def _titles(request: Request, catalogs: CatalogService, catalog: str) -> dict[str, str]:
    """What the classes of a catalog are called on the page: an inspector may mean one that no answer names."""
    language = pages_of(request).language(request)
    classes = (await catalogs.list_defect_classes(catalog, None, OFFERED)).items
    return {str(each.id): each.title(language) for each in classes}


async def _frame(catalogs: Catalogs, chosen: str) -> dict[str, Any]:
    """The catalogs to choose from, and the one that is shown: the chosen one may have been renamed or deleted."""
    every = (await catalogs.list_catalogs(None, OFFERED)).items
    if not every:
        # The last one that was seen has just been deleted; another one is not to be shown instead.
        raise CatalogNotFound.named(chosen)
    names = {each.name for each in every}
    shown = "default" if "default" in names else every[0].name
    catalog = chosen if chosen in names else shown
    catalog_id = next(str(each.id) for each in every if each.name == catalog)
    return {"catalogs": every, "catalog": catalog, "catalog_id": catalog_id}
