import torch

from models.learning.learners import class_means


def test_class_means_of_unequal_shots() -> None:
    features = torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 6.0]])
    assert torch.equal(class_means(features, torch.tensor([1, 1, 0])), torch.tensor([[5.0, 6.0], [2.0, 0.0]]))
