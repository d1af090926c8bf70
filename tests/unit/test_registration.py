"""Rigid registration: a volume that was turned and shifted finds back, and what has nothing in common is refused."""

from dataclasses import replace
from math import cos, radians, sin

import numpy as np
import pytest

from domain.errors import ConfigurationError, UnusableInput
from inference_worker import registration
from inference_worker.geometry import Array
from inference_worker.registration import register, simpleitk
from inference_worker.together import brought_together, remarks
from inference_worker.volume import Volume
from models.manifest import Registration
from tests.support.phantoms import Phantom

PHANTOM = Phantom(slices=32, size=(60, 60), spacing=(8.0, 6.0, 6.0), noise=10.0)
FIXED = Volume(PHANTOM.hounsfield(), PHANTOM.affine(), (), "", frame_of_reference="1.2.3")


def turned(degrees: float, *shift: float) -> Array:
    """A rotation about the patient's z axis, and a shift (mm)."""
    moved, angle = np.eye(4), radians(degrees)
    moved[:2, :2] = [[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]
    moved[:3, 3] = shift
    return moved


def farthest(affine: Array) -> float:
    """How far (mm) a transform moves any corner of the phantom."""
    corners = np.array([[*corner, 1.0] for corner in np.ndindex(2, 2, 2)]) * [256.0, 360.0, 360.0, 1.0] - [
        120,
        180,
        180,
        0,
    ]
    return float(np.abs(corners @ affine.T - corners).max())


@pytest.mark.parametrize(
    ("moved", "contrast"), [(turned(0, 40, 0, 0), "the same"), (turned(12, 10, -20, 30), "another")]
)
def test_a_volume_that_was_moved_finds_back_also_in_another_contrast(moved: Array, contrast: str) -> None:
    voxels = FIXED.voxels if contrast == "the same" else 1000 - np.abs(FIXED.voxels.astype(np.float32))
    found = register(FIXED, replace(FIXED, voxels=voxels, affine=moved @ FIXED.affine))
    assert farthest(found.affine @ moved) < 1.0
    assert found.agreement > 0.3


def test_the_same_volumes_give_the_same_transform_each_time() -> None:
    moved = replace(FIXED, affine=turned(5, 10, -20, 30) @ FIXED.affine)
    assert np.array_equal(register(FIXED, moved).affine, register(FIXED, moved).affine)


def test_inputs_of_several_frames_of_reference_are_moved_onto_the_first_and_the_result_says_how_far() -> None:
    moved = replace(FIXED, affine=turned(0, 40, 0, 0) @ FIXED.affine, frame_of_reference="1.2.4")
    together = brought_together({"t1": FIXED, "t2": moved}, Registration(0.5))
    assert together["t1"] is FIXED
    assert together["t2"].affine == pytest.approx(FIXED.affine, abs=1.0)
    (said,) = remarks(together)
    assert said.startswith(
        "t2 was moved onto t1, since it lies in another frame of reference: turned by 0.0 degrees, shifted by 40 mm; "
    )
    assert "(believed from 0.50 on)" in said
    assert brought_together(together, Registration(0.5)) == together


def test_what_lies_in_one_frame_of_reference_is_not_moved() -> None:
    beside = replace(FIXED, affine=turned(0, 3, 0, 0) @ FIXED.affine)
    assert brought_together({"t1": FIXED, "t2": beside}, Registration(0.5))["t2"] is beside


def test_an_agreement_below_the_bound_is_refused_with_both() -> None:
    noise = np.random.default_rng(1).normal(0, 100, FIXED.voxels.shape).astype(np.float32)
    other = replace(FIXED, voxels=noise, frame_of_reference="1.2.4")
    with pytest.raises(UnusableInput, match=r"t2 .* could not be registered to it: they agree by 0\.0\d, and 0\.30 is"):
        brought_together({"t1": FIXED, "t2": other}, Registration(0.3))


def test_volumes_that_share_hardly_any_place_are_refused() -> None:
    sliver = replace(FIXED, voxels=FIXED.voxels[:3])
    with pytest.raises(UnusableInput, match="hardly anything in common"):
        register(FIXED, sliver)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(registration, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"install dicom-node\[registration\]"):
        simpleitk()
