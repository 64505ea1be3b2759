"""However many photos are classified, the service keeps no more memory than it did after the first ones."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.drawn import encode, pixels
from tests.rest import classify, register
from tests.service_process import serving

GROWTH = 1.1
WARM_UP = 60


@pytest.mark.torture
@pytest.mark.only_on("sqlite", "where photos are kept makes no difference to memory")
async def test_classifications_leave_memory_where_it_was(
    empty_database_url: str, tmp_path: Path, runs: Callable[[int, int], int]
) -> None:
    with serving(tmp_path, empty_database_url) as process:
        async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
            for name in ("crack", "rust"):
                await register(client, name, [_photo(name, seed) for seed in range(3)])
            await _classify(client, range(WARM_UP))
            before = _resident_mb(process.handle.pid)
            count = runs(90, 6000)
            await _classify(client, range(WARM_UP, WARM_UP + count))
            after = _resident_mb(process.handle.pid)
            kept = len((await client.get("/v1/classifications", params={"limit": 200})).json()["items"])
        assert kept == min(200, WARM_UP + count)
        assert not [line for line in process.end() if line["level"] in {"error", "critical"}]
    print(f"{count} classifications: {before:.0f} MiB before, {after:.0f} MiB after")  # noqa: T201
    assert after < GROWTH * before


async def _classify(client: httpx.AsyncClient, seeds: range) -> None:
    for start in range(seeds.start, seeds.stop, 4):
        some = range(start, min(start + 4, seeds.stop))
        await asyncio.gather(*(classify(client, _photo("brick", seed)) for seed in some))


def _photo(kind: str, seed: int) -> bytes:
    """No two alike, or the archive would keep one."""
    picture = pixels(kind, seed % 20)
    picture[:4, :4, 0] = seed % 251
    picture[4:8, :4, 1] = seed // 251
    return encode(picture)


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
