"""How fast this machine trains and embeds."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.eyes.start import Start


def measure(checkpoint: str, device: torch.device, seconds: float, batches: tuple[int, int]) -> dict[str, Any]:
    """Photos a second forward and updates a second on views of 176 px, of two numbers of photos at a time."""
    found: dict[str, Any] = {"torch": torch.__version__, "device": str(device)}
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name()
    for layout in (torch.channels_last, torch.contiguous_format):
        network = Start(checkpoint).to(device).to(memory_format=layout)
        for half in (True, False):
            name = f"{'bf16' if half else 'float32'} {str(layout).removeprefix('torch.')}"
            for count in batches:
                photos = torch.randint(0, 256, (count, 224, 224, 3), dtype=torch.uint8, device=device)
                rate = _a_second(partial(_forward, network, photos, half=half), seconds, device)
                found[f"forward {name}, batch {count}: photos/s"] = round(rate * count)
        for count in batches:
            views = 255 * torch.rand((count, 176, 176, 3), device=device)
            rate = _a_second(_update(network, views), seconds, device)
            found[f"training bf16 {str(layout).removeprefix('torch.')}, {count} views: updates/s"] = round(rate, 2)
    if device.type == "cuda":
        found["peak GPU memory, GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return found


def _forward(network: nn.Module, photos: torch.Tensor, *, half: bool) -> None:
    device = photos.device.type
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=half and device == "cuda"):
        network(photos)


def _update(network: nn.Module, views: torch.Tensor) -> Callable[[], None]:
    head = nn.Linear(1280, 8, device=views.device)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5)
    labels = torch.arange(len(views), device=views.device) % 8

    def update() -> None:
        with torch.autocast(views.device.type, torch.bfloat16, enabled=views.device.type == "cuda"):
            embeddings = network(views)
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(head(embeddings.float()), labels))
        optimizer.step()

    return update


def _a_second(call: Callable[[], None], seconds: float, device: torch.device) -> float:
    def several(count: int) -> None:
        for _ in range(count):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize()

    together = 10 if device.type == "cuda" else 1
    several(together)
    started, calls = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        several(together)
        calls += together
    return calls / (time.perf_counter() - started)
