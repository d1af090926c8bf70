"""Geometry on the way to the network: nothing is turned, moved, lost or invented."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference_worker.preprocessing import (
    grid_for,
    mean_weights,
    orientation_of,
    prepare,
    resample,
    spacings_of,
)
from models.manifest import Preprocessing
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom, plain

LUNG_WINDOW = Preprocessing("LPS", (3.0, 3.0, 3.0), (-1000.0, 400.0), (0.0, 1.0))
# Every way in which three index axes can lie along the patient's.
FRAMES = [np.eye(3)[:, list(order)] * signs for order in permutations(range(3)) for signs in product((-1, 1), repeat=3)]


def affine_of(axes: NDArray[np.float64], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    return affine


@pytest.mark.parametrize("axes", FRAMES)
def test_any_axis_order_becomes_head_back_left(axes: NDArray[np.float64]) -> None:
    affine = affine_of(axes, (2.0, 3.0, 5.0))
    index = np.stack(np.meshgrid(range(4), range(5), range(6), indexing="ij"), axis=-1)
    position = index @ affine[:3, :3].T
    orientation = orientation_of(affine)
    for c, axis in enumerate((2, 1, 0)):  # head is z, back is y, left is x
        along = np.diff(orientation.canonical(position[..., axis]), axis=c)
        assert (along > 0).all()
    assert np.array_equal(orientation.source(orientation.canonical(position[..., 0])), position[..., 0])


@pytest.mark.parametrize("direction", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_an_image_s_own_orientation_is_found(direction: tuple[float, ...]) -> None:
    phantom = Phantom(body=plain, orientation=direction, slices=7, size=(9, 11), spacing=(5.0, 3.0, 4.0))
    canonical = orientation_of(phantom.affine()).canonical(phantom.hounsfield()).astype(int)
    for axis in range(3):  # the phantom's values rise along x, y and z
        assert (np.diff(canonical, axis=axis) > 0).all()


def test_spacings_are_those_of_slices_rows_and_columns() -> None:
    assert spacings_of(Phantom(orientation=OBLIQUE, spacing=(5.0, 3.0, 2.0)).affine()) == pytest.approx([5, 3, 2])


@given(count=st.integers(1, 40), size=st.integers(1, 40), step=st.floats(0.1, 10))
def test_weights_are_a_mean(count: int, size: int, step: float) -> None:
    weights = mean_weights(count, step, size)
    assert weights.sum(axis=1) == pytest.approx(np.ones(count), abs=1e-5)
    assert weights.min() >= -1e-6


@given(size=st.integers(8, 60), step=st.floats(0.2, 4))
def test_a_linear_ramp_stays_exact_away_from_the_ends(size: int, step: float) -> None:
    count = max(1, round(size / step))
    middles = (np.arange(count) - (count - 1) / 2) * step + (size - 1) / 2
    inside = (middles - step / 2 >= 0) & (middles + step / 2 <= size - 1)
    found = mean_weights(count, step, size) @ np.arange(size)
    assert found[inside] == pytest.approx(middles[inside], abs=1e-4)


def test_a_step_of_whole_samples_is_the_trapezoid_rule() -> None:
    signal = np.random.default_rng(1).normal(size=40)
    # The mean of the linear interpolant from sample 4n - 0.5 to 4n + 3.5, by fine numerical integration.
    fine = (np.arange(40 * 1000) + 0.5) / 1000 - 0.5
    expected = np.interp(fine, np.arange(40), signal).reshape(10, 4000).mean(axis=1)
    assert mean_weights(10, 4.0, 40) @ signal == pytest.approx(expected, abs=1e-5)


def test_a_volume_is_resampled_where_it_lies_whatever_its_axes() -> None:
    for direction in (AXIAL, SAGITTAL, CORONAL):
        phantom = Phantom(body=plain, orientation=direction, slices=40, size=(40, 40), spacing=(2.0, 2.0, 2.0))
        grid = grid_for((40, 40, 40), phantom.affine(), (4.0, 4.0, 4.0))
        found = resample(phantom.hounsfield(), grid, (-3000.0, 3000.0))
        at = (np.arange(20) - 9.5) * 4
        z, y, x = np.meshgrid(at, at, at, indexing="ij")
        inner = (slice(1, -1),) * 3
        assert found[inner] == pytest.approx((x + 2 * y + 3 * z)[inner], abs=0.01)


def test_a_grid_covers_the_volume_to_half_a_voxel() -> None:
    grid = grid_for((133, 512, 512), Phantom(spacing=(2.5, 0.7, 0.7)).affine(), (3.0, 3.0, 3.0))
    assert [axis.new_size for axis in grid.axes] == [111, 119, 119]
    for axis in grid.axes:
        assert abs(axis.size * axis.spacing - axis.new_size * axis.new_spacing) <= axis.new_spacing / 2


def test_values_are_windowed_scaled_and_padded_to_the_multiple() -> None:
    voxels = np.full((10, 10, 10), 400, np.int16)
    voxels[:, :5], voxels[:, 5:] = -300, 2000
    affine = affine_of(np.eye(3)[:, ::-1], (3.0, 3.0, 3.0))
    prepared = prepare(voxels, grid_for(voxels.shape, affine, (3.0, 3.0, 3.0)), LUNG_WINDOW, 16)
    assert prepared.shape == (1, 1, 16, 16, 16)
    assert prepared.dtype == np.float32
    assert prepared[0, 0, 5, 2, 5] == pytest.approx(0.5)
    assert prepared[0, 0, 5, 8, 5] == pytest.approx(1.0)
    assert not prepared[0, 0, 10:].any() and not prepared[0, 0, :, :, 10:].any()
