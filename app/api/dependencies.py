"""What endpoints are given by the app that they belong to."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from app.api.language import Language

Lang = Annotated[Language, Query(description="Language of words: `ko` or `en`. Where a class lacks it, the other.")]


def of_app(name: str) -> Any:
    """A dependency: what the app keeps in its state under this name, as in `Annotated[JobService, of_app("...")]`."""

    async def get(request: Request) -> Any:  # async, because FastAPI would call it in a thread
        return getattr(request.app.state, name)

    return Depends(get)
