"""Geometry on the way to the network: nothing is turned, moved, lost or invented."""

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference_worker.transforms import shapes
from inference_worker.transforms.grids import (
    Grid,
    between,
    covered,
    cube,
    lines,
    orientation_of,
    reoriented,
    spaced,
    spacings_of,
)
from models.steps import Orientation
from tests.support.arrays import sampled
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom, plain

# Every way in which three index axes can lie along the patient's.
FRAMES = [np.eye(3)[:, list(order)] * signs for order in permutations(range(3)) for signs in product((-1, 1), repeat=3)]
ALL_AXES = ["".join(axes) for order in permutations(("SI", "AP", "LR")) for axes in product(*order)]


def affine_of(axes: NDArray[np.float64], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = (-70.5, 12.0, 33.0)
    return affine


def nifti(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """RAS, as nibabel wants it, from LPS."""
    return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


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


@pytest.mark.parametrize("wanted", ALL_AXES)
def test_axes_are_what_nibabel_calls_them(wanted: str) -> None:
    phantom = Phantom(body=plain, orientation=OBLIQUE, slices=7, size=(9, 11), spacing=(5.0, 3.0, 4.0))
    values = phantom.hounsfield().astype(np.float32)
    found = shapes.orientation(sampled(values, affine=phantom.affine()), Orientation(wanted))
    assert "".join(nibabel.aff2axcodes(nifti(found.affine))) == wanted
    start = nibabel.io_orientation(nifti(phantom.affine()))
    transform = nibabel.orientations.ornt_transform(start, nibabel.orientations.axcodes2ornt(wanted))
    assert np.array_equal(found.values[0], nibabel.apply_orientation(values, transform))
    expected = phantom.affine() @ nibabel.orientations.inv_ornt_aff(transform, values.shape)
    assert found.affine == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("direction", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_an_image_s_own_orientation_is_found(direction: tuple[float, ...]) -> None:
    phantom = Phantom(body=plain, orientation=direction, slices=7, size=(9, 11), spacing=(5.0, 3.0, 4.0))
    canonical = orientation_of(phantom.affine()).canonical(phantom.hounsfield()).astype(int)
    for axis in range(3):  # the phantom's values rise along x, y and z
        assert (np.diff(canonical, axis=axis) > 0).all()


def test_spacings_are_those_of_slices_rows_and_columns() -> None:
    assert spacings_of(Phantom(orientation=OBLIQUE, spacing=(5.0, 3.0, 2.0)).affine()) == pytest.approx([5, 3, 2])


@given(
    shape=st.tuples(*[st.integers(1, 200)] * 3),
    old=st.tuples(*[st.floats(0.3, 6)] * 3),
    new=st.tuples(*[st.floats(0.3, 6)] * 3),
)
def test_a_grid_of_another_spacing_covers_the_volume_to_half_a_voxel(
    shape: tuple[int, int, int], old: tuple[float, float, float], new: tuple[float, float, float]
) -> None:
    source = Grid(shape, Phantom(orientation=OBLIQUE, spacing=old).affine())
    target = spaced(source, new)
    assert target.centre == pytest.approx(source.centre, abs=1e-6)
    assert spacings_of(target.affine) == pytest.approx(new)
    for before, after, a, b in zip(source.shape, target.shape, old, new, strict=True):
        assert abs(before * a - after * b) <= b / 2 + 1e-6 or after == 1


def test_the_cube_of_a_volume_lies_where_nibabel_puts_it() -> None:
    affine = Phantom(orientation=OBLIQUE, slices=30, size=(40, 50), spacing=(2.0, 1.5, 1.0)).affine()
    grid = cube(Grid((30, 40, 50), affine).centre, 64, 1.0, "LIA")
    assert "".join(nibabel.aff2axcodes(nifti(grid.affine))) == "LIA"
    assert spacings_of(grid.affine) == pytest.approx(np.ones(3))
    assert grid.centre == pytest.approx([0, 0, 0], abs=1e-3)  # that of the phantom


@given(axes=st.sampled_from(FRAMES), start=st.tuples(*[st.integers(-3, 3)] * 3))
def test_parallel_grids_are_told_from_turned_ones(axes: NDArray[np.float64], start: tuple[int, int, int]) -> None:
    source = Grid((10, 11, 12), affine_of(axes, (2.0, 3.0, 5.0)))
    target = reoriented(source, orientation_of(source.affine)).part(tuple(slice(s, s + 5) for s in start))
    found = lines(source, target)
    assert found is not None
    index = np.array([1, 2, 3, 1])
    there = between(source, target) @ index
    assert [line.positions[index[axis]] for line, axis in zip(*found, strict=True)] == pytest.approx(there[:3])
    assert lines(source, Grid((10, 11, 12), Phantom(orientation=OBLIQUE).affine())) is None


def test_what_of_a_grid_another_covers() -> None:
    grid = Grid((10, 10, 10), np.eye(4))
    assert covered(grid, grid.part((slice(2, 5), slice(-3, 4), slice(8, 20)))) == (
        slice(2, 5), slice(0, 4), slice(8, 10),
    )  # fmt: skip
    assert covered(grid, grid.part((slice(20, 25), slice(0, 4), slice(0, 4)))) is None
