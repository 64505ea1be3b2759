"""A batch outlives the processes that work on it."""

import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.drawn import encode, photos, pixels
from tests.rest import CLASSES, CLASSIFICATIONS, created, execute, files
from tests.service_process import serving

COUNT = 40


def _counts(address: str, job: str) -> tuple[int, int]:
    body = httpx.get(f"{address}/v1/jobs/{job}", timeout=60).json()
    assert body["failed"] == 0
    return body["done"], body["total"]


def _wait_for(address: str, job: str, done: int) -> None:
    for _ in range(2400):
        if _counts(address, job)[0] >= done:
            return
        time.sleep(0.05)
    raise AssertionError(f"the batch stands still at {_counts(address, job)}")


@pytest.mark.long  # killed at every write, a batch is also in tests/durability
def test_every_photo_is_answered_once_although_processes_end_and_die(tmp_path: Path, empty_database_url: str) -> None:
    url = empty_database_url
    contents = [encode(pixels("rust", seed, 900, 1200)) for seed in range(COUNT)]
    events: list[str] = []
    with serving(tmp_path, url) as first:
        for kind in ("crack", "rust"):
            sent = files(photos(kind, range(3)))
            created(httpx.post(first.address + CLASSES, data={"name": kind}, files=sent, timeout=60))
        answer = httpx.post(f"{first.address}{CLASSIFICATIONS}/batch", files=files(contents), timeout=120)
        job = answer.json()["id"]

        def follow() -> None:
            with httpx.stream("GET", f"{first.address}/v1/jobs/{job}/events", timeout=120) as stream:
                events.extend(line for line in stream.iter_lines() if line.startswith("data: "))

        follower = threading.Thread(target=follow)
        follower.start()
        _wait_for(first.address, job, 3)
        log = first.end()
        follower.join(60)
        assert not follower.is_alive()
    # It ended by itself: the one who followed was told no more, and nobody had to be cut off.
    assert all(line.get("level") != "error" for line in log)
    assert events
    done = execute(url, "SELECT count(*) FROM job_items WHERE state = 'done'")[0][0]
    assert 3 <= done < COUNT
    with serving(tmp_path, url) as second:
        _wait_for(second.address, job, done + 3)
        second.kill()
    assert execute(url, "SELECT count(*) FROM job_items WHERE claimed_until IS NOT NULL")[0][0] > 0
    # What the dead process had in hand is free when its lease runs out: as if that time had passed.
    execute(url, "UPDATE job_items SET claimed_until = '2020-01-01' WHERE claimed_until IS NOT NULL")
    with serving(tmp_path, url) as third:
        _wait_for(third.address, job, COUNT)
        results = httpx.get(f"{third.address}/v1/jobs/{job}/results?limit=200", timeout=60).json()["items"]
        history = httpx.get(f"{third.address}/v1/classifications?limit=200", timeout=60).json()["items"]
    assert [each["filename"] for each in results] == [f"{number}.jpg" for number in range(COUNT)]
    answered = [each["classification"]["id"] for each in results]
    assert sorted(answered) == sorted(each["id"] for each in history)
    assert len(set(answered)) == COUNT
