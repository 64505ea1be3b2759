"""How many requests are worked on at a time."""

from collections.abc import Callable

from app.errors import HajaError


class ConcurrencyLimit:
    """Holds the requests that are being worked on, up to a number of them.

    Those whose body is still arriving count for no more than a quarter of it together: a few callers on a bad line must
    not keep the others out while nothing is being worked on.
    """

    def __init__(self, limit: int, refusal: Callable[[], HajaError]) -> None:
        self._limit = limit
        self._limit_of_arriving = limit // 4
        self._refusal = refusal
        self._arriving: set[object] = set()
        self._whole: set[object] = set()

    def is_reached(self) -> bool:
        """Whether no further request can be held."""
        return len(self._whole) + min(len(self._arriving), self._limit_of_arriving) >= self._limit

    def require_free(self) -> None:
        """Raises the refusal where the limit is reached."""
        if self.is_reached():
            raise self._refusal()

    def hold(self, request: object, *, is_whole: bool) -> None:
        """Hold a request, or note how far one is that is held. Raises the refusal where the limit is reached."""
        if request not in self._arriving and request not in self._whole:
            self.require_free()
        self.release(request)
        (self._whole if is_whole else self._arriving).add(request)

    def release(self, request: object) -> None:
        """Hold a request no more, if it was held."""
        self._arriving.discard(request)
        self._whole.discard(request)
