"""A small 3-D U-Net.

Fully convolutional and without normalisation over the volume, so that a voxel's label depends on its surroundings
alone and not on how much air the field of view happens to hold.
"""

from collections.abc import Sequence

import torch
from torch import nn


class _Block(nn.Sequential):  # type: ignore[misc]  # torch is not installed where types are checked
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(*_unit(inputs, outputs), *_unit(outputs, outputs))


def _unit(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)


class UNet(nn.Module):  # type: ignore[misc]  # as above
    """Logits of `classes` labels for a volume (batch, 1, z, y, x) whose sides are multiples of `multiple`."""

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        self.down = nn.ModuleList(_Block(i, o) for i, o in zip((1, *channels), channels, strict=False))
        self.up = nn.ModuleList(
            _Block(low + high, high) for low, high in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.pool = nn.MaxPool3d(2)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.head = nn.Conv3d(channels[0], classes, 1)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes, z, y, x)."""
        skips = []
        features = volume
        for level, block in enumerate(self.down):
            features = block(self.pool(features) if level else features)
            skips.append(features)
        skips.pop()
        for block in self.up:
            features = block(torch.cat([self.grow(features), skips.pop()], dim=1))
        logits: torch.Tensor = self.head(features)
        return logits
