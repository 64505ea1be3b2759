"""Photos a second of the bare forward pass, of the torch engine and through the service's embedder, on one GPU.

python -m benchmarks.eyes.embedder $OUT/embedder.json
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.embedding.local import LocalEmbedder
from app.metrics import Metrics
from models.backbones import load_backbone
from models.networks.loading import load_network
from models.networks.network import EmbeddingNetwork
from models.options import DEFAULT, Precision

NAME = DEFAULT
BATCH = 64
PHOTOS = 512
CALLERS = 1024
PRECISIONS: tuple[Precision, ...] = ("bf16", "f32")


def main() -> None:
    """Measures, and writes JSON."""
    photos = np.random.default_rng(0).integers(0, 256, (PHOTOS, 224, 224, 3), dtype=np.uint8)
    found: dict[str, Any] = {"device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"}
    for precision in PRECISIONS:
        found[f"bare {precision}"] = _bare(photos, half=precision == "bf16")
        backbone = load_backbone(NAME, "torch", precision)
        found[f"engine {precision}"] = _rate(lambda backbone=backbone: backbone.embed(photos), len(photos))  # type: ignore[misc]
        size = backbone.engine.batch_size
        found[f"embedder {precision}"] = asyncio.run(
            _embedder(LocalEmbedder(backbone, Metrics(), size, 2 * CALLERS), photos)
        )
        found[f"embedder/bare {precision}"] = round(found[f"embedder {precision}"] / found[f"bare {precision}"], 3)
    exact, quick = (load_backbone(NAME, "torch", each).embed(photos[:64]) for each in ("f32", "bf16"))
    found["lowest cosine of bf16 to f32, on noise"] = round(float((exact * quick).sum(axis=1).min()), 5)
    found["chosen by auto"] = load_backbone(NAME).engine.precision
    if torch.cuda.is_available():
        found["peak GPU memory, MB"] = round(torch.cuda.max_memory_allocated() / 1e6)
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def _bare(photos: NDArray[np.uint8], *, half: bool) -> float:
    """Photos lie on the GPU already and embeddings stay there."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    manifest, features = load_network(NAME)
    network = EmbeddingNetwork(features, manifest.transform).eval().to(device).to(memory_format=torch.channels_last)
    batches = torch.split(torch.from_numpy(photos).to(device), BATCH)

    def forward() -> None:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=half and device.type == "cuda"),
        ):
            for batch in batches:
                last = network(batch)
        last.cpu()

    return _rate(forward, len(photos))


def _rate(call: Callable[[], object], photos: int, seconds: float = 2.0) -> float:
    call()
    started, calls = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        call()
        calls += 1
    return round(calls * photos / (time.perf_counter() - started), 1)


async def _embedder(embedder: LocalEmbedder, photos: NDArray[np.uint8], seconds: float = 3.0) -> float:
    """As many callers as CALLERS, each of whom comes again at once."""
    done, ends = 0, time.perf_counter() + seconds + 0.5

    async def call(number: int) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await embedder.embed(photos[number % len(photos)])
            done += 1

    calls = [asyncio.create_task(call(number)) for number in range(CALLERS)]
    await asyncio.sleep(0.5)
    before, started = done, time.perf_counter()
    await asyncio.sleep(seconds - 0.2)
    rate = (done - before) / (time.perf_counter() - started)
    await asyncio.gather(*calls)
    await embedder.close()
    return round(rate, 1)


if __name__ == "__main__":
    main()
