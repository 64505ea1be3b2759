import numpy as np
import torch

from models.learning.batch_views import BatchViews


def _ramp() -> torch.Tensor:
    """One photo that grows lighter to the right, one that grows redder downwards."""
    side = torch.linspace(40, 200, 48)
    light = side[None, :, None].expand(48, 48, 3)
    red = torch.zeros(48, 48, 3)
    red[..., 0] = side[:, None]
    return torch.stack([light, red]).to(torch.uint8)


def test_views_depend_on_torchs_seed_alone_and_leave_the_photos() -> None:
    photos = _ramp()
    before = photos.clone()
    views = BatchViews(photos, [32])
    torch.manual_seed(1)
    first = views([0, 1, 1, 0])
    torch.manual_seed(1)
    again = views([0, 1, 1, 0])
    assert first.shape == (4, 32, 32, 3)
    assert torch.equal(first, again)
    assert not torch.equal(first, views([0, 1, 1, 0]))
    assert torch.equal(photos, before)


def test_a_view_shows_the_photo_of_its_row() -> None:
    torch.manual_seed(0)
    views = BatchViews(_ramp(), [32])([1] * 60 + [0] * 60).mean(dim=(1, 2))
    coloured = views[:, 0] > 1.5 * views[:, 2]
    assert 42 <= int(coloured[:60].sum()) < 60  # the others lost their colour
    assert not coloured[60:].any()
    assert views.min() >= 0
    assert views.max() <= 255


def test_a_view_is_cropped_flipped_and_turned() -> None:
    torch.manual_seed(0)
    views = BatchViews(_ramp(), [32], zoom=(0.3, 1.0))([0] * 200).mean(dim=3).numpy()
    across = views.mean(axis=1)[:, -1] - views.mean(axis=1)[:, 0]
    down = views.mean(axis=2)[:, -1] - views.mean(axis=2)[:, 0]
    turned = np.abs(down) > np.abs(across)
    assert 25 <= turned.sum() <= 75
    assert 40 <= (across[~turned] > 0).sum() <= 120
    spans = np.abs(across[~turned])
    assert spans.max() > 1.7 * spans.min()  # some show more of the photo than others


def test_of_several_sides_each_call_takes_one() -> None:
    torch.manual_seed(0)
    views = BatchViews(_ramp(), [24, 32])
    assert {views([0]).shape[1] for _ in range(20)} == {24, 32}
