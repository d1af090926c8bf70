"""The DenseNet family (Huang et al., CVPR 2017), with class activation maps."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from training.chest.recipe import Shape


class DenseNet(nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """Logits (batch, labels) of images (batch, 1, rows, columns)."""

    def __init__(self, shape: Shape, labels: int) -> None:
        super().__init__()
        stages = list(_stages(shape))
        self.features = nn.Sequential(*stages)
        self.classifier = nn.Linear(stages[-2].num_features, labels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (batch, labels)."""
        logits: torch.Tensor = self.classifier(self.features(image).mean(dim=(2, 3)))
        return logits


class WithMaps(nn.Module):  # type: ignore[misc]  # as above
    """Logits and class activation maps (Zhou et al., CVPR 2016) of a DenseNet.

    A map is the classifier as a 1x1 convolution over the last features; its mean plus the bias is the logit.
    """

    def __init__(self, network: DenseNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (batch, labels) and maps (batch, labels, h, w)."""
        maps = functional.conv2d(self.network.features(image), self.network.classifier.weight[:, :, None, None])
        return maps.mean(dim=(2, 3)) + self.network.classifier.bias, maps


class _Layer(nn.Module):  # type: ignore[misc]  # as above
    """Bottleneck and 3x3 convolution, whose result is put behind the input."""

    def __init__(self, inputs: int, shape: Shape) -> None:
        super().__init__()
        inner = shape.bottleneck * shape.growth
        self.layers = nn.Sequential(
            *_activated(inputs),
            nn.Conv2d(inputs, inner, 1, bias=False),
            *_activated(inner),
            nn.Conv2d(inner, shape.growth, 3, padding=1, bias=False),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([features, self.layers(features)], dim=1)


def _stages(shape: Shape) -> Iterator[nn.Module]:
    yield nn.Conv2d(1, shape.stem, 7, stride=2, padding=3, bias=False)
    yield from _activated(shape.stem)
    yield nn.MaxPool2d(3, stride=2, padding=1)
    channels = shape.stem
    for at, layers in enumerate(shape.blocks):
        if at:
            yield _transition(channels)
            channels //= 2
        for _ in range(layers):
            yield _Layer(channels, shape)
            channels += shape.growth
    yield from _activated(channels)


def _transition(channels: int) -> nn.Module:
    squeeze = nn.Conv2d(channels, channels // 2, 1, bias=False)
    return nn.Sequential(*_activated(channels), squeeze, nn.AvgPool2d(2))


def _activated(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
