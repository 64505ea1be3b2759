"""However the service ends, the processes that decode for it end with it, and say nothing."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.drawn import photo
from tests.hostile import many_scans
from tests.rest import CLASSIFICATIONS, classify, created, files, register
from tests.service_process import serving

pytestmark = pytest.mark.only_on("sqlite", "processes that decode know no database")


def _decoders(service: int) -> set[int]:
    """The processes that a service decodes in."""
    found = set()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
            if parent == service and b"app.photos.decoding.worker" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
    return found


def _are_gone(pids: set[int]) -> bool:
    for _ in range(1200):
        if not any(_runs(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


async def test_a_service_that_is_killed_leaves_none_behind(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url) as process:
        async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
            await register(client, "crack", [photo(), photo("crack", 2)])
            decoders = _decoders(process.handle.pid)
            assert decoders
            slow = asyncio.create_task(client.post(CLASSIFICATIONS, files=files([many_scans(1000, 8000)], "photo")))
            await asyncio.sleep(1)  # one of them is at work, and reads nothing
            process.kill()
            with pytest.raises(httpx.TransportError):
                await slow
        assert await asyncio.to_thread(_are_gone, decoders)


async def test_what_ends_the_service_lets_photos_in_flight_finish(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url) as process:
        async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
            await register(client, "crack", [photo(), photo("crack", 2)])
            await classify(client, photo())
            decoders = _decoders(process.handle.pid)
            slow = asyncio.create_task(client.post(CLASSIFICATIONS, files=files([many_scans(60, 8000)], "photo")))
            await asyncio.sleep(0.5)
            for number in (signal.SIGINT, signal.SIGTERM):
                # A supervisor sends it to all processes of a service, a terminal to all in the foreground.
                for pid in decoders:
                    os.kill(pid, number)
            ended = asyncio.create_task(asyncio.to_thread(process.end))
            created(await slow)
            log = await ended
        assert not [line for line in log if line["level"] in {"warning", "error", "critical"}]
        assert await asyncio.to_thread(_are_gone, decoders)
