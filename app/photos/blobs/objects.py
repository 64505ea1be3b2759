"""Object storage by the protocol of S3, through obstore: bytes under `prefix/ab/cd/<sha256>`."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.errors import StorageUnavailable

_log = structlog.get_logger(__name__)

RETRIES = 2
PROBE = "haja-probe"
"""Written at each start, and asked for by health checks. It stays: who may write is not always allowed to delete."""

_REASONS = {
    "NoSuchBucket": "it has no such bucket",
    "InvalidAccessKeyId": "it does not know the access key of AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is not the secret of this access key",
    "AccessDenied": "these credentials are not allowed to do this in this bucket",
}


class ObjectStorage:
    """The bytes of one `s3://bucket/prefix`; endpoint, region and keys come from the environment variables AWS_*."""

    def __init__(self, url: str, timeout_s: float) -> None:
        timeout = timedelta(seconds=timeout_s)
        self._timeout_s = timeout_s
        self._store = S3Store.from_url(
            url,
            # Whether the connection is encrypted is said by the endpoint's scheme alone.
            client_options={"timeout": timeout, "connect_timeout": timeout, "allow_http": True},
            retry_config={"max_retries": RETRIES, "retry_timeout": timeout},
        )

    async def write_probe(self) -> None:
        """Find out whether bytes can be stored. Raises `StorageUnavailable`."""
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
            # obstore takes whatever it is told, and panics with the first request.
            if not re.match(r"https?://[\w.\[-]|$", os.environ.get(name, "")):
                raise StorageUnavailable(f"{name} is no address such as https://storage.example:9000")
        async with self._answer():
            await self._store.put_async(PROBE, b"haja")

    async def ping(self) -> None:
        """Find out whether the probe is there; one that somebody took away comes back. Raises `StorageUnavailable`."""
        async with self._answer():
            try:
                await self._store.head_async(PROBE)
            except FileNotFoundError:  # nor does this answer say whether the bucket is there
                await self._store.put_async(PROBE, b"haja")

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes; when this returns, the storage has all of them. Raises `StorageUnavailable`."""
        async with self._answer():
            # One request, whatever the size: pieces of an upload that breaks off would stay where no list shows them.
            await self._store.put_async(_key(sha256), data, use_multipart=False)

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, or None where there are none. Raises `StorageUnavailable`."""
        async with self._answer():
            try:
                found = await self._store.get_async(_key(sha256))
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None
            return bytes(await found.bytes_async())

    async def delete(self, sha256s: Sequence[str]) -> None:
        """Delete bytes; those that are gone already are no error. Raises `StorageUnavailable`."""
        async with self._answer():
            await self._store.delete_async([_key(sha256) for sha256 in sha256s])

    async def stored(self) -> dict[str, datetime]:
        """The SHA-256 of all that is stored, and when it was last written. Raises `StorageUnavailable`."""
        found: dict[str, datetime] = {}
        pages = aiter(self._store.list(chunk_size=1000))
        while True:
            async with self._answer():
                page = await anext(pages, None)
            if page is None:
                return found
            for each in page:
                sha256 = each["path"].rpartition("/")[2]
                if each["path"] == _key(sha256):  # what else lies under the prefix is not ours
                    found[sha256] = each["last_modified"]

    @asynccontextmanager
    async def _answer(self) -> AsyncIterator[None]:
        """Wait for one answer, for a bounded time; whatever goes wrong leaves as `StorageUnavailable`."""
        try:
            # obstore's own limits end a single try; this one ends all of them together.
            async with asyncio.timeout(self._timeout_s):
                yield
        except (BaseError, OSError, ValueError) as error:  # TimeoutError and FileNotFoundError are OSErrors
            _log.warning("object storage failed", error=str(error).partition("\n\nDebug source")[0])
            raise StorageUnavailable(self._reason(error)) from error

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"it gave no answer within {self._timeout_s:g} s"
        code = re.search(r"<Code>(\w+)</Code>", str(error))
        if code:
            return _REASONS.get(code[1], f"it answers with the error {code[1]}")
        if "/latest/" in str(error):  # the address of the machine's own role, asked where no keys are set
            return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and this machine has no role"
        return "it cannot be reached"


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"
