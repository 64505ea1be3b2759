"""Counting against a limit of requests."""

import math
import time

from limits import RateLimitItem
from limits.aio.strategies import RateLimiter


async def count(counts: RateLimiter, limit: RateLimitItem, who: str) -> int:
    """Count one more of somebody; 0 where the limit allows it, else how many seconds to wait, 1 or more."""
    if await counts.hit(limit, who):
        return 0
    reset_at = (await counts.get_window_stats(limit, who)).reset_time
    return max(1, math.ceil(reset_at - time.time()))
