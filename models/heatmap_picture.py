"""A heat map as pixels: a coloured layer, and the layer on its photo."""

import numpy as np
from numpy.typing import NDArray

OPACITY = 0.75
"""Of the strongest place: the photo stays to be seen beneath."""

# Nine colours of matplotlib's perceptually uniform "plasma" (CC0), from which straight lines stray by 2 %: loading
# matplotlib takes a second.
_PLASMA = np.array(
    [(13, 8, 135), (76, 2, 161), (126, 3, 168), (170, 35, 149), (204, 71, 120), (230, 108, 92), (248, 149, 64),
     (253, 197, 39), (240, 249, 33)], np.float32,
)  # fmt: skip
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def layer(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8 [H, W, 4] RGBA of values [H, W] in 0..1: the higher, the brighter and the more opaque; 0 is transparent."""
    place = np.linspace(0, 1, len(_PLASMA))
    channels = [np.interp(values, place, channel) for channel in _PLASMA.T]
    rgba: NDArray[np.uint8] = np.stack([*channels, 255 * OPACITY * values], axis=-1).round().astype(np.uint8)
    return rgba


def on_photo(rgba: NDArray[np.uint8], photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3]: the layer [H, W, 4] on the photo [H, W, 3], made grey so that no colour of its own misleads."""
    opacity = rgba[..., 3:].astype(np.float32) / 255
    mixed = (photo @ _GREY)[..., np.newaxis] * (1 - opacity) + rgba[..., :3] * opacity
    picture: NDArray[np.uint8] = mixed.round().astype(np.uint8)
    return picture
