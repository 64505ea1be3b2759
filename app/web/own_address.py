"""Where a page may send its visitor on to."""

import re

_OWN = re.compile(
    r"(?=/)"
    r"(?:/[A-Za-z0-9_-]+)*/?"  # as in every address of this service, so nothing is encoded and nothing stands twice
    r"(?:\?[^\x00-\x1f\x7f-\x9f\\\ud800-\udfff]*)?"
)


def own_address(then: str) -> str:
    """`then`, where it is a path of this service with or without conditions; else the first page.

    Browsers drop control characters, read a backslash as a slash, and two slashes as the beginning of another site.
    """
    return then if _OWN.fullmatch(then) else "/"
