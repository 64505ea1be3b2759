"""One forward pass for several callers, of whom none spoils the others' answers."""

import numpy as np
import structlog
from numpy.typing import NDArray

from models.backbones import Backbone

_log = structlog.get_logger(__name__)


def embed_each(backbone: Backbone, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed photos, uint8 [N, H, W, 3], as one batch -> float32 [N, D], NaN where the network failed on one."""
    try:
        return backbone.embed(photos)
    except Exception:  # noqa: BLE001 - whatever it was, each caller must hear of it
        _log.exception("forward pass failed", photos=len(photos))
        if len(photos) == 1:
            return np.full((1, backbone.dimension), np.nan, np.float32)
        # One bad photo must not spoil its neighbours: each alone now.
        return np.concatenate([embed_each(backbone, photos[place : place + 1]) for place in range(len(photos))])
