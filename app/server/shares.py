"""Bytes that are held for callers, none of whom can take all of them."""

from collections import Counter
from collections.abc import Hashable
from types import TracebackType
from typing import Self


class Shares:
    """Bytes in all, of which one caller may hold `each` at most, and never more than is free for the others."""

    def __init__(self, total: int, each: int) -> None:
        self._free = total
        self._each = each
        self._held: Counter[Hashable] = Counter()

    def of(self, caller: Hashable) -> "Holding":
        """To hold some for one request of a caller."""
        return Holding(self, caller)

    def take(self, caller: Hashable, count: int) -> bool:
        """Hold so many more bytes; False, and nothing more is held, where the caller's share is smaller."""
        if self._held[caller] + count > min(self._each, self._free - count):
            return False
        self._held[caller] += count
        self._free -= count
        return True

    def give_back(self, caller: Hashable, count: int) -> None:
        """Hold so many bytes less."""
        self._free += count
        self._held[caller] -= count
        if not self._held[caller]:
            del self._held[caller]


class Holding:
    """What is held for one request; nothing any more when the block ends."""

    def __init__(self, shares: Shares, caller: Hashable) -> None:
        self._shares = shares
        self._caller = caller
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.give_back(self.count)

    def take(self, count: int) -> bool:
        """As `Shares.take`."""
        taken = self._shares.take(self._caller, count)
        self.count += count if taken else 0
        return taken

    def give_back(self, count: int) -> None:
        """Hold so many bytes less."""
        self._shares.give_back(self._caller, count)
        self.count -= count
