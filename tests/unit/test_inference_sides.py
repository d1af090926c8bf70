"""The side of a lesion is that of the lung whose air is around it, however the series lies in the patient."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.findings import SourceFrame
from inference_worker.sides import LEFT, RIGHT, Lungs
from inference_worker.volume import Volume
from tests.support.phantoms import AIR_HU, AXIAL, CORONAL, LUNG_OFFSET, OBLIQUE, SAGITTAL, TISSUE_HU, Phantom, chest

Points = NDArray[np.float64]
BELOW = -400.0
# Feet first and prone, as the header says it: rows and columns run backwards.
TURNED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
IN_LEFT, IN_RIGHT, BETWEEN = (LUNG_OFFSET - 30, 10.0, 20.0), (-LUNG_OFFSET, -20.0, -30.0), (0.0, 0.0, 0.0)


def volume(body: Callable[[Points], NDArray[np.int16]] = chest, orientation: tuple[float, ...] = AXIAL) -> Volume:
    phantom = Phantom(body=body, slices=80, size=(120, 120), spacing=(4.0, 4.0, 4.0), orientation=orientation)
    return Volume(phantom.hounsfield(), phantom.affine(), tuple(SourceFrame(str(k)) for k in range(80)), "")


def side_at(place: tuple[float, float, float], source: Volume) -> str:
    """What is said of a cube of 3 voxels whose middle lies at this place of the patient (LPS, mm)."""
    index = np.rint(np.linalg.solve(source.affine, (*place, 1.0)))[:3].astype(int)
    box = tuple(slice(int(one) - 1, int(one) + 2) for one in index)
    found = Lungs(source, BELOW).side_of(np.ones((3, 3, 3), np.bool_), box)
    return "" if found is None else found.meaning


def joined(points: Points) -> NDArray[np.int16]:
    """Two lungs that a pipe of air joins, wider than a main bronchus."""
    values, (x, y, z) = chest(points), np.moveaxis(points, -1, 0)
    values[(np.abs(x) < LUNG_OFFSET) & (y**2 + z**2 < 10**2)] = AIR_HU
    return values


def one_lung(points: Points) -> NDArray[np.int16]:
    """A chest whose left lung is consolidated."""
    values = chest(points)
    values[(points[..., 0] > 0) & (values < BELOW) & (np.hypot(points[..., 0] / 170, points[..., 1] / 110) < 1)] = (
        TISSUE_HU
    )
    return values


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE, TURNED])
def test_the_side_is_the_patients_in_every_orientation(orientation: tuple[float, ...]) -> None:
    source = volume(orientation=orientation)
    assert (side_at(IN_LEFT, source), side_at(IN_RIGHT, source)) == (LEFT.meaning, RIGHT.meaning)


def test_lungs_that_air_joins_are_told_apart() -> None:
    source = volume(joined)
    assert (side_at(IN_LEFT, source), side_at(IN_RIGHT, source)) == (LEFT.meaning, RIGHT.meaning)


def test_between_the_lungs_no_side_is_said() -> None:
    assert side_at(BETWEEN, volume(joined)) == ""


def test_far_from_all_air_no_side_is_said() -> None:
    assert side_at((0.0, 80.0, 0.0), volume()) == ""


@pytest.mark.parametrize("body", [one_lung, lambda points: np.full(points.shape[:-1], TISSUE_HU, np.int16)])
def test_without_two_lungs_no_side_is_said(body: Callable[[Points], NDArray[np.int16]]) -> None:
    assert side_at(IN_RIGHT, volume(body)) == ""
