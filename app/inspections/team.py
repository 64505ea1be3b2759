"""Counts for the first page of a team, and the places that were written last."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.access.requirements import needs
from app.acting import Role, acting
from app.api.dependencies import of_app
from app.api.problems import documented
from app.errors import DatabaseUnavailable
from app.inspections import repository
from app.inspections.filters import Filter
from app.inspections.site_notes import SEPARATOR
from app.storage.database import Database

router = APIRouter(prefix="/v1", tags=["classifications"])

UTC_ZONE = ZoneInfo("UTC")

DatabaseHere = Annotated[Database, of_app("database")]

Conditions = Annotated[
    dict[str, str | bool], Field(description="The query of /v1/classifications that lists what was counted.")
]


class Count(BaseModel):
    """How many answers have something in common."""

    name: str | None = Field(description="Null: no class of the catalog, or one that is gone; empty: no place.")
    classifications: int
    conditions: Conditions


class TeamCounts(BaseModel):
    """How many answers there are, by everything that a team asks for; the largest numbers first."""

    total: Count
    not_judged: Count
    disagreement: Count = Field(description="The person's newest word contradicts the machine's.")
    by_person: list[Count]
    by_class: list[Count] = Field(description="By the final class: the person's word, else the machine's.")
    by_place: list[Count]
    by_status: list[Count]


@router.get("/classifications/counts", responses=documented(DatabaseUnavailable), dependencies=[needs(Role.INSPECTOR)])
async def count_classifications(
    database: DatabaseHere,
    wanted: Filter,
    period: Annotated[
        Literal["today", "week"] | None, Query(description="Since midnight, or since Monday's midnight.")
    ] = None,
    time_zone: Annotated[ZoneInfo, Query(description="IANA name of the zone in which days begin.")] = UTC_ZONE,
    levels: Annotated[int, Query(ge=1, le=10, description="How many levels of a place are told apart.")] = 1,
) -> TeamCounts:
    """Counts of what is filtered; each with the conditions that list what is behind it."""
    if period is not None:
        begin = _begin(period, datetime.now(time_zone))
        wanted = wanted.model_copy(update={"since": max(begin, wanted.since or begin)})
    async with database.reading() as session:
        groups = await repository.groups(session, wanted, acting().catalogs())
        names = await repository.class_names(session, {each.final_class_id for each in groups} - {None})
    return _counted(groups, names, wanted.model_dump(mode="json", exclude_none=True), levels)


@router.get("/classifications/places", responses=documented(DatabaseUnavailable), dependencies=[needs(Role.INSPECTOR)])
async def list_recent_places(
    database: DatabaseHere, wanted: Filter, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> list[str]:
    """The places of what is filtered, the one that was photographed last first."""
    async with database.reading() as session:
        return list(await repository.recent_places(session, wanted, acting().catalogs(), limit))


def _begin(period: Literal["today", "week"], now: datetime) -> datetime:
    day = now.date() - timedelta(days=now.weekday() if period == "week" else 0)
    return datetime.combine(day, time(), now.tzinfo).astimezone(UTC)


def _counted(groups: list[repository.Group], names: dict[UUID, str], base: dict[str, Any], levels: int) -> TeamCounts:
    people: Counter[str] = Counter()
    classes: Counter[UUID | None] = Counter()
    places: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    total = not_judged = disagreement = 0
    for each in groups:
        total += each.classifications
        people[each.actor] += each.classifications
        classes[each.final_class_id] += each.classifications
        places[SEPARATOR.join(each.place.split(SEPARATOR)[:levels])] += each.classifications
        statuses[each.status] += each.classifications
        not_judged += 0 if each.is_judged else each.classifications
        disagreement += each.classifications if each.is_contradicted else 0

    def count(name: str | None, number: int, **more: str | bool) -> Count:
        return Count(name=name, classifications=number, conditions=base | more)

    return TeamCounts(
        total=count("", total),
        not_judged=count("", not_judged, judged=False),
        disagreement=count("", disagreement, disagreement=True),
        by_person=[count(name, number, by=name) for name, number in people.most_common()],
        by_class=[
            count(None, number, no_class=True)
            if key is None
            else count(names.get(key), number, defect_class_id=str(key))
            for key, number in classes.most_common()
        ],
        by_place=[count(name, number, under=name) for name, number in places.most_common()],
        by_status=[count(name, number, status=name) for name, number in statuses.most_common()],
    )
