"""Measured numbers are compared by what their decimals leave open, never digit by digit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dicom_node.intake.frames import spacing as spacing_of
from domain.errors import UnusableInput
from domain.layout import Plane as Slice
from domain.layout import lay_out as domain_layout
from domain.measured import COMPUTED, DISTANCE, depth_error, gaps, spacing, step, unit
from domain.routing import Conditions, SeriesFacts, unmet
from inference_worker.geometry import Plane, lay_out

Positions = list[tuple[float, ...]]


@st.composite
def directions(draw: st.DrawFn) -> NDArray[np.float64]:
    """Row and column of a slice, perpendicular, any way in the patient."""
    angles = draw(st.tuples(*[st.floats(-np.pi, np.pi)] * 3))
    x, y, z = angles
    turned = (
        np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
        @ np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        @ np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    )
    return np.asarray(turned[:, :2].T)


@st.composite
def stacks(draw: st.DrawFn) -> tuple[float, tuple[float, ...], Positions]:
    """Spacing (mm) of one to four decimals, orientation, and positions as a scanner writes them, rounded."""
    decimals = draw(st.integers(1, 6))
    apart = round(draw(st.floats(1.0 if decimals == 1 else 0.3, 10.0)), draw(st.integers(1, 4)))
    row, column = draw(st.just(np.eye(3)[:2]) | directions())
    offset = np.array(draw(st.tuples(*[st.floats(-900, 900)] * 3)))
    normal = np.cross(row, column)
    places = [offset + k * apart * normal for k in range(draw(st.integers(20, 60)))]
    orientation = tuple(round(float(one), draw(st.sampled_from([3, 4, 6]))) for one in (*row, *column))
    return apart, orientation, [tuple(round(float(one), decimals) for one in place) for place in places]


@settings(deadline=None)
@given(stacks())
def test_a_stack_meets_limits_that_are_its_own_spacing(stack: tuple[float, tuple[float, ...], Positions]) -> None:
    apart, orientation, positions = stack
    found = spacing_of(positions, orientation)
    facts = SeriesFacts("1", "CT", frozenset(), frozenset(), "", "", frozenset(), len(positions), found)
    assert unmet(Conditions(min_spacing_mm=apart, max_spacing_mm=apart), facts) == ()
    assert unmet(Conditions(max_spacing_mm=apart * 0.9), facts) != ()
    assert unmet(Conditions(min_spacing_mm=apart * 1.1), facts) != ()


@settings(deadline=None)
@given(stacks())
def test_a_regular_stack_is_a_volume_whatever_its_decimals(stack: tuple[float, tuple[float, ...], Positions]) -> None:
    apart, orientation, positions = stack
    grid = lay_out([Plane(f"image {k}", one, orientation, (0.7, 0.7), (9, 9)) for k, one in enumerate(positions)])
    assert np.linalg.norm(grid.affine[:3, 0]) == pytest.approx(apart, abs=0.02)


@settings(deadline=None)
@given(stacks(), st.integers(1, 18))
def test_no_tolerance_hides_a_missing_slice(stack: tuple[float, tuple[float, ...], Positions], missing: int) -> None:
    apart, orientation, positions = stack
    left = [one for k, one in enumerate(positions) if k != missing]
    gap = domain_layout([Slice(one, orientation) for one in left]).gap
    assert gap is not None and (gap.missing, set(gap.between)) == (1, {missing - 1, missing})
    assert gap.mm == pytest.approx(2 * apart, abs=0.2)
    assert spacing_of(left, orientation) == pytest.approx(apart, abs=0.1)
    with pytest.raises(UnusableInput, match=r"missing|unevenly"):
        lay_out([Plane(f"image {k}", one, orientation, (0.7, 0.7), (9, 9)) for k, one in enumerate(left)])


@pytest.mark.parametrize("gone", [1, 5, 18])
def test_the_step_of_a_stack_with_a_missing_slice_is_that_of_its_neighbours(gone: int) -> None:
    depths = [5.0 * k for k in range(20) if k != gone]
    assert step(depths) == 5.0
    assert spacing(depths) == 5.0
    assert gaps(depths) == ((gone - 1, 1),)


@pytest.mark.parametrize(
    ("depths", "apart"),
    [
        ([0.0, 2.5, 5.0, 7.5, 12.5, 17.5, 22.5], 5.0),  # two protocols: fine below, coarse above
        ([0.0, 5.0, 10.0, 17.0, 22.0], 7.0),  # no slice would fill it evenly
        ([0.0, 5.0, 25.0], 20.0),  # nobody can tell which is usual
    ],
)
def test_steps_that_are_uneven_in_another_way_than_by_missing_slices_are_told_by_the_widest(
    depths: list[float], apart: float
) -> None:
    assert (gaps(depths), spacing(depths)) == ((), apart)


def test_a_stack_in_tenths_of_a_millimetre_has_its_mean_spacing() -> None:
    depths = [round(1.25 * k, 1) for k in range(41)]
    assert spacing(depths, depth_error(depths, (0, 0, 1))) == pytest.approx(1.25)


def test_decimals_are_those_that_were_written() -> None:
    assert unit(1.5, -137.85, 3.0) == pytest.approx(0.01)
    # Whole numbers do not say that slices were placed by millimetres.
    assert depth_error([3.0, 4.0], (0, 0, 1)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("figure", "limit", "above"),
    [(37.2 - 32.2, 5.0, False), (5.04, 5.0, False), (5.2, 5.0, True), (0.3 * 10, 3.0, False)],
)
def test_a_figure_exceeds_a_limit_for_certain_or_not_at_all(figure: float, limit: float, above: bool) -> None:
    assert DISTANCE.above(figure, limit) is above
    assert not COMPUTED.above(limit * (1 + 1e-12), limit)
    assert not COMPUTED.below(limit * (1 - 1e-12), limit)
