"""Moves one volume onto another, rigidly: turned and shifted as a head or a bone is, by SimpleITK (Apache-2.0).

What is moved is the place of the voxels, not the voxels: nothing is resampled here. The metric is mutual information
(Mattes et al. 2003), which compares images of several contrasts. One thread and one seed of its samples: the same
volumes give the same transform each time.
"""

import math
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError, UnusableInput
from inference_worker.geometry import Array
from inference_worker.volume import Volume

_BINS = 32
# Voxels are averaged to about this many mm: finer adds noise and time, and no knowledge of where a body lies.
_VOXEL_MM = 2.0
# How many samples are taken at each level of a pyramid (shrunk by, smoothed by in mm).
_SAMPLES, _SHRINK, _SMOOTH = 25_000, (4, 2, 1), (4.0, 2.0, 0.0)
# ITK takes its samples by the clock otherwise.
_SEED = 20261129
# Steps in mm. A phantom and a head that were turned by up to 18 degrees and moved by up to 60 mm found back to 0.1 mm.
_DESCENT = {
    "learningRate": 4.0,
    "minStep": 1e-3,
    "numberOfIterations": 200,
    "relaxationFactor": 0.7,
    "gradientMagnitudeTolerance": 1e-6,
}
_COMMON = 0.3  # share of the fixed volume that must lie in the other one at the least


@dataclass(frozen=True)
class Registered:
    """`affine` (4x4) takes patient mm of the moved volume to those of the fixed one.

    `agreement` is from 0 (what one shows says nothing of the other) to 1 (it says all): the symmetric uncertainty,
    twice the mutual information over the sum of both entropies, where both volumes are (Witten and Frank 2005).
    `degrees` and `mm` are how far it was turned, and how far its centre was shifted.
    """

    affine: Array
    agreement: float
    degrees: float
    mm: float


def simpleitk() -> ModuleType:
    """The library; raises ConfigurationError, which says how to get it, where it is not installed."""
    try:
        return import_module("SimpleITK")
    except ImportError as error:
        raise ConfigurationError(
            "a package that asks for [registration] needs SimpleITK, which is not installed; "
            "install dicom-node[registration]"
        ) from error


def register(fixed: Volume, moving: Volume) -> Registered:
    """How `moving` lies in the coordinates of `fixed`; raises UnusableInput where it cannot be told."""
    itk = simpleitk()
    here, there = _coarse(itk, _image(itk, fixed)), _coarse(itk, _image(itk, moving))
    try:
        found = _method(itk, here, there).Execute(here, there)
    except RuntimeError as error:  # ITK's exceptions, such as for volumes that never overlap
        raise UnusableInput("the series could not be registered: they have hardly anything in common") from error
    to_moving = _matrix(found)
    affine: Array = np.linalg.inv(to_moving).astype(np.float64)
    return Registered(affine, _agreement(itk, here, there, found), *_way(to_moving, moving))


def _image(itk: ModuleType, volume: Volume) -> Any:
    """The volume as ITK has it: its axes are the fastest first, its coordinates are LPS mm as ours."""
    image = itk.GetImageFromArray(np.ascontiguousarray(volume.voxels, np.float32))
    axes = volume.affine[:3, [2, 1, 0]]
    lengths = np.linalg.norm(axes, axis=0)
    image.SetSpacing(lengths.tolist())
    image.SetDirection((axes / lengths).ravel().tolist())
    image.SetOrigin(volume.affine[:3, 3].tolist())
    return image


def _coarse(itk: ModuleType, image: Any) -> Any:
    return itk.BinShrink(image, [max(1, round(_VOXEL_MM / spacing)) for spacing in image.GetSpacing()])


def _method(itk: ModuleType, fixed: Any, moving: Any) -> Any:
    method = itk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)  # sums of several parts come in any order
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(min(1.0, _SAMPLES / fixed.GetNumberOfPixels()), seed=_SEED)
    method.SetInterpolator(itk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(**_DESCENT)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(list(_SHRINK))
    method.SetSmoothingSigmasPerLevel(list(_SMOOTH))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    start = itk.CenteredTransformInitializerFilter()
    start.MomentsOn()  # the middle of what is bright, wherever the table stood
    method.SetInitialTransform(start.Execute(fixed, moving, itk.Euler3DTransform()), inPlace=False)
    return method


def _matrix(transform: Any) -> Array:
    """The rigid transform as 4x4: its images of the origin and of the unit points."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.array(transform.TransformPoint(unit)) - origin for unit in np.eye(3).tolist()])
    matrix[:3, 3] = origin
    return matrix


def _way(to_moving: Array, moving: Volume) -> tuple[float, float]:
    """How far the moving volume is turned (degrees), and how far its centre is shifted (mm)."""
    cosine = (np.trace(to_moving[:3, :3]) - 1) / 2
    centre = moving.affine @ (*((np.array(moving.voxels.shape) - 1) / 2), 1.0)
    shifted = np.linalg.inv(to_moving) @ centre - centre
    return math.degrees(math.acos(min(1.0, max(-1.0, float(cosine))))), float(np.linalg.norm(shifted[:3]))


def _agreement(itk: ModuleType, fixed: Any, moving: Any, transform: Any) -> float:
    """The symmetric uncertainty of both on the grid of the fixed one, where the other is, too."""
    one, other = (
        itk.GetArrayFromImage(image) for image in (fixed, itk.Resample(moving, fixed, transform, itk.sitkLinear))
    )
    inside = itk.GetArrayFromImage(itk.Resample(moving * 0 + 1, fixed, transform, itk.sitkNearestNeighbor)) > 0
    if inside.mean() < _COMMON:
        raise UnusableInput("the series could not be registered: they have hardly anything in common")
    return _symmetric_uncertainty(one[inside], other[inside])


def _symmetric_uncertainty(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    joint, _, _ = np.histogram2d(_ranked(one), _ranked(other), bins=_BINS)
    joint /= joint.sum()
    entropies = [_entropy(joint.sum(axis=axis)) for axis in (0, 1)]
    both = sum(entropies)
    return 2 * (both - _entropy(joint.ravel())) / both if both else 0.0


def _ranked(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values cut at their first and last hundredth, so that a bright vessel does not take all the bins."""
    low, high = np.quantile(values, (0.01, 0.99))
    return np.clip(values, low, high)


def _entropy(shares: Array) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())
