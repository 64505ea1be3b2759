"""By which name a request reached the service, and whether a proxy says that it carried it here."""

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import Scope

from app.access.service import is_loopback
from app.errors import BadRequest, HostRefused

_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,255}"
_HOST = re.compile(rf"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>{_NAME}))(?::[0-9]{{0,5}})?")
"""Host and port as RFC 3986 writes them."""

_BY_PROXIES = frozenset(
    {"cdn-loop", "client-ip", "forwarded", "front-end-https", "proxy-client-ip", "surrogate-capability",
     "true-client-ip", "via", "wl-proxy-client-ip", "x-client-ip", "x-cloud-trace-context", "x-cluster-client-ip",
     "x-host", "x-proxyuser-ip", "x-real-ip", "x-remote-addr", "x-remote-ip", "x-request-start", "x-rewrite-url",
     "x-scheme", "x-varnish"}
)  # fmt: skip
_PREFIXES_OF_PROXIES = (
    "cf-", "fastly-", "fly-", "tailscale-", "x-amz-cf-", "x-amzn-", "x-appengine-", "x-arr-", "x-azure-", "x-envoy-",
    "x-forwarded", "x-original-", "x-vercel-",
)  # fmt: skip
"""Headers that proxies, tunnels and networks of them add, and that nobody who asks for himself does."""


def host_of(scope: Scope) -> str:
    """The name or address that the caller used, in small letters and without its port; empty where none was sent.

    Raises:
        BadRequest: it is no host, or there are several, or HTTP/1.1 came without one.
    """
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if not sent and scope["http_version"] == "1.0":
        return ""
    found = _HOST.fullmatch(sent[0]) if len(sent) == 1 else None
    if found is None or not (found["name"] or _is_address(found["address"])):
        raise BadRequest("The header Host must come once and be a name or an address, as in `Host: haja.example`.")
    return (found["name"] or found["address"]).lower()


def require_this_machine(scope: Scope) -> None:
    """Refuse what somebody elsewhere may have sent, as far as a request tells.

    A proxy on this machine that adds no header, speaks HTTP/1.1 and asks for localhost looks like somebody who sits
    here: before there is a proxy, there must be a key.

    Raises:
        HostRefused: it came by another name than this machine's own, or a proxy carried it.
    """
    # A page elsewhere can give its own name the address of this machine. HTTP/1.0 is what proxies speak that say
    # nothing of themselves, as nginx did for twenty years; browsers and tools have left it.
    is_here = is_loopback(host_of(scope)) and scope["http_version"] != "1.0"
    if not is_here or any(_is_of_proxy(name) for name in Headers(scope=scope)):
        raise HostRefused


def _is_of_proxy(name: str) -> bool:
    return name in _BY_PROXIES or name.startswith(_PREFIXES_OF_PROXIES)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
