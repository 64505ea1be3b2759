"""What a training photo may look like the next time it is drawn."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2  # type: ignore[import-untyped]

from models.learning.data import Image


class Augmentation:
    """Random views of photos, as inspectors could have taken them: nearer, turned, in another light.

    Defects have no upright position, so photos are flipped and turned; colour tells rust from efflorescence, so it
    changes little except that some photos lose it altogether. The randomness is torch's own.

    uint8 [H, W, 3] photos -> uint8 [n, side, side, 3]
    """

    def __init__(self, side: int) -> None:
        self._views = v2.Compose(
            [
                v2.RandomResizedCrop(side, scale=(0.55, 1.0), ratio=(0.78, 1.28), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomVerticalFlip(),
                v2.RandomApply([v2.RandomRotation((90, 90))], p=0.25),
                v2.ColorJitter(brightness=0.25, contrast=0.3, saturation=0.5, hue=0.02),
                v2.RandomGrayscale(p=0.15),
            ]
        )

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """One random view of each photo."""
        views = [self._views(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))) for image in images]
        return torch.stack(views).permute(0, 2, 3, 1)


def stack_photos(images: Sequence[Image]) -> Tensor:
    """n photos uint8 [H, W, 3] of one size, unchanged -> uint8 [n, H, W, 3]."""
    return torch.from_numpy(np.stack(images))
