"""The two languages of Haja's words."""

from typing import Literal

Language = Literal["ko", "en"]
