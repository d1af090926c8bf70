"""What is cut, filled up and put together: every voxel keeps its place in the patient."""

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # its users' name for it
from numpy.typing import NDArray

from domain.errors import ConfigurationError, UnusableInput
from inference_worker.transforms import inputs, shapes
from inference_worker.transforms.arrays import Sampled, to_numpy
from models import steps
from tests.support.arrays import LIBRARIES, sampled
from tests.support.phantoms import OBLIQUE, Phantom, plain

both = pytest.mark.parametrize("library", LIBRARIES)

PHANTOM = Phantom(body=plain, orientation=OBLIQUE, slices=11, size=(14, 17), spacing=(4.0, 2.0, 3.0))


def ramp(library: str) -> Sampled:
    """Values that say where in the patient a voxel lies: x + 2 y + 3 z."""
    return sampled(positions(PHANTOM.affine(), (11, 14, 17)), library, PHANTOM.affine())


def positions(affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return np.asarray((index @ affine[:3, :3].T + affine[:3, 3]) @ [1.0, 2.0, 3.0], np.float32)


@both
@pytest.mark.parametrize(
    ("function", "step", "shape"),
    [
        (shapes.orientation, steps.Orientation("LIA"), (17, 11, 14)),
        (shapes.centre_crop, steps.CentreCrop((8, 20, 10)), (8, 14, 10)),
        (shapes.crop_foreground, steps.CropForeground(0.5), None),
        (shapes.block_mean, steps.BlockMean(3), (3, 4, 5)),
    ],
)
def test_voxels_keep_their_place(library: str, function: Any, step: Any, shape: tuple[int, ...] | None) -> None:
    made = function(ramp(library), step)
    assert shape in (None, made.grid.shape)
    assert to_numpy(made.values)[0] == pytest.approx(positions(made.affine, made.grid.shape), abs=1e-3)


@both
@pytest.mark.parametrize("both_sides", [False, True])
def test_what_is_filled_up_lies_outside(library: str, both_sides: bool) -> None:
    made = shapes.pad(ramp(library), steps.Pad(multiple=8, value=-7.5, both=both_sides))
    assert made.grid.shape == (16, 16, 24)
    values, expected = to_numpy(made.values)[0], positions(made.affine, (16, 16, 24))
    inside = values != -7.5
    assert inside.sum() == 11 * 14 * 17
    assert values[inside] == pytest.approx(expected[inside], abs=1e-3)
    assert inside[0, 0, 0] != both_sides


@both
def test_filling_up_to_a_size_leaves_what_is_larger(library: str) -> None:
    made = shapes.pad(ramp(library), steps.Pad(size=(20, 10, 17)))
    assert made.grid.shape == (20, 14, 17)
    judge = sitk.GetArrayFromImage(
        sitk.ConstantPad(sitk.GetImageFromArray(to_numpy(ramp(library).values)[0]), [0] * 3, [0, 0, 9])
    )
    assert np.array_equal(to_numpy(made.values)[0], judge)


@both
def test_the_foreground_is_the_box_of_what_stands_out(library: str) -> None:
    values = np.zeros((10, 12, 14), np.float32)
    values[3:6, 4:9, 5:11] = 100
    values[0, 0, 0] = 15  # below a fifth of the way
    made = shapes.crop_foreground(sampled(values, library), steps.CropForeground(0.2))
    judge = sitk.LabelShapeStatisticsImageFilter()
    judge.Execute(sitk.GetImageFromArray((values > 20).astype(np.uint8)))
    assert made.grid.shape == tuple(judge.GetBoundingBox(1)[:2:-1])
    wider = shapes.crop_foreground(sampled(values, library), steps.CropForeground(0.2, margin=4))
    assert wider.grid.shape == (10, 12, 13)
    with pytest.raises(UnusableInput, match="shows nothing"):
        shapes.crop_foreground(sampled(values * 0, library), steps.CropForeground(0.2))


@both
def test_blocks_are_averaged_as_simpleitk_averages_them(library: str) -> None:
    values = np.random.default_rng(4).normal(size=(7, 8, 9)).astype(np.float32)
    judge = sitk.GetArrayFromImage(sitk.BinShrink(sitk.GetImageFromArray(values), [2, 2, 2]))
    found = shapes.block_mean(sampled(values, library), steps.BlockMean(2))
    assert to_numpy(found.values)[0] == pytest.approx(judge, abs=1e-6)


def test_a_size_for_each_axis_or_none() -> None:
    with pytest.raises(ConfigurationError, match="2 sizes for 3 axes"):
        shapes.resize(ramp("numpy"), steps.Resize((8, 8)))


@both
def test_series_are_aligned_and_stacked(library: str) -> None:
    small = Phantom(orientation=OBLIQUE, slices=40, size=(50, 60), spacing=(1.0, 1.0, 1.0))
    other = sampled(positions(small.affine(), (40, 50, 60)), library, small.affine())
    made = inputs.prepare({"a": ramp(library), "b": other}, [steps.Align("a"), steps.Stack()])
    values = to_numpy(made.values)
    assert values.shape == (2, 11, 14, 17)
    inside = values[1] != 0
    assert inside.mean() > 0.5
    assert values[1][inside] == pytest.approx(values[0][inside], abs=0.01)


def test_series_on_different_grids_are_not_stacked() -> None:
    given = {"a": ramp("numpy"), "b": shapes.centre_crop(ramp("numpy"), steps.CentreCrop((5, 5, 5)))}
    with pytest.raises(ConfigurationError, match="different grids"):
        inputs.prepare(given, [steps.Stack()])
    with pytest.raises(ConfigurationError, match="missing"):
        inputs.prepare(given, [])
