"""One forward pass for several callers, of whom none spoils the others' answers."""

from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from models.backbones import Backbone

_log = structlog.get_logger(__name__)


def embed_each(backbone: Backbone, photos: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32] | None]:
    """Embed photos, each uint8 [H, W, 3], as one batch -> float32 [D] each, or None where the network failed on it."""
    try:
        return [embedding.copy() for embedding in backbone.embed(np.stack(photos))]
    except Exception:  # noqa: BLE001 - whatever it was, each caller must hear of it
        _log.exception("forward pass failed", photos=len(photos))
        if len(photos) == 1:
            return [None]
        # One bad photo must not spoil its neighbours: each alone now.
        return [embed_each(backbone, [pixels])[0] for pixels in photos]
