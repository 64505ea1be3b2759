"""The backbone: photos in, embeddings out, under an id that says which embeddings may be compared."""

import hashlib
import importlib
import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import openvino
from numpy.typing import NDArray

from models.engines import Engine, OpenVinoEngine, in_precision
from models.extras import has_gpu, require_torch
from models.graph import only_embedding, read_graph
from models.manifest import Manifest, load_manifest
from models.options import DEFAULT, TIMM_PREFIX, VIEWED, EngineName, Precision, Views
from models.probes import probes
from models.views import six_views, widened


class NoFeatureMapError(Exception):
    """The network's embeddings are no means over the places of a photo."""


class Backbone:
    """A frozen embedding network with its preprocessing, on the engine of this machine."""

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self.manifest = manifest
        self.engine = engine
        self.transform = manifest.transform
        self.backbone_id = _identify(manifest)
        self.dimension = self.embed(probes(self.transform.height, self.transform.width, 1)).shape[1]

    def embed(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed photos that were resized to the transform's size.

        Args:
            photos: uint8 [N, H, W, 3], RGB, N >= 1.

        Returns:
            float32 [N, D], each row of Euclidean length 1.

        Raises:
            ValueError: another shape or type.
        """
        expected = (self.transform.height, self.transform.width, 3)
        if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1:] != expected or not len(photos):  # noqa: PLR2004
            raise ValueError(
                f"Photos must be uint8 [N, {expected[0]}, {expected[1]}, 3], not {photos.dtype} {photos.shape}."
            )
        size = self.engine.batch_size
        return np.concatenate([self.engine.run(photos[start : start + size]) for start in range(0, len(photos), size)])

    def feature_map(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's features before they are pooled; their mean over places, at length 1, is the embedding.

        Runs at any size of photo and beside `embed`: from any thread, and from several at once.

        Args:
            photos: uint8 [N, H, W, 3], RGB, N >= 1.

        Returns:
            float32 [N, h, w, D]. h and w are H and W over the network's stride, mostly 32, rounded up.

        Raises:
            NoFeatureMapError: the network is a transformer, or has layers after the pooling.
        """
        features = self.engine.feature_map(photos)
        if features is None:
            raise NoFeatureMapError(f"The embeddings of {self.manifest.architecture} are no means over places.")
        return features


def load_backbone(
    name: str = DEFAULT,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: int = 0,
    views: Views = "quick",
    *,
    pinned: bool = True,
) -> Backbone:
    """Load a backbone by name.

    `name` is a checkpoint of ours (`efficientnet-lite0-haja-2`), the path of a manifest (`/srv/mine.json`), or
    `timm/` and the name of any pretrained network of timm, which timm downloads from its hub.

    `engine` "auto" is torch where it is installed and there is a GPU, and OpenVINO elsewhere; `precision`: see
    `models.engines.in_precision`. `threads` is how many CPU threads OpenVINO may use, 0 for all; torch keeps its own
    count. `pinned`: they stay on the machine's first cores. A service is up to a fifth faster so, but several processes
    of one machine would embed on the same cores. Embeddings of other `views` cannot be compared: the backbone's id and
    the size of photos that it takes differ.

    Raises:
        CheckpointError: no such checkpoint or network, files that do not fit each other, or torch is missing.
    """
    on_torch = engine == "torch" or (engine == "auto" and has_gpu())
    if not on_torch and not name.startswith(TIMM_PREFIX):
        manifest = load_manifest(name)
        network = read_graph(manifest, name)
        if precision == "auto" and manifest.graph is not None and manifest.graph.bf16 is False:
            precision = "f32"
        return on_cpu(manifest, network, precision, threads, views, pinned=pinned)
    require_torch(f"The network {name}" if name.startswith(TIMM_PREFIX) else "HAJA_ENGINE=torch", "gpu")
    # Named, not imported: what answers on a CPU depends on nothing of torch.
    networks = importlib.import_module("models.networks.loading")
    if on_torch:
        return networks.on_torch(*networks.load_network(name), precision, views)  # type: ignore[no-any-return]
    manifest, converted = networks.load_converted(name)
    return on_cpu(manifest, converted, precision, threads, views, pinned=pinned)


def on_cpu(
    manifest: Manifest, network: openvino.Model, precision: Precision, threads: int, views: Views, *, pinned: bool
) -> Backbone:
    """The backbone of a network as `models.manifest.Graph` describes it; the rest as in `load_backbone`."""
    if views == "accurate":
        embedding = six_views(network, manifest.transform)
        manifest = viewed(manifest)
    else:
        embedding = only_embedding(network, manifest.transform.height, manifest.transform.width)
    build = partial(OpenVinoEngine, embedding, network, threads=threads, pinned=pinned)
    size = manifest.transform
    return Backbone(manifest, in_precision(build, precision, size.height, size.width, OpenVinoEngine.has_bf16))


def viewed(manifest: Manifest) -> Manifest:
    """The manifest of the same network over six views of a photo."""
    return replace(manifest, name=manifest.name + VIEWED, transform=widened(manifest.transform))


def _identify(manifest: Manifest) -> str:
    """Embeddings may be compared when network, weights and transform are the same; the engine does not matter."""
    weights = manifest.weights and (manifest.weights.published_sha256 or manifest.weights.sha256)
    content = [manifest.architecture, asdict(manifest.transform), weights]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{manifest.name}@{digest[:8]}"
