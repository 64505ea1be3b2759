"""The views of `augmentation`, of many photos at once and where the network is."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

GREY = (0.299, 0.587, 0.114)


class BatchViews:
    """Random views of photos that all lie in one tensor, on the GPU where there is one; photos are named by their row.

    photos: uint8 [N, H, W, 3]
    sides:  pixels a side of the views; of several, every call takes one
    zoom:   the least and the largest share of a photo's area that a view shows

    rows of n photos -> float32 [n, side, side, 3], 0..255. The randomness is torch's own.
    """

    def __init__(self, photos: Tensor, sides: Sequence[int], zoom: tuple[float, float] = (0.55, 1.0)) -> None:
        self._photos = photos
        self._sides = sides
        self._zoom = zoom

    def __call__(self, rows: Sequence[int]) -> Tensor:
        """One random view of each photo."""
        device = self._photos.device
        side = self._sides[int(torch.randint(len(self._sides), ()))]
        # Places in half precision would be off by a pixel.
        with torch.autocast(device.type, enabled=False):
            photos = self._photos[torch.tensor(rows, device=device)].permute(0, 3, 1, 2).float()
            grid = affine_grid(self._places(len(rows)), [len(rows), 3, side, side], align_corners=False)
            views = grid_sample(photos, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
            return _lit(views).permute(0, 2, 3, 1).contiguous()

    def _places(self, count: int) -> Tensor:
        """What each view shows, as `affine_grid` takes it: cropped, flipped, and turned now and then, [n, 2, 3]."""

        def uniform(low: float, high: float) -> Tensor:
            return torch.empty(count, device=self._photos.device).uniform_(low, high)

        area, ratio = uniform(*self._zoom), uniform(math.log(0.78), math.log(1.28)).exp()
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        across, down = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
        width, height = width * uniform(-1, 1).sign(), height * uniform(-1, 1).sign()
        turned, zero = uniform(0, 1) < 0.25, torch.zeros_like(area)  # noqa: PLR2004
        upright = torch.stack([width, zero, across, zero, height, down], dim=1)
        lying = torch.stack([zero, width, across, height, zero, down], dim=1)
        return torch.where(turned[:, None], lying, upright).view(-1, 2, 3)


def _lit(views: Tensor) -> Tensor:
    """The same views in other light: brightness, contrast, strength of colours, hue; some without colour."""
    count = (len(views), 1, 1, 1)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count, device=views.device).uniform_(low, high)

    weights = views.new_tensor(GREY).view(1, 3, 1, 1)
    views = (views * uniform(0.75, 1.25)).clamp(0, 255)
    middle = (views * weights).sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
    views = (middle + (views - middle) * uniform(0.7, 1.3)).clamp(0, 255)
    grey = (views * weights).sum(dim=1, keepdim=True)
    colour = torch.where(uniform(0, 1) < 0.15, 0.0, uniform(0.5, 1.5))  # noqa: PLR2004
    shift = uniform(-0.02, 0.02) * 2 * math.pi
    chroma = (views - grey) * colour
    # A small turn of the hue: along the axis that is at right angles to a colour's difference from grey.
    turned = chroma + shift / math.sqrt(3) * (chroma.roll(1, dims=1) - chroma.roll(-1, dims=1))
    return (grey + turned).clamp(0, 255)
