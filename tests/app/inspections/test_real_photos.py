"""Real photos through the running service: a guard against a photo path that is broken and still answers."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.rest import classify, register

SOURCE = Path(__file__).parents[4] / "shared" / "data" / "validation" / "masonry_historic"
SHOTS = 5


async def test_historic_masonry_is_recognised_clearly_above_chance(remote: httpx.AsyncClient) -> None:
    """Four classes, so chance is 0.25. What the accuracy really is, the benchmarks say."""
    if not SOURCE.is_dir():
        pytest.skip(f"the shared photos are not at {SOURCE}")
    random = np.random.default_rng(2026)
    queries: list[tuple[str, bytes]] = []
    for folder in sorted(path for path in SOURCE.iterdir() if path.is_dir()):
        photos = [path.read_bytes() for path in sorted(folder.iterdir())]
        random.shuffle(photos)
        assert (await register(remote, folder.name, photos[:SHOTS]))["shots"] == SHOTS
        queries += [(folder.name, data) for data in photos[SHOTS:]]
    assert len(queries) > 40
    # A class may have many more photos than another: each counts the same.
    right: dict[str, list[bool]] = {}
    for name, data in queries:
        best = (await classify(remote, data))["predictions"][0]["defect_class"]["name"]
        right.setdefault(name, []).append(best == name)
    assert len(right) == 4
    assert np.mean([np.mean(answers) for answers in right.values()]) > 0.5
