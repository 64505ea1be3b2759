"""A second backbone."""

import pytest

from models.backbones import Backbone, load_backbone


@pytest.fixture(scope="session")
def other() -> Backbone:
    """The checkpoint that was not meta-trained; small on threads, since it stands beside the first."""
    return load_backbone("efficientnet-lite0-imagenet", threads=1)
