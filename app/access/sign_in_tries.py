"""How often somebody may try to sign in, and what is noted of a try that fails."""

import ipaddress
from typing import Literal

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.types import Scope

from app.access.errors import TooManySignIns
from app.access.rates import count
from app.metrics import Metrics

_log = structlog.get_logger("app.access")

PER_MINUTE = 60
"""Tries of one address, those that succeed among them: a whole site may share one."""

Way = Literal["form", "provider", "key"]


class SignInTries:
    """Counts the tries of each address in this process; the addresses are those that the server knows."""

    def __init__(self, metrics: Metrics, per_minute: int = PER_MINUTE) -> None:
        self._failures = metrics.failed_sign_ins
        self._per_minute = per_minute
        self._limit = RateLimitItemPerMinute(per_minute)
        self._counts = MovingWindowRateLimiter(MemoryStorage())

    async def count(self, scope: Scope) -> None:
        """Note a try before anything is looked up for it. Raises `TooManySignIns`."""
        if wait_s := await count(self._counts, self._limit, _network(_address(scope))):
            raise TooManySignIns(self._per_minute, wait_s)

    def fail(self, scope: Scope, way: Way) -> None:
        """Note a try that failed: `key` is one that came with a request."""
        self._failures.labels(way).inc()
        _log.warning("sign-in failed", way=way, address=_address(scope))


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _network(address: str) -> str:
    """Whose an address is: of IPv6 a household has 2 to the power of 64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address  # noqa: PLR2004
