"""Where photo bytes live: in the database, or in object storage when a site outgrows it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.storage.database import Session, SyncSession


class Blobs(Protocol):
    """Photo bytes, found by the SHA-256 of their content.

    To keep bytes takes two steps, because no session is held while object storage is waited for: `store` before the
    transaction of the rows that name them, and `keep` inside of it.
    """

    async def check_ready(self) -> None:
        """Say now, at the start, what would keep photos from being stored. Raises `StorageUnavailable`."""
        ...

    async def ping(self) -> None:
        """Raise `StorageUnavailable` unless bytes can be read."""
        ...

    async def store(self, contents: Mapping[str, bytes]) -> None:
        """Put bytes by their SHA-256 where they live, unless that is the database.

        Raises:
            StorageUnavailable: not all of them are there.
        """
        ...

    def keep(self, session: SyncSession, contents: Mapping[str, bytes]) -> None:
        """In the transaction that wrote the rows of these photos, and after these rows: make sure of their bytes."""
        ...

    async def get(self, sha256: str) -> bytes | None:
        """The bytes with this SHA-256, or None. To be called outside of any session.

        Raises:
            StorageUnavailable: nobody knows.
        """
        ...

    async def forget(self, session: Session, sha256s: Sequence[str]) -> None:
        """In the transaction that removed the rows of these photos: nobody will ask for their bytes any more."""
        ...

    async def orphans(self) -> list[str]:
        """The SHA-256 of bytes that no photo owns. Raises `StorageUnavailable`."""
        ...

    async def remove_orphans(self) -> int:
        """Delete the bytes that no photo owns; how many. Raises `StorageUnavailable`."""
        ...
