"""Lists in pages: the cursor is the last id of the page before, so a page costs the same wherever it is."""

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from app.errors import CursorInvalid

Item = TypeVar("Item")


class HasId(Protocol):
    """A row with the id that lists are sorted by."""

    @property
    def id(self) -> UUID:
        """The id."""
        ...


Row = TypeVar("Row", bound=HasId)

MOST = 200
"""Items of one page."""

_SHAPE = "[A-Za-z0-9_-]{22}"

Limit = Annotated[int, Field(ge=1, le=MOST, description="Most items in this page.")]
Cursor = Annotated[
    Annotated[str, Field(json_schema_extra={"pattern": f"^{_SHAPE}$"})] | None,
    Field(max_length=64, description="`next_cursor` of the page before."),
]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Pass it as `cursor` for the next page; null at the end.")


def cut(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], str | None]:
    """Cut `limit` + 1 rows that were read to a page and the cursor of the next one."""
    page = rows[:limit]
    return page, encode_cursor(page[-1].id) if len(rows) > limit else None


def encode_cursor(last_id: UUID) -> str:
    """Id -> cursor."""
    return base64.urlsafe_b64encode(last_id.bytes).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> UUID | None:
    """Cursor -> id.

    Raises:
        CursorInvalid: not a cursor of ours.
    """
    if cursor is None:
        return None
    # Asked first, because the decoder passes over every character that is none of its own.
    if not re.fullmatch(_SHAPE, cursor):
        raise CursorInvalid("The cursor is not one that this service gave out: start the list without it.")
    return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))


async def every(fetch: Callable[[UUID | None, int], Awaitable[Page[Item]]]) -> AsyncIterator[Item]:
    """Every item of a list; `fetch` as for `pages`."""
    async for items in pages(fetch):
        for item in items:
            yield item


async def pages(fetch: Callable[[UUID | None, int], Awaitable[Page[Item]]]) -> AsyncIterator[list[Item]]:
    """A list, a page at a time; one empty page where there is nothing.

    `fetch` takes the last id of the page before and the most items of a page.
    """
    after = None
    while True:
        page = await fetch(after, MOST)
        yield page.items
        if page.next_cursor is None:
            return
        after = decode_cursor(page.next_cursor)
