"""A small residual 3-D U-Net.

Each block adds what it computed to what it was given (He et al., Deep Residual Learning, 2016), within the U of Cicek
et al. (3D U-Net, 2016). Batch statistics, not the instance's: once learnt, a voxel's label depends on its surroundings
alone and not on how much nothing the picture holds around a head.
"""

from collections.abc import Sequence

import torch
from torch import nn


class _Residual(nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """Two convolutions, the first with `stride`, and a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3)
        self.around = _convolution(inputs, outputs, 1, stride) if inputs != outputs or stride != 1 else nn.Identity()
        self.bend = nn.LeakyReLU(0.01)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        bent: torch.Tensor = self.bend(self.second(self.bend(self.first(features))) + self.around(features))
        return bent


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv3d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs))


class ResidualUNet(nn.Module):  # type: ignore[misc]  # as above
    """Logits of `outputs` channels for (batch, inputs, z, y, x) whose sides are multiples of `multiple`."""

    def __init__(self, inputs: int, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        steps = zip((inputs, *channels), channels, strict=False)
        self.down = nn.ModuleList(_Residual(i, o, 2 if level else 1) for level, (i, o) in enumerate(steps))
        self.up = nn.ModuleList(
            _Residual(low + high, high) for low, high in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.head = nn.Conv3d(channels[0], outputs, 1)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Logits (batch, outputs, z, y, x)."""
        skips = []
        features = volume
        for block in self.down:
            features = block(features)
            skips.append(features)
        skips.pop()
        for block in self.up:
            features = block(torch.cat([self.grow(features), skips.pop()], dim=1))
        logits: torch.Tensor = self.head(features)
        return logits
