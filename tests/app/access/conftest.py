"""Two catalogs with something of everything in them, and keys of every kind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.config import Settings
from tests.drawn import photo
from tests.rest import begin_report, classify, created, execute, files, register

MakeKey = Callable[..., Awaitable[dict[str, Any]]]


def bearer(key: str) -> dict[str, str]:
    """The header that a key comes in."""
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True)
class Things:
    """One of everything in a catalog, by the names that parameters of addresses have."""

    catalog: str
    catalog_id: str
    class_id: str
    support_photo_id: str
    classification_id: str
    feedback_id: str
    job_id: str
    report_id: str
    photo_id: str

    def fill(self, path: str) -> str:
        """An address of the document with these in it."""
        return path.format(**vars(self), number=1, key_id="00000000-0000-7000-8000-000000000000")


async def furnish(client: httpx.AsyncClient, name: str, seed: int) -> Things:
    """Make a catalog and one of everything in it; needs a service that is open, or a client that is admin."""
    catalog = created(await client.post("/v1/catalogs", json={"name": name}))
    first = await register(client, "crack", [photo("crack", seed), photo("crack", seed + 1)], name)
    await register(client, "stain", [photo("rust", seed)], name)
    answer = await classify(client, photo("crack", seed + 2), name)
    box = {"x": 0.1, "y": 0.1, "w": 0.5, "h": 0.5}
    region = {"box": box, "defect_class_id": first["id"]}
    created(await client.post(f"/v1/classifications/{answer['id']}/regions", json=region))
    word = created(await client.post(f"/v1/classifications/{answer['id']}/feedback", json={"verdict": "sound"}))
    batch = await client.post(f"/v1/catalogs/{name}/classifications/batch", files=files([photo("rust", seed + 3)]))
    assert batch.status_code == 202, batch.text
    return Things(
        catalog=name,
        catalog_id=catalog["id"],
        class_id=first["id"],
        support_photo_id=first["photos"][0]["support_photo_id"],
        classification_id=answer["id"],
        feedback_id=word["id"],
        job_id=batch.json()["id"],
        report_id=await small_report(client, name),
        photo_id=first["photos"][0]["photo_id"],
    )


async def small_report(client: httpx.AsyncClient, catalog: str) -> str:
    """The id of a finished report of nothing, by whoever asks."""
    return str((await begin_report(client, catalog=catalog, place="nowhere", format="xlsx"))["id"])


@pytest.fixture
async def mine(client: httpx.AsyncClient) -> Things:
    """What the keys of a test are for."""
    return await furnish(client, "mine", 100)


@pytest.fixture
async def theirs(client: httpx.AsyncClient, mine: Things) -> Things:  # noqa: ARG001 - after it
    """What is somebody else's."""
    return await furnish(client, "theirs", 200)


@pytest.fixture
async def root(client: httpx.AsyncClient) -> dict[str, str]:
    """The headers of the first key, admin in every catalog; asking for it closes the service."""
    made = created(await client.post("/v1/keys", json={"name": "root", "role": "admin"}))
    return bearer(made["key"])


@pytest.fixture
def make_key(client: httpx.AsyncClient, root: dict[str, str]) -> MakeKey:
    """Make a key; its description, with its `key`."""

    async def make(**fields: Any) -> dict[str, Any]:
        return created(await client.post("/v1/keys", json={"name": "somebody"} | fields, headers=root))

    return make


@pytest.fixture
def expire(settings: Settings) -> Callable[[str], None]:
    """Let the life of a key be over, as time would."""

    def end(prefix: str) -> None:
        over = datetime.now(UTC) - timedelta(seconds=1)
        execute(settings.database_url, "UPDATE api_keys SET expires_at = :over WHERE prefix = :prefix",
                over=over, prefix=prefix)  # fmt: skip

    return end
