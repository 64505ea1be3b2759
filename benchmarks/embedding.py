"""Milliseconds a photo through `Backbone.embed`: OpenVINO against torch, one photo and eight at a time."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.config import Settings
from benchmarks import report, sources, timing
from benchmarks.report import Section, verdict
from models.backbones import Backbone, load_backbone
from models.engines import BF16_COSINE, OpenVinoEngine
from models.probes import probes

GOALS = {("OpenVINO f32", 1): 5.2, ("OpenVINO f32", 8): 2.5, ("OpenVINO bf16", 1): 9.8, ("OpenVINO bf16", 8): 6.0}
"""How many times faster than torch the issue's author measured, outside the service and on another machine."""


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, block_s = (1, 0.2) if quick else (15, 0.5)
    name = Settings().backbone
    backbones = {
        "torch eager f32": load_backbone(name, "torch", "f32"),
        "OpenVINO f32": load_backbone(name, "openvino", "f32"),
    }
    if OpenVinoEngine.has_bf16():
        backbones["OpenVINO bf16"] = load_backbone(name, "openvino", "bf16")
    section = Section("embedding", "Embedding a photo")
    chosen = load_backbone(name, "openvino", "auto").engine.precision
    section.text(
        f"`Backbone.embed` of `{backbones['OpenVINO f32'].backbone_id}`, engines in turns, {rounds} blocks of "
        f"{block_s:g} s each; median (10 % to 90 %) of single calls, divided by the batch. The goals are ratios that "
        "the issue's author measured outside the service on another machine."
    )
    rows: list[list[object]] = []
    for batch in (1, 8):
        photos = _patterns(backbones["OpenVINO f32"], batch)
        works: dict[str, Callable[[], object]] = {
            engine: partial(each.embed, photos) for engine, each in backbones.items()
        }
        times = {
            engine: [each / batch for each in found]
            for engine, found in timing.in_turns(works, rounds, block_s).items()
        }
        base = timing.median(times["torch eager f32"])
        for engine, found in times.items():
            faster = base / timing.median(found)
            goal = GOALS.get((engine, batch))
            rows.append([
                engine, batch, timing.shown(found), f"{faster:.1f}",
                "" if goal is None else verdict(faster, goal, digits=1),
            ])  # fmt: skip
    section.table(["engine", "batch", "ms a photo", "times faster than torch", "goal"], rows)
    _agreement(section, backbones, quick)
    section.text(f"On this machine `HAJA_PRECISION=auto` takes **{chosen}** with OpenVINO.")
    return section


def _agreement(section: Section, backbones: dict[str, Backbone], quick: bool) -> None:
    """How close each engine's embeddings are to OpenVINO f32's, on real photos."""
    exact = backbones["OpenVINO f32"]
    paths = sorted((sources.DATA / "validation").glob("*/*/*.jpg"))[:: 40 if quick else 1]
    photos, said = _photos(paths, exact)
    reference = _embed(exact, photos)
    rows: list[list[object]] = []
    for engine, each in backbones.items():
        if each is exact:
            continue
        cosines = (reference * _embed(each, photos)).sum(axis=1)
        rows.append([
            engine, f"{cosines.min():.5f}", f"{cosines.mean():.5f}",
            f"{(cosines < BF16_COSINE).sum()} of {len(photos)}",
            verdict(float(cosines.min()), BF16_COSINE, digits=4),
        ])  # fmt: skip
    section.text(f"Cosine to the embedding by OpenVINO f32, over {said}:")
    section.table(["engine", "lowest", "mean", f"photos below {BF16_COSINE}", "allowed where the lowest holds"], rows)
    if "OpenVINO bf16" not in backbones:
        section.text("This processor has no bf16, so nothing is said about it.")


def _photos(paths: list[Path], backbone: Backbone) -> tuple[NDArray[np.uint8], str]:
    if not paths:
        photos = _patterns(backbone, 8)
        return photos, f"{len(photos)} drawn patterns (the real photos are not there)"
    return np.stack([photo.pixels for photo in sources.decode_all(paths, backbone)]), f"{len(paths)} validation photos"


def _embed(backbone: Backbone, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([backbone.embed(photos[start : start + 8]) for start in range(0, len(photos), 8)])


def _patterns(backbone: Backbone, count: int) -> NDArray[np.uint8]:
    return probes(backbone.transform.height, backbone.transform.width, count)


if __name__ == "__main__":
    report.main(measure)
