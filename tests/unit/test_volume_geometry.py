"""Which planes make a volume, and where its voxels lie."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UnusableInput
from inference_worker.geometry import Plane, lay_out


def stack(*positions: float, spacing: tuple[float, float] = (0.7, 0.8)) -> list[Plane]:
    return [
        Plane(f"image {n}", (-100.0, -120.0, z), (1, 0, 0, 0, 1, 0), spacing, (512, 500))
        for n, z in enumerate(positions, 1)
    ]


def refused(planes: list[Plane]) -> str:
    with pytest.raises(UnusableInput) as refusal:
        lay_out(planes)
    return str(refusal.value)


def test_slices_are_sorted_by_position_whatever_the_order_of_their_files() -> None:
    assert lay_out(stack(5, 0, 10, 2.5, 7.5)).order == (1, 3, 0, 4, 2)


def test_the_affine_takes_slice_row_and_column_to_millimetres() -> None:
    affine = lay_out(stack(0, 2.5, 5)).affine
    assert affine @ (2, 10, 100, 1) == pytest.approx([-100 + 100 * 0.8, -120 + 10 * 0.7, 5, 1])


def test_two_slices_are_a_volume_and_one_is_not() -> None:
    assert lay_out(stack(0, 2.5)).affine[2, 0] == 2.5
    assert refused(stack(0)) == "the series has 1 slice; a volume needs at least two"
    assert refused([]) == "the series has no slice; a volume needs at least two"


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_positions_rounded_as_scanners_round_them_are_evenly_spaced(digits: int) -> None:
    positions = [round(-300 + 0.625 * k, digits) for k in range(400)]
    assert lay_out(stack(*positions)).affine[2, 0] == pytest.approx(0.625, abs=1e-3)


def test_a_missing_slice_is_named_with_its_neighbours() -> None:
    reason = refused(stack(0, 2.5, 5, 10, 12.5))
    assert "slices are missing: 1 in all" in reason
    assert "between image 3 (5.00 mm) and image 4 (10.00 mm), where 2.50 mm is the usual distance" in reason


def test_single_missing_slices_may_be_allowed_and_keep_their_place() -> None:
    grid = lay_out(stack(0, 2.5, 7.5, 10, 15, 17.5), may_miss=2)
    assert (grid.order, grid.missing) == ((0, 1, 2, 3, 4, 5), (2, 5))
    assert grid.affine[2, 0] == 2.5
    assert lay_out(stack(0, 2.5, 5, 7.5), may_miss=2).missing == ()


@pytest.mark.parametrize(
    ("positions", "allowed"), [((0, 2.5, 7.5, 10, 15), 1), ((0, 2.5, 5, 12.5, 15), 2), ((0, 2.5, 7.0, 9.5, 12.0), 1)]
)
def test_more_missing_slices_than_are_allowed_two_in_a_row_and_uneven_ones_are_refused(
    positions: tuple[float, ...], allowed: int
) -> None:
    with pytest.raises(UnusableInput, match=r"slices are (missing|unevenly spaced)"):
        lay_out(stack(*positions), may_miss=allowed)


def test_uneven_spacing_is_told_from_a_missing_slice() -> None:
    reason = refused(stack(0, 2.5, 5, 8.5, 11))
    assert "slices are unevenly spaced: from 2.50 mm to 3.50 mm" in reason
    assert "the widest between image 3 (5.00 mm) and image 4 (8.50 mm)" in reason


def test_a_slow_drift_of_the_spacing_is_uneven_too() -> None:
    assert "unevenly spaced" in refused(stack(*np.cumsum(np.linspace(1, 1.02, 200))))


def test_two_images_at_one_position_are_named() -> None:
    reason = refused(stack(0, 2.5, 2.5, 5))
    assert "image 2 and image 3 lie at the same position (2.50 mm)" in reason
    assert "1 of 4 slices too many" in reason


@given(st.floats(1, 30))
def test_a_tilted_gantry_is_refused_with_its_angle(degrees: float) -> None:
    shift = math.tan(math.radians(degrees))
    planes = [replace(one, position=(0.0, one.position[2] * shift, one.position[2])) for one in stack(0, 10, 20, 30)]
    said = re.search(r"tilted by (\S+) degrees", refused(planes))
    assert said and abs(float(said[1]) - degrees) < 0.06


def test_slices_that_wander_sideways_are_refused() -> None:
    planes = stack(0, 2.5, 5, 7.5)
    planes[1] = replace(planes[1], position=(-98.0, -120.0, 2.5))
    assert "shifted sideways" in refused(planes)


def test_mixed_sizes_spacings_and_orientations_are_each_named() -> None:
    planes = stack(0, 2.5, 5)
    assert refused([*planes[:2], replace(planes[2], size=(256, 256))]) == (
        "images differ in size: 512 x 500 in image 1, 256 x 256 in image 3"
    )
    assert refused([*planes[:2], replace(planes[2], spacing=(0.7, 0.9))]) == (
        "pixel spacing differs: 0.7 x 0.8 mm in image 1, 0.7 x 0.9 mm in image 3"
    )
    assert refused([*planes[:2], replace(planes[2], orientation=(0, 1, 0, 0, 0, -1))]) == (
        "image 1 and image 3 are not parallel: orientations are mixed"
    )


def test_directions_that_are_not_perpendicular_units_are_refused() -> None:
    for wrong in ((1, 0, 0, 0.1, 1, 0), (2, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0)):
        assert "perpendicular" in refused([replace(one, orientation=wrong) for one in stack(0, 1)])


def test_pixel_spacing_of_zero_is_refused() -> None:
    assert "pixel spacing of image 1 is not positive" in refused(stack(0, 1, spacing=(0.0, 0.7)))


def _rotation(a: float, b: float, c: float) -> np.ndarray:
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(x @ y @ z)


ANGLE = st.floats(-math.pi, math.pi)


@given(st.tuples(ANGLE, ANGLE, ANGLE), st.floats(0.3, 10), st.permutations(range(7)))
def test_any_orientation_in_any_order_gives_the_affine_that_made_it(
    angles: tuple[float, float, float], gap: float, shuffled: list[int]
) -> None:
    axes = _rotation(*angles)  # columns: along a row, along a column, normal
    first = np.array([-101.5, 33.25, -870.0])
    planes = [
        Plane(
            f"image {k}",
            tuple(round(float(v), 6) for v in first + k * gap * axes[:, 2]),
            tuple(round(float(v), 6) for v in (*axes[:, 0], *axes[:, 1])),
            (0.7, 0.8),
            (16, 16),
        )
        for k in shuffled
    ]
    grid = lay_out(planes)
    assert [shuffled[one] for one in grid.order] == list(range(7))
    expected = np.column_stack((axes[:, 2] * gap, axes[:, 1] * 0.7, axes[:, 0] * 0.8, first))
    assert np.abs(grid.affine[:3] - expected).max() < 1e-5
    assert np.linalg.det(grid.affine) < 0  # slice, row, column is the reverse of x, y, z
