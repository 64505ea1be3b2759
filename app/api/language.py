"""The two languages of Haja's words."""

from typing import Annotated, Literal

from fastapi import Query

Language = Literal["ko", "en"]

Lang = Annotated[Language, Query(description="Language of words: `ko` or `en`. Where a class lacks it, the other.")]
