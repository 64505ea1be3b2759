"""What runs an embedding network. On a CPU that is OpenVINO; torch's is `models.networks.engine`."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

import numpy as np
import openvino
from numpy.typing import NDArray

from models.options import Precision
from models.probes import probes

Float = Literal["f32", "bf16"]

BF16_COSINE = 0.999
"""bf16 is used only where every probe's embedding stays this close to its f32 embedding."""

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """Runs an embedding network. `run` is called from one thread at a time, `feature_map` from any."""

    name: str
    precision: Float
    batch_size: int
    """So many photos at a time it is quickest with: more of them gain nothing, or lose."""

    def run(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] -> float32 [N, D]."""
        ...

    def feature_map(self, photos: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """uint8 [N, H, W, 3] of any size -> float32 [N, h, w, D]; None where the embedding is no mean over places."""
        ...


class OpenVinoEngine:
    """A converted network, compiled for this CPU."""

    name = "openvino"

    def __init__(
        self, embedding: openvino.Model, whole: openvino.Model, precision: Float, threads: int, *, pinned: bool
    ) -> None:
        """Compile `embedding`, whose one output is that of photos of one size.

        `whole`, at any size, is compiled when the first map is asked for: most processes never draw one.
        """
        self.precision: Float = precision
        # What a thread leaves between two layers fits its cache with two photos. On one thread 2 take 9.7 ms each, 8
        # take 11.3; on two threads 4 or more make no difference.
        self.batch_size = 2 * (threads or os.cpu_count() or 1)
        self._compiled = _compile(embedding, precision, threads, pinned=pinned)
        self._whole = whole
        self._threads = threads
        self._map: openvino.CompiledModel | None = None
        self._mapping = threading.Lock()

    @staticmethod
    def has_bf16() -> bool:
        """Whether this CPU computes in bf16 natively."""
        return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    def run(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] -> float32 [N, D]."""
        embeddings: NDArray[np.float32] = self._compiled(photos)[0]
        return embeddings

    def feature_map(self, photos: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """uint8 [N, H, W, 3] of any size -> float32 [N, h, w, D]; None where the embedding is no mean over places."""
        if not any("features" in output.names for output in self._whole.outputs):
            return None
        with self._mapping:
            if self._map is None:
                # Not pinned: it would share the cores of those who embed, though others are free.
                self._map = _compile(self._whole, "f32", self._threads, pinned=False)
            features: NDArray[np.float32] = self._map(photos)["features"]
        return features


def _compile(model: openvino.Model, precision: Float, threads: int, *, pinned: bool) -> openvino.CompiledModel:
    return openvino.Core().compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": pinned,
        },
    )


AnyEngine = TypeVar("AnyEngine", bound=Engine)


def in_precision(
    build: Callable[[Float], AnyEngine],
    precision: Precision,
    height: int,
    width: int,
    has_bf16: Callable[[], bool],
) -> AnyEngine:
    """The engine that `build` makes, in the precision that is asked for.

    `auto` takes bf16 where the processor has it and `stays_same`.
    """
    if precision == "bf16":
        return build("bf16")
    exact = build("f32")
    if precision == "f32" or not has_bf16():
        return exact
    fast = build("bf16")
    return fast if stays_same(exact, fast, height, width) else exact


def stays_same(exact: Engine, fast: Engine, height: int, width: int) -> bool:
    """Whether the embeddings of all probes by `fast` stay within a cosine of `BF16_COSINE` of those by `exact`."""
    # One at a time: what a larger batch leaves between its layers would be kept as long as the process lives.
    for photo in probes(height, width)[:, np.newaxis]:
        cosine = float((exact.run(photo) * fast.run(photo)).sum())
        if cosine < BF16_COSINE:
            _log.info("bf16 is not used: a probe's cosine to f32 is %.5f, needed %.3f", cosine, BF16_COSINE)
            return False
    return True
