"""Points between two writes, at which a process can be made to kill itself.

Hung in from outside by the process that a test starts: the program itself knows nothing of them.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.photos.blobs.objects import ObjectStorage

WRITES = {"INSERT", "UPDATE", "DELETE"}


class Failpoints:
    """Counts points as the process passes them; at the one that was armed it is dead before its next instruction."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._left = 0
        self.passed: list[str] = []

    def arm(self, point: int) -> list[str]:
        """Die at the `point`-th point from now, never at 0; what was passed since the last call."""
        passed, self.passed = self.passed, []
        self._left = point
        return passed

    def install(self) -> None:
        """Stand before every write, before and after every COMMIT, before and after every object is put."""

        @event.listens_for(Engine, "before_cursor_execute")
        def write(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            verb = statement.split(None, 1)[0].upper()
            if verb in WRITES:
                self._reach(f"before {verb}")

        @event.listens_for(Engine, "commit")
        def before_commit(_connection: Any) -> None:
            self._reach("before COMMIT")

        @event.listens_for(Session, "after_commit")
        def after_commit(_session: Any) -> None:
            self._reach("after COMMIT")

        put = ObjectStorage.put

        async def watched_put(objects: ObjectStorage, sha256: str, data: bytes) -> None:
            self._reach("before PUT")
            await put(objects, sha256, data)
            self._reach("after PUT")

        setattr(ObjectStorage, "put", watched_put)  # noqa: B010 - in so many words, it is no method of that class

    def _reach(self, point: str) -> None:
        self.passed.append(point)
        if self._left:
            self._left -= 1
            if self._left == 0:
                self._tell(point)
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()
