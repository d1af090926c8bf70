"""The step keep_enclosed: the air that a body encloses, with what touches its wall; everything else is one value."""

import numpy as np
import pytest

from domain.errors import UnusableInput
from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.enclosed import keep_enclosed
from models.steps import KeepEnclosed

STEP = KeepEnclosed(below=-400.0, ml=10.0, mm=9.0, value=2000.0, margin=2)
SPACING = 3.0


def body(open_: bool = False) -> np.ndarray:
    """A box of tissue in air with a hollow of 24 x 60 x 60 mm, a table below it, and a ball at the hollow's wall."""
    values = np.full((16, 50, 50), -1000.0, np.float32)
    values[:, 8:40, 8:42] = 40
    values[4:12, 14:34, 14:34] = -850
    values[:, 45:46, 5:45] = 0
    values[6:10, 14:18, 20:24] = 40
    if open_:
        values[4:12, :20, 20:24] = -1000
    return values


def kept(values: np.ndarray, step: KeepEnclosed = STEP, order: tuple[int, ...] = (0, 1, 2)) -> Sampled:
    lps = np.zeros((4, 4))
    for index, axis in enumerate(np.array([2, 1, 0])[list(order)]):
        lps[axis, index] = SPACING
    lps[3, 3] = 1
    return keep_enclosed(Sampled(np.ascontiguousarray(values.transpose(order))[None], lps), step)


def test_the_hollow_is_kept_with_what_touches_its_wall_and_all_else_has_one_value() -> None:
    found = kept(body())
    assert found.values.shape == (1, 12, 24, 24)
    inner, given = found.values[0, 2:-2, 2:-2, 2:-2], body()[4:12, 14:34, 14:34]
    assert np.array_equal(inner[given < -400], given[given < -400])
    # All of the ball but what a wider ball inside the wall would reach.
    assert np.array_equal(inner[2:6, 1:4, 6:10], given[2:6, 1:4, 6:10])
    rim = np.ones(found.values.shape[1:], bool)
    rim[2:-2, 2:-2, 2:-2] = False
    assert set(found.values[0][rim].tolist()) == {2000.0}


def test_what_is_cut_off_moves_the_grid_with_it() -> None:
    found = kept(body())
    assert found.affine[:3, 3] == pytest.approx([12 * SPACING, 12 * SPACING, 2 * SPACING])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_sections_are_axial_however_the_axes_lie(order: tuple[int, ...]) -> None:
    assert np.array_equal(kept(body(), order=order).values[0], kept(body()).values[0].transpose(order))


def test_air_that_leads_outside_is_not_enclosed() -> None:
    with pytest.raises(UnusableInput, match="nothing below -400 of 10 ml or more is enclosed by the body"):
        kept(body(open_=True))


def test_small_hollows_are_none() -> None:
    with pytest.raises(UnusableInput, match="of 100 ml or more"):
        kept(body(), KeepEnclosed(-400.0, 100.0, 9.0))


@pytest.mark.parametrize("value", [-1000.0, 40.0])
def test_a_volume_of_one_tissue_encloses_nothing(value: float) -> None:
    with pytest.raises(UnusableInput, match="is enclosed"):
        kept(np.full((8, 20, 20), value, np.float32))
