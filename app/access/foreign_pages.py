"""Whether a page of another site sent a request through a visitor's browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from app.access.service import is_loopback
from app.errors import ForeignPage

_SAFE = {"GET", "HEAD"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def refuse_foreign_page(scope: Scope, headers: Headers, public_url: str | None) -> None:
    """Refuse a change that another site's page asks for; `public_url` is how browsers reach the service.

    Browsers say from where a request comes, and no page can say otherwise: to HTTPS and localhost in Sec-Fetch-Site,
    everywhere in Origin (`null` where they are to hide it), and those of before 2020 in Referer. Who says nothing is a
    program, and so is who sends a key, which no page can make a browser do.

    Raises:
        ForeignPage: it comes from elsewhere.
    """
    if scope["method"] in _SAFE:
        return
    if (site := headers.get("sec-fetch-site")) is not None:
        is_own = site in {"same-origin", "none"}
    elif headers.get("authorization", "").lower().startswith("bearer "):
        is_own = True
    else:
        sender = headers.get("origin") or headers.get("referer")
        is_own = not sender or _is_own(sender, scope, headers.get("host", ""), public_url)
    if not is_own:
        raise ForeignPage("A page of another site sent this request, so nothing was done: use Haja's own pages.")


def _is_own(sender: str, scope: Scope, host: str, public_url: str | None) -> bool:
    origin = _origin(sender)
    if origin is None:
        return False
    if public_url is not None and origin == _origin(public_url):
        return True
    # Where nobody says that it is HTTPS a proxy may still speak it. Where it is, a page that came without was forged
    # on the way; to this machine itself there is no way.
    schemes = ["https"] if scope["scheme"] == "https" and not is_loopback(origin[1]) else ["http", "https"]
    return origin in [_origin(f"{scheme}://{host}") for scheme in schemes]


def _origin(address: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an address; None where it has none."""
    try:
        parts = urlsplit(address)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.scheme in _DEFAULT_PORTS and parts.hostname else None
