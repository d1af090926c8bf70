"""[[lesions]]: each part of a segment is a finding by itself, with a place, a probability and its measurements."""

from collections.abc import Mapping

import numpy as np
import pytest

from domain.findings import Code, Region, Segment, Shape, SourceFrame
from domain.routing import Conditions
from inference_worker.lesions import listed
from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.measuring import measure
from inference_worker.volume import Volume
from models.manifest import Identity, Input, Lesions, Manifest, Network, Quantity
from tests.support.phantoms import Phantom

NODULE = Code("27925004", "SCT", "Nodule")
LUNG = Code("39607008", "SCT", "Lung")
MM = Code("mm", "UCUM", "millimeter")
SHAPE = (20, 40, 50)
AFFINE = np.array([[0, 0, 0.5, -10], [0, 0.5, 0, -20], [2.0, 0, 0, -30], [0, 0, 0, 1]], np.float64)
# Each a block of voxels, and how likely it is.
BLOCKS = (((2, 5), (3, 9), (4, 14), 0.7), ((10, 12), (20, 26), (30, 34), 0.9), ((15, 16), (30, 33), (5, 8), 0.3))


def quantity(what: str, unit: str = "mm", of: str = "lesion") -> Quantity:
    return Quantity(what, Code("81827009", "SCT", what), Code(unit, "UCUM", unit), of=of)


def manifest(*measurements: Quantity, **changes: object) -> Manifest:
    lesions = Lesions(**{"segment": 1, "label": "Spot", "threshold": 0.5, "shapes": ("box", "point"), **changes})  # type: ignore[arg-type]
    return Manifest(
        Identity("toy", "1", "Toy", "Nobody", "1.2", "none", True),
        (Input("ct", Conditions()),),
        Network("network.onnx"),
        {},
        segments=(Segment(1, "Spots", NODULE, NODULE, (1, 2, 3)),),
        lesions=(lesions,),
        measurements=measurements,
    )


def painted() -> tuple[np.ndarray, Sampled]:
    """The mask of the blocks, and shares on the same grid."""
    mask, shares = np.zeros(SHAPE, np.uint8), np.zeros((1, *SHAPE), np.float32)
    for *sides, likely in BLOCKS:
        box = tuple(slice(*side) for side in sides)
        mask[box], shares[0][box] = 1, 0.25
        shares[0][tuple((a + b) // 2 for a, b in sides)] = likely
    return mask, Sampled(shares, AFFINE)


def source(filled: tuple[int, ...] = ()) -> Volume:
    frames = tuple(SourceFrame(f"1.2.{k}") for k in range(SHAPE[0] - len(filled)))
    voxels = np.full(SHAPE, 30, np.int16)
    return Volume(voxels, AFFINE, frames, "", filled)


def boxes(regions: tuple[Region, ...]) -> list[Region]:
    return [one for one in regions if one.shape is Shape.BOX]


def test_each_part_is_a_finding_the_likeliest_first_and_the_unlikely_leave_the_mask() -> None:
    mask, shares = painted()
    found = listed(mask, shares, manifest(), source())

    assert [one.label for one in boxes(found.regions)] == ["Spot 1", "Spot 2"]
    assert [one.probability for one in boxes(found.regions)] == pytest.approx([0.9, 0.7])
    assert found.mask[15, 31, 6] == 0
    assert int(found.mask.sum()) == 3 * 6 * 10 + 2 * 6 * 4
    assert mask[15, 31, 6] == 1, "what was given is not changed"


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"long_axis_mm": (0.0, 4.5)}, ["0.9"]),
        ({"long_axis_mm": (4.5, 30.0)}, ["0.7"]),
        ({"long_axis_mm": (7.0, 30.0)}, []),
        ({"short_axis_mm": (2.5, 30.0)}, ["0.7"]),
        ({"mean_axis_mm": (0.0, 3.5)}, ["0.9"]),
        ({"mean_axis_mm": (3.5, 30.0)}, ["0.7"]),
        ({"mean_axis_mm": (0.0, 30.0), "short_axis_mm": (0.0, 2.5)}, ["0.9"]),
    ],
)
def test_what_is_smaller_or_larger_than_the_model_is_for_by_any_axis_leaves_list_and_mask(
    bounds: dict[str, tuple[float, float]], kept: list[str]
) -> None:
    found = listed(*painted(), manifest(**bounds), source())

    assert [f"{one.probability:.1f}" for one in boxes(found.regions)] == kept
    assert bool(found.mask[2, 5, 5]) == ("0.7" in kept)
    assert bool(found.mask[10, 22, 31]) == ("0.9" in kept)


def test_what_is_too_long_for_its_breadth_leaves_list_and_mask() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[4, 10:16, 10:30], mask[9, 10:16, 10:40] = 1, 1
    shares = Sampled(mask[None].astype(np.float32), AFFINE)

    found = listed(mask, shares, manifest(least_ratio=0.25), source())

    assert [one.frame for one in boxes(found.regions)] == [4]
    assert not found.mask[9].any()


def test_a_lesion_of_a_lung_says_its_side_by_every_shape_and_one_elsewhere_says_none() -> None:
    chest = Phantom()
    mask = np.zeros((chest.slices, *chest.size), np.uint8)
    mask[30, 64:70, 88:94], mask[20:22, 64:70, 32:38] = 1, 1
    shares = Sampled(mask[None].astype(np.float32), chest.affine())
    frames = tuple(SourceFrame(f"1.2.{k}") for k in range(chest.slices))
    volume = Volume(chest.hounsfield(), chest.affine(), frames, "")

    told = listed(mask, shares, manifest(site=LUNG, air_below=-400.0), volume).regions
    untold = listed(mask, shares, manifest(site=LUNG), volume).regions

    assert [(one.frame, one.laterality and one.laterality.meaning) for one in told] == [
        (20, "Right"), (20, "Right"), (30, "Left"), (30, "Left")
    ]  # fmt: skip
    assert {one.laterality for one in untold} == {None}


def test_box_and_middle_lie_on_the_image_that_the_axes_are_measured_on() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[5:9, 10:20, 10:20], mask[9, 12:14, 5:35] = 1, 1
    shares = Sampled(mask[None].astype(np.float32), AFFINE)
    box, point = listed(mask, shares, manifest(quantity("long_axis")), source()).regions

    assert (box.frame, point.frame) == (9, 9)
    assert box.points == ((5.0, 12.0), (35.0, 14.0))
    assert box.measurements[0].value == pytest.approx(np.hypot(15, 0.5), abs=0.2)


def test_a_box_goes_around_the_part_edge_to_edge_and_a_point_is_its_middle() -> None:
    found = listed(*painted(), manifest(site=LUNG), source()).regions
    box, point = found[2:]

    assert (box.shape, box.points, box.frame) == (Shape.BOX, ((4.0, 3.0), (14.0, 9.0)), 2)
    assert (point.shape, point.points, point.frame) == (Shape.POINT, ((9.0, 6.0),), 2)
    assert (box.site, box.finding, point.probability, point.measurements) == (LUNG, NODULE, None, ())
    assert (box.of, point.label, point.of) == ("", "Spot 2, middle", "Spot 2")


def test_one_shape_may_do() -> None:
    found = listed(*painted(), manifest(shapes=("point",)), source()).regions
    assert [one.shape for one in found] == [Shape.POINT, Shape.POINT]
    assert [one.probability for one in found] == pytest.approx([0.9, 0.7])


def test_a_lesion_is_measured_by_itself_and_its_segment_is_not_by_the_same() -> None:
    wanted = [quantity("volume", "mm3"), quantity("volume", "ml"), quantity("mean", "[hnsf'U]"), quantity("long_axis")]
    whole = quantity("count", "1", of="whole")
    mask, shares = painted()
    told = manifest(*wanted, whole)
    (first, *_) = listed(mask, shares, told, source()).regions
    (segment,) = measure(told.segments, mask, source().voxels, AFFINE, told.measurements)

    assert [one.value for one in first.measurements[:3]] == pytest.approx([24.0, 0.024, 30.0])
    assert [one.part for one in first.measurements] == [0] * 4
    assert [(one.name.meaning, one.value) for one in segment.measurements] == [("count", 3.0)]


def test_the_mean_of_both_axes_is_what_guidelines_take_for_a_size() -> None:
    wanted = [quantity("long_axis"), quantity("short_axis"), quantity("mean_axis")]
    (first, *_) = listed(*painted(), manifest(*wanted), source()).regions
    long, short, mean = first.measurements

    assert mean.value == pytest.approx((long.value + short.value) / 2)
    assert mean.derivation == Code("373098007", "SCT", "Mean")
    assert (long.derivation, short.derivation) == (None, None)


def test_of_many_the_others_are_counted_and_stay_in_the_mask() -> None:
    mask, shares = painted()
    found = listed(mask, shares, manifest(most=1, threshold=0.0), source())

    assert [one.label for one in boxes(found.regions)] == ["Spot 1"]
    assert found.remarks == ("of 3 parts that are Spots the 1 likeliest are listed",)
    assert np.array_equal(found.mask, mask)


@pytest.mark.parametrize(("filled", "frame"), [((), 10), ((4,), 9), ((10,), 10), ((10, 11), None)])
def test_a_place_lies_on_an_image_and_never_on_a_slice_that_was_interpolated(
    filled: tuple[int, ...], frame: int | None
) -> None:
    found = {one.probability: one.frame for one in boxes(listed(*painted(), manifest(), source(filled)).regions)}
    likeliest: Mapping[bool, int] = {round(likely, 3) == 0.9: at for likely, at in found.items() if likely}
    assert likeliest.get(True) == frame


def test_shares_on_another_grid_are_looked_up_where_the_part_lies() -> None:
    mask, shares = painted()
    coarse = shares.values.reshape(1, 20, 20, 2, 25, 2).max(axis=(3, 5))
    affine = AFFINE @ np.array([[1, 0, 0, 0], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1.0]])
    moved = listed(mask, Sampled(coarse, affine), manifest(threshold=0.0), source())
    assert [one.label for one in boxes(moved.regions)] == ["Spot 1", "Spot 2", "Spot 3"]
    assert max(one.probability or 0 for one in moved.regions) > 0.5


def test_without_lesions_nothing_is_changed() -> None:
    mask, shares = painted()
    told = manifest()
    found = listed(mask, shares, Manifest(told.identity, told.inputs, told.network, {}), source())
    assert found.mask is mask
    assert (found.regions, found.remarks) == ((), ())
