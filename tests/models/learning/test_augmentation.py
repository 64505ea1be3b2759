import numpy as np
import torch

from models.learning.augmentation import Augmentation, stack_photos


def test_a_view_depends_on_torchs_seed_alone() -> None:
    photos = [np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(6)]
    before = np.stack(photos).copy()
    torch.manual_seed(1)
    first = Augmentation(32)(photos)
    torch.manual_seed(1)
    again = Augmentation(32)(photos)
    other = Augmentation(32)(photos)
    assert first.shape == (6, 32, 32, 3)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (stack_photos(photos).numpy() == before).all()


def test_a_view_shows_what_the_photo_shows() -> None:
    red = np.zeros((50, 50, 3), np.uint8)
    red[..., 0] = 200
    views = Augmentation(32)([red] * 40).float().mean(dim=(1, 2))
    coloured = views[:, 0] > 1.5 * views[:, 2]
    assert 25 <= coloured.sum() <= 40  # the others lost their colour
    assert (views.amax(dim=1) > 30).all()
