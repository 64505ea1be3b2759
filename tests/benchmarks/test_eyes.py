"""What chooses between networks must itself be right: photos come back, episodes are fair, soups are means."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.eyes.packing import SIDE, Split, pack, unpack
from benchmarks.eyes.paired import photos
from benchmarks.eyes.scoring import QUERIES, SHOTS, Validation, draw, means
from benchmarks.eyes.soups import candidates
from models.learning.data import LabelledImages
from models.networks.tensors import write_tensors

EXACT = Split("exact", 95, 3)


def _photo(path: Path, width: int, height: int, middle: int, edge: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = np.full((height, width, 3), edge, np.uint8)
    side = min(width, height)
    top, left = (height - side) // 2, (width - side) // 2
    photo[top : top + side, left : left + side] = middle
    Image.fromarray(photo).save(path, quality=95)


def test_packed_photos_come_back_and_unlicensed_ones_do_not(tmp_path: Path) -> None:
    for number in range(4):
        _photo(tmp_path / f"data/site/crack/{number}.jpg", 90, 60, 40 * number, 40 * number)
    _photo(tmp_path / "data/trashnet/glass/0.jpg", 60, 60, 9, 9)
    count, size = pack(tmp_path / "data", tmp_path / "packed", EXACT)
    data = unpack(tmp_path / "packed")
    assert (count, size) == (3, (tmp_path / "packed").stat().st_size)
    assert data.classes == ["site/crack"]
    assert [image.shape for image in data.images] == [(SIDE, SIDE, 3)] * 3
    assert [round(float(image.mean()) / 40) for image in data.images] == [0, 1, 3]


def test_shapes_of_photos_are_evened_where_they_give_classes_away(tmp_path: Path) -> None:
    for source in ("masonry_historic", "other"):
        _photo(tmp_path / f"data/{source}/wall/0.jpg", 120, 60, 200, 0)
    pack(tmp_path / "data", tmp_path / "packed", EXACT)
    evened, squeezed = (float(image.mean()) for image in unpack(tmp_path / "packed").images)
    assert evened == pytest.approx(200, abs=4)
    assert squeezed == pytest.approx(100, abs=8)


def test_two_checkpoints_see_the_photos_that_choose(tmp_path: Path) -> None:
    for source in ("masonry_historic", "other"):
        _photo(tmp_path / f"{source}/wall/0.jpg", 120, 60, 200, 0)
    data = photos(tmp_path)
    assert data.sources == ["masonry_historic", "other"]
    evened, squeezed = (float(image.mean()) for image in data.images)
    assert evened == pytest.approx(200, abs=4)
    assert squeezed == pytest.approx(100, abs=8)


def test_an_episode_asks_about_photos_that_it_did_not_show() -> None:
    draws = draw([np.arange(20), np.arange(20, 45)], shots=5, episodes=30, seed=1)
    for supports, queries in zip(draws.supports, draws.queries, strict=True):
        assert not set(supports) & set(queries)
        assert len({*supports, *queries}) == 2 * (5 + QUERIES)
        assert [place < 20 for place in supports] == [True] * 5 + [False] * 5


def _validation() -> tuple[Validation, np.ndarray[Any, np.dtype[np.float32]]]:
    labels = np.repeat(np.arange(4), 20)
    data = LabelledImages([np.zeros(1)] * 80, labels, ["a/v", "a/w", "b/x", "b/y"], ["a", "a", "b", "b"])
    noise = np.random.default_rng(0).normal(0, 1.5, (80, 12))
    rows = (np.eye(12)[labels] * 2 + noise).astype(np.float32)
    return Validation(data, torch.zeros(0), 40, seed=3), rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_head_of_many_episodes_at_once_is_the_served_one_or_close() -> None:
    validation, rows = _validation()
    quick, served = means(validation.accuracies(torch.from_numpy(rows))), means(validation.served(rows))
    assert quick.keys() == served.keys()
    for shots in SHOTS:
        for source in "ab":
            assert 55 < served[f"{source} {shots}"] < 98
            assert quick[f"{source} {shots}"] == pytest.approx(served[f"{source} {shots}"], abs=3)
        assert served[f"mean {shots}"] == pytest.approx((served[f"a {shots}"] + served[f"b {shots}"]) / 2, abs=0.01)


def test_soups_are_means_and_the_greedy_one_takes_only_what_helps(tmp_path: Path) -> None:
    def score(weights: dict[str, torch.Tensor]) -> dict[str, float]:
        return {"mean": 100 - float((weights["w"] - 3).abs())}

    done = []
    for name, value in (("a", 2.0), ("b", 4.5), ("c", 9.0)):
        files = {kind: str(tmp_path / f"{name}-{kind}") for kind in ("mean", "best", "last")}
        for file in files.values():
            write_tensors(Path(file), {"w": torch.tensor([value])})
        scores = {kind: score({"w": torch.tensor([value])}) for kind in files}
        done.append({"name": name, "seed": 0, "scores": scores, "files": files})
    found = {each.name: each for each in candidates(done, {"w": torch.zeros(1)}, score)}
    assert found["greedy soup"].of == ["a seed 0 mean", "b seed 0 mean"]
    assert found["greedy soup"].weights["w"].item() == pytest.approx(3.25)
    assert found["all runs"].weights["w"].item() == pytest.approx(15.5 / 3)
    assert next(iter(found.values())).score["mean"] == max(each.score["mean"] for each in found.values())
    for share in (0.8, 1.2, 1.4):
        mixed = found[f"greedy soup, {share} of the way from the start"]
        assert mixed.weights["w"].item() == pytest.approx(3.25 * share)
