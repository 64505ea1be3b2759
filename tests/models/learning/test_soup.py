import torch

from models.learning.soup import average_weights


def test_weights_are_averaged_and_counts_are_kept() -> None:
    first = {"weight": torch.tensor([1.0, 3.0]), "count": torch.tensor(4)}
    second = {"weight": torch.tensor([2.0, 5.0]), "count": torch.tensor(9)}
    torch.testing.assert_close(
        average_weights([first, second]), {"weight": torch.tensor([1.5, 4.0]), "count": torch.tensor(4)}
    )
