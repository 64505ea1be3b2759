"""What runs the embedding network: torch (on CUDA where there is one), or OpenVINO on the CPU."""

import logging
import os
import threading
import warnings
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from models.networks.network import EmbeddingNetwork

EngineName = Literal["auto", "torch", "openvino"]
Precision = Literal["auto", "f32", "bf16"]
Float = Literal["f32", "bf16"]

BF16_COSINE = 0.999
"""bf16 is used only where every probe's embedding stays this close to its f32 embedding."""

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """Runs an `EmbeddingNetwork`. Called from one thread at a time."""

    name: str
    precision: Float
    batch_size: int
    """So many photos at a time it is quickest with: more of them gain nothing, or lose."""

    def run(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] -> float32 [N, D]."""
        ...


class TorchEngine:
    """The torch module as it is, on CUDA where there is one."""

    name = "torch"

    def __init__(self, network: EmbeddingNetwork, precision: Float) -> None:
        self.precision: Float = precision
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).to(memory_format=torch.channels_last)
        # Measured on a CPU (4 to 8 photos take 18 ms each, 16 take 25, 32 take 34); on a GPU not yet.
        self.batch_size = 64 if self._device.type == "cuda" else 8

    @staticmethod
    def has_bf16() -> bool:
        """Whether this machine computes in bf16 natively under torch (asked of CUDA only)."""
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()

    def run(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] -> float32 [N, D]."""
        batch = self._network.load(photos)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            return self._network(batch).float().cpu().numpy()  # type: ignore[no-any-return]


class OpenVinoEngine:
    """The torch module converted to OpenVINO and compiled for this CPU."""

    name = "openvino"

    def __init__(self, model: openvino.Model, precision: Float, threads: int, *, pinned: bool) -> None:
        self.precision: Float = precision
        # What a thread leaves between two layers fits its cache with two photos. On one thread 2 take 9.7 ms each, 8
        # take 11.3; on two threads 4 or more make no difference.
        self.batch_size = 2 * (threads or os.cpu_count() or 1)
        self._compiled = openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                "ENABLE_CPU_PINNING": pinned,
            },
        )

    @staticmethod
    def has_bf16() -> bool:
        """Whether this CPU computes in bf16 natively."""
        return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    def run(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] -> float32 [N, D]."""
        embeddings: NDArray[np.float32] = self._compiled(photos)[0]
        return embeddings


_TRANSLATING = threading.Lock()
"""Two translations at a time spoil each other: the tracer changes torch for the whole process."""


def _to_openvino(network: EmbeddingNetwork, height: int, width: int) -> openvino.Model:
    """Translate the torch module, for any batch size."""
    with _TRANSLATING, warnings.catch_warnings():
        # torch announces the end of the tracer that OpenVINO's converter still uses.
        warnings.simplefilter("ignore")
        return openvino.convert_model(
            network.cpu(),
            example_input=torch.zeros(1, height, width, 3, dtype=torch.uint8),
            input=[openvino.PartialShape([-1, height, width, 3])],
        )


def create_engine(
    network: EmbeddingNetwork,
    height: int,
    width: int,
    name: EngineName = "auto",
    precision: Precision = "auto",
    threads: int = 0,
    *,
    pinned: bool = True,
) -> Engine:
    """Build the engine for this machine, or the one that is asked for.

    `auto` takes torch where there is a GPU and OpenVINO elsewhere, and bf16 where the processor has it and the
    embeddings of the probes stay within a cosine of `BF16_COSINE` of their f32 embeddings. `threads` is how many CPU
    threads OpenVINO may use, 0 for all; torch keeps its own count. `pinned`: they stay on the machine's first cores. A
    service is up to a fifth faster so, but several processes of one machine would embed on the same cores.
    """
    chosen = name if name != "auto" else ("torch" if torch.cuda.is_available() else "openvino")
    build: Callable[[Float], Engine]
    if chosen == "torch":
        build, has_bf16 = (lambda kind: TorchEngine(network, kind)), TorchEngine.has_bf16
    else:
        model = _to_openvino(network, height, width)
        build, has_bf16 = (lambda kind: OpenVinoEngine(model, kind, threads, pinned=pinned)), OpenVinoEngine.has_bf16
    if precision == "bf16":
        return build("bf16")
    exact = build("f32")
    if precision == "f32" or not has_bf16():
        return exact
    fast = build("bf16")
    photos = probes(height, width)
    cosine = float((exact.run(photos) * fast.run(photos)).sum(axis=1).min())
    _log.info("bf16 probes: lowest cosine to f32 %.5f, needed %.3f", cosine, BF16_COSINE)
    return fast if cosine >= BF16_COSINE else exact


def probes(height: int, width: int, count: int = 8) -> NDArray[np.uint8]:
    """Photo-like patterns, the same at every call: uint8 [count, height, width, 3].

    Smooth fields at several scales with a few dark lines: closer to a photo of a wall than noise is, and noise is
    where low precision looks best.
    """
    random = np.random.default_rng(20260101)
    rows, columns = np.mgrid[0:height, 0:width]
    patterns = np.empty((count, height, width, 3), np.uint8)
    for index in range(count):
        field = np.full((height, width, 3), random.uniform(90, 190, 3))
        for cells in (3, 9, 31):
            coarse = random.normal(0, 60 / cells**0.5, (cells, cells, 3))
            field += coarse[rows * cells // height, columns * cells // width]
        for _ in range(index % 4):
            slope, start, depth = random.uniform(-1, 1), random.uniform(0, height), random.uniform(40, 110)
            field[np.abs(rows - start - slope * columns) < 1 + index % 3] -= depth
        patterns[index] = np.clip(field, 0, 255).astype(np.uint8)
    return patterns
