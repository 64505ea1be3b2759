"""A request that is given up at any moment of its work leaves all of itself or nothing."""

import random
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from app.errors import QueueFull
from app.maintenance import check
from app.server.admission import Admission
from app.server.concurrency_limit import ConcurrencyLimit
from app.server.limits import Limits
from tests.drawn import photo, photos
from tests.rest import CLASSES, classify, created, files

_BASE_URL = "http://127.0.0.1"


@pytest.mark.torture
async def test_the_deadline_may_fall_at_any_moment_of_a_registration(
    app: FastAPI, client: httpx.AsyncClient, runs: Callable[[int, int], int]
) -> None:
    chance = random.Random(5)  # noqa: S311 - moments, not secrets
    whole = 60.0  # seconds that the last one took which was not given up: the first take longer than all others
    told: Counter[int] = Counter()
    for number in range(runs(20, 400)):
        hurry = Limits(work_s=chance.uniform(0, 1.2) * whole)
        hurried = httpx.ASGITransport(Admission(app, ConcurrencyLimit(1, QueueFull), hurry))
        request = {
            "data": {"name": f"class {number}"},
            "files": files(photos("rust", range(number * 3, number * 3 + 3))),
            "headers": {"Idempotency-Key": f"k{number}"},
        }
        async with httpx.AsyncClient(transport=hurried, base_url=_BASE_URL, timeout=60) as impatient:
            began = time.perf_counter()
            answer = await impatient.post(CLASSES, **request)  # type: ignore[arg-type]
            took = time.perf_counter() - began
        told[answer.status_code] += 1
        if answer.status_code == 201:
            whole = took
        else:
            problem_of = answer.json()
            assert (answer.status_code, problem_of["code"]) == (503, "deadline-exceeded")
            answer = await client.post(CLASSES, **request)  # type: ignore[arg-type]
        assert created(answer)["shots"] == 3
    assert told[503] >= runs(3, 50)
    assert await check.find_faults(app.state.database, app.state.blobs) == []
    names = [each["name"] for each in (await client.get(CLASSES, params={"limit": 200})).json()["items"]]
    assert len(names) == len(set(names))
    await classify(client, photo())
    print(f"{told.total()} registrations, {told[503]} given up")  # noqa: T201
