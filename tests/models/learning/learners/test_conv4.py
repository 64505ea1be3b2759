import torch

from models.learning.learners.conv4 import Conv4


def test_omniglot_gives_64_features() -> None:
    assert Conv4()(torch.rand(2, 1, 28, 28)).shape == (2, 64)


def test_feature_maps_keep_their_place() -> None:
    maps = Conv4(image_channels=3, channels=8, pools=(True, True, False, False), flatten=False)
    assert maps(torch.rand(2, 3, 28, 28)).shape == (2, 8, 7, 7)


def test_without_running_statistics_the_batch_decides_in_evaluation_too() -> None:
    network = Conv4(channels=8, running_statistics=False).eval()
    images = torch.rand(4, 1, 28, 28)
    assert not torch.allclose(network(images)[:2], network(images[:2]))
