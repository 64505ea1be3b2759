"""Conv-4, the four-block network on which the classical few-shot methods are compared."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override


def conv_block(inputs: int, outputs: int, pool: bool = True, running_statistics: bool = True) -> nn.Sequential:
    """3 x 3 convolution, batch norm, ReLU and, where asked, 2 x 2 max pooling."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm2d(outputs, track_running_stats=running_statistics),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)


class Conv4(nn.Module):
    """Four convolution blocks: images [B, C, H, W] -> features [B, channels * (H // 16) * (W // 16)].

    On 28 x 28 Omniglot that is [B, channels], 64 in the papers. Vinyals et al., Matching networks for one shot
    learning, 2016, https://arxiv.org/abs/1606.04080, section 4.1.1.

    pools: which blocks halve the image. running_statistics: False makes batch norm use the batch at hand always.
    flatten: False keeps [B, channels, h, w].
    """

    def __init__(
        self,
        image_channels: int = 1,
        channels: int = 64,
        pools: Sequence[bool] = (True, True, True, True),
        running_statistics: bool = True,
        flatten: bool = True,
    ) -> None:
        super().__init__()
        sizes = [image_channels] + [channels] * len(pools)
        self.blocks = nn.Sequential(
            *(conv_block(a, b, pool, running_statistics) for a, b, pool in zip(sizes, sizes[1:], pools, strict=False))
        )
        self.flatten = flatten
        # Half again as fast on a CPU: the convolutions there work on this layout and need not convert.
        self.to(memory_format=torch.channels_last)

    @override
    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(images)
        return features.flatten(1) if self.flatten else features
