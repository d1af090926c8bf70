"""The same work as MONAI does it: its transforms on MetaTensors, the network in torch, its inverse transforms.

The network is read from the same ONNX file, so both sides have the same weights.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from monai.data import MetaTensor
from monai.transforms import (
    AsDiscrete,
    Compose,
    CropForeground,
    DivisiblePad,
    FillHoles,
    InvertibleTransform,
    KeepLargestConnectedComponent,
    ScaleIntensityRange,
    ScaleIntensityRangePercentiles,
    SpatialResample,
)
from numpy.typing import NDArray
from onnx2torch import convert

from inference_worker.volume import Volume

# DICOM's patient axes lead to the left and back, MONAI's and NIfTI's to the right and front.
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Made:
    """Labels on the source's grid; what the network was given, (1, 1, *space), and its shares, (1, labels, *space)."""

    labels: NDArray[np.uint8]
    given: NDArray[np.float32]
    shares: NDArray[np.float32]
    network_seconds: float


class Peer:
    """One model. `before` ends in the network's input; shares go back to the source by the inverses of its steps.

    With `labels`, the likeliest label is decided on the network's grid, and labels go back.
    """

    def __init__(self, network: Path, before: Sequence[Any], after: Sequence[Any], labels: bool = False) -> None:
        self._network = convert(onnx.load(str(network))).eval()
        self._before, self._after, self._labels = before, Compose(after), labels

    def run(self, volume: Volume) -> Made:
        """What MONAI makes of `volume`."""
        given = MetaTensor(torch.from_numpy(volume.voxels.astype(np.float32))[None], affine=_TO_RAS @ volume.affine)
        with torch.inference_mode():
            for step in self._before:
                given = step(given)
            begun = time.perf_counter()
            shares = torch.softmax(self._network(given.as_tensor()[None])[0], dim=0)
            seconds = time.perf_counter() - begun
            labels = self._of_labels(shares, given) if self._labels else self._of_shares(shares, given)
        return Made(
            np.asarray(labels)[0].round().astype(np.uint8), np.asarray(given)[None], np.asarray(shares)[None], seconds
        )

    def _of_shares(self, shares: torch.Tensor, given: MetaTensor) -> Any:
        return self._after(AsDiscrete(argmax=True)(self._returned(shares, given)))

    def _of_labels(self, shares: torch.Tensor, given: MetaTensor) -> Any:
        return self._returned(self._after(shares.argmax(dim=0, keepdim=True).float()), given)

    def _returned(self, values: torch.Tensor, given: MetaTensor) -> Any:
        back = MetaTensor(values, meta=given.meta, applied_operations=given.applied_operations)
        for step in reversed(self._before):
            if isinstance(step, InvertibleTransform):
                back = step.inverse(back)
        return back


class _Onto(InvertibleTransform):  # type: ignore[misc]  # MONAI has no types
    """MONAI's SpatialResample onto a grid that shares the source's centre, and back; Spacing would move the centre.

    `axes` (3x3) are the directions of the new grid's indices times its spacing in mm, `size` its voxels; without a size
    it covers the source. `back` is how values return: "bilinear", or "nearest" for labels, which do not mix.
    """

    def __init__(self, axes: NDArray[np.float64], size: tuple[int, ...] | None, padding: str, back: str) -> None:
        self._axes, self._size = axes, size
        self._forth = SpatialResample(mode="bilinear", padding_mode=padding, align_corners=True)
        self._back = SpatialResample(mode=back, padding_mode=padding, align_corners=True)
        self._source: MetaTensor | None = None

    def __call__(self, image: MetaTensor) -> MetaTensor:
        self._source = image
        source = np.asarray(image.affine)
        size = self._size or self._covering(source, image.shape[1:])
        affine = np.eye(4)
        affine[:3, :3] = self._axes
        middle = source @ [*((np.array(image.shape[1:]) - 1) / 2), 1]
        affine[:3, 3] = middle[:3] - self._axes @ ((np.array(size) - 1) / 2)
        return self._forth(image, dst_affine=torch.from_numpy(affine), spatial_size=size)

    def inverse(self, image: MetaTensor) -> MetaTensor:
        """`image` on the source's grid."""
        assert self._source is not None
        return self._back(image, dst_affine=self._source.affine, spatial_size=self._source.shape[1:])

    def _covering(self, source: NDArray[np.float64], shape: Sequence[int]) -> tuple[int, ...]:
        extent = np.linalg.norm(source[:3, :3], axis=0) * shape
        along = np.abs(self._axes.T @ source[:3, :3]).argmax(axis=1)
        return tuple(round(extent[k] / np.linalg.norm(self._axes[:, n])) for n, k in enumerate(along))


def lungs(network: Path) -> Peer:
    """models/ct_lung without its closing, for which MONAI has no transform."""
    towards_head_back_left = 3.0 * np.array([[0, 0, -1.0], [0, -1.0, 0], [1.0, 0, 0]])
    before = [
        ScaleIntensityRange(-1000, 400, 0, 1, clip=True),
        _Onto(towards_head_back_left, None, "border", "bilinear"),
        DivisiblePad(16, method="end"),
    ]
    return Peer(network, before, [KeepLargestConnectedComponent([1, 2], connectivity=1), FillHoles([1, 2], 1)])


def tissues(network: Path, labels: int) -> Peer:
    """MeshNet: a conformed cube, quantiles to 0..1, cut to the foreground, likeliest label, largest component."""
    left_down_forward = np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    before = [
        ScaleIntensityRangePercentiles(0, 99.9, 0, 255),
        _Onto(left_down_forward, (256, 256, 256), "zeros", "nearest"),
        lambda image: image.clip(0, 255).round(),
        ScaleIntensityRangePercentiles(5, 95, 0, 1),
        CropForeground(select_fn=lambda values: values > values.min() + 0.2 * (values.max() - values.min())),
    ]
    after = [KeepLargestConnectedComponent(list(range(1, labels + 1)), independent=False, connectivity=1)]
    return Peer(network, before, after, labels=True)
