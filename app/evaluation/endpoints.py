"""The evaluation of a catalog over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Response

from app.access.requirements import needs
from app.acting import Role
from app.api.dependencies import Lang, of_app
from app.api.problems import documented
from app.catalogs.scopes import CATALOG
from app.errors import CatalogNotFound, DatabaseUnavailable
from app.evaluation import schemas
from app.evaluation.service import CatalogTooLargeToDraw, EvaluationService

router = APIRouter(prefix="/v1", tags=["catalogs"])


Evaluations = Annotated[EvaluationService, of_app("evaluation_service")]


@router.get(
    "/catalogs/{catalog}/evaluation",
    responses=documented(CatalogNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def evaluate_catalog(catalog: str, evaluations: Evaluations) -> schemas.CatalogEvaluation:
    """How well the classes of a catalog are told apart: every support photo judged without itself."""
    return await evaluations.evaluate(catalog)


@router.get(
    "/catalogs/{catalog}/evaluation/confusion.png",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "A PNG."},
        **documented(CatalogNotFound, CatalogTooLargeToDraw, DatabaseUnavailable),
    },
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def draw_catalog_confusion(catalog: str, evaluations: Evaluations, lang: Lang = "ko") -> Response:
    """The same as a picture: in each row, a class, what its support photos were taken for, in per cent."""
    # The next change of the catalog moves it.
    headers = {"Cache-Control": "private, no-cache"}
    return Response(await evaluations.draw(catalog, lang), media_type="image/png", headers=headers)
