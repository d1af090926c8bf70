"""Each segment has an outline where it is measured or largest, which marks the same pixels as the mask does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from domain.findings import Code, Findings, Measurement, Region, Shape
from sr_writer.codes import sentences
from sr_writer.contours import MOST_POINTS, contour, contours, thinned
from sr_writer.outlines import outlines, runs
from sr_writer.source import read_source
from tests.support import phantoms
from tests.support.contents import content_of
from tests.support.findings import LEFT_LUNG, LUNG, RIGHT_LUNG, boxes, findings_on, frames_of
from tests.support.outlining import Picture, farthest, filled, largest_part
from tests.support.phantoms import AXIAL, OBLIQUE, SAGITTAL, Phantom
from tests.support.result_cases import Run


def disc(radius: float) -> Picture:
    size = int(2 * radius + 8)
    y, x = np.ogrid[:size, :size]
    return np.asarray((y - size / 2) ** 2 + (x - size / 2) ** 2 < radius**2)


@given(arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))).filter(np.any))
@example(np.eye(4, dtype=bool))
@example(~np.eye(5, dtype=bool))
@example(disc(5) & ~np.pad(disc(2), 3))
def test_the_outline_filled_again_is_the_largest_part(picture: Picture) -> None:
    points, pixels = contour(picture)
    within = filled(points, picture.shape)
    assert any(np.array_equal(within, part) for part in largest_part(picture))
    assert pixels == within.sum()


@pytest.mark.parametrize(
    "picture", [disc(3.3), disc(20.5), disc(20.5) ^ np.roll(disc(20.5), 9, 0), np.ones((1, 1), bool)]
)
def test_no_point_of_the_outline_is_farther_than_half_a_pixel_from_the_edge(picture: Picture) -> None:
    points, _ = contour(picture)
    assert any(farthest(points, part) < 0.5 for part in largest_part(picture))


def test_a_box_and_a_single_pixel_are_their_corners() -> None:
    picture = np.zeros((9, 12), bool)
    picture[2:6, 3:11] = True
    assert contour(picture)[0].tolist() == [[3, 2], [11, 2], [11, 6], [3, 6]]
    alone = np.zeros((9, 12), bool)
    alone[8, 11] = True
    assert contour(alone)[0].tolist() == [[11, 8], [12, 8], [12, 9], [11, 9]]


def test_a_slope_takes_fewer_points_than_it_has_steps() -> None:
    points, _ = contour(disc(100))
    assert 20 < len(points) < 200


def test_the_outline_lies_on_the_image_that_the_axes_are_told_for(tmp_path: Path) -> None:
    mask = np.zeros((4, 20, 20), np.uint8)
    mask[1, 4:14, 4:14], mask[2, 8:10, 2:18] = 1, 1
    paths = phantoms.write(Phantom(slices=4, size=(20, 20)).datasets(), tmp_path)
    axis = Measurement(Code("103339001", "SCT", "Long Axis"), 16.0, Code("mm", "UCUM", "millimeter"), frame=2)
    source = read_source(paths, frames_of(paths), volumetric=True)
    measured = findings_on(paths, mask, (replace(RIGHT_LUNG, measurements=(axis, axis)),))

    assert [one.frame for one in outlines(measured, mask, source)] == [2]
    content = content_of(Run(measured, mask, paths))
    assert [one.frame for one in content.key_frames] == [2]
    assert [one.said for one in sentences.lines(content)] == [
        f"long axis 16 mm, long axis 16 mm on {content.names(2)}"
    ]  # fmt: skip
    assert [one.frame for one in outlines(findings_on(paths, mask), mask, source)] == [1]


def test_an_outline_without_end_keeps_to_the_number_of_points_that_an_attribute_holds() -> None:
    comb = np.zeros((200, 400), bool)
    comb[::2] = True
    comb[:, 0] = True
    comb[::2, 1::2] = np.arange(200) % 3 > 0
    comb = comb | np.roll(comb, 1, axis=1)
    ragged = np.random.default_rng(1).random((260, 260)) > 0.3
    for picture in (comb, ragged):
        assert 4 <= len(contour(picture)[0]) <= MOST_POINTS


def test_an_outline_of_any_points_is_thinned_without_moving() -> None:
    angles = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    circle = 100 + 80 * np.column_stack((np.cos(angles), np.sin(angles)))
    kept = thinned(circle)
    assert len(kept) < 200
    assert np.abs(np.hypot(*(kept - 100).T) - 80).max() < 1e-9
    middles = (kept + np.roll(kept, -1, axis=0)) / 2
    assert np.abs(np.hypot(*(middles - 100).T) - 80).max() < 0.5


def regions_of(phantom: Phantom, mask: NDArray[np.uint8], folder: Path) -> tuple[Findings, tuple[Region, ...]]:
    paths = phantoms.write(phantom.datasets(), folder)
    findings = findings_on(paths, mask)
    return findings, outlines(findings, mask, read_source(paths, findings.frames, volumetric=True))


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE])
def test_a_segment_is_outlined_on_the_slice_where_it_is_largest(orientation: tuple[float, ...], tmp_path: Path) -> None:
    phantom, mask = Phantom(slices=5, size=(24, 20), orientation=orientation), boxes(5, 24, 20)
    mask[3, 1, 1:6] = 1  # a part of its own: most voxels lie on this slice, but it is not the largest part
    findings, (right, left) = regions_of(phantom, mask, tmp_path)
    assert [(one.frame, one.label, one.shape) for one in (right, left)] == [
        (3, "Right lung", Shape.CONTOUR),
        (1, "Left lung", Shape.CONTOUR),
    ]
    assert (right.finding, right.site, right.laterality, right.colour) == (
        LUNG, LUNG, RIGHT_LUNG.laterality, RIGHT_LUNG.colour,
    )  # fmt: skip
    assert right.points == ((1, 3), (6, 3), (6, 12), (1, 12))
    np.testing.assert_array_equal(filled(np.array(left.points), (24, 20)), mask[1] == 2)
    (area,) = left.measurements
    assert (area.name.value, area.unit.value) == ("42798000", "mm2")
    assert area.value == pytest.approx((mask[1] == 2).sum() * 9.0)
    assert all(one.frame < len(findings.frames) for one in (right, left))


def test_a_finding_that_is_no_part_of_the_body_has_no_site(tmp_path: Path) -> None:
    mask = boxes(3, 16, 16)
    paths = phantoms.write(Phantom(slices=3, size=(16, 16)).datasets(), tmp_path)
    abnormal = replace(RIGHT_LUNG, category=Code("49755003", "SCT", "Morphologically Abnormal Structure"))
    findings = findings_on(paths, mask, segments=(abnormal, LEFT_LUNG))
    found = outlines(findings, mask, read_source(paths, findings.frames, volumetric=True))
    assert [one.site for one in found] == [None, LUNG]


def test_a_segment_without_a_voxel_and_findings_without_a_mask_have_no_outline(tmp_path: Path) -> None:
    phantom, mask = Phantom(slices=3, size=(16, 16)), boxes(3, 16, 16)
    mask[mask == 1] = 0
    findings, found = regions_of(phantom, mask, tmp_path)
    assert [one.label for one in found] == [LEFT_LUNG.label]
    source = read_source(sorted(tmp_path.iterdir()), findings.frames, volumetric=True)
    assert outlines(findings, np.zeros_like(mask), source) == outlines(findings, None, source) == ()


@given(arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))).filter(np.any))
def test_quick_outlines_lie_within_half_a_pixel_of_the_edges_one_for_each_part(picture: Picture) -> None:
    found = contours(picture, 100)
    _, count = ndimage.label(picture)
    # A part within a hole of another is one more: each has an outline of its own.
    assert len(found) == count
    for points in found:
        assert farthest(points, picture) < 0.51
        assert (points >= 0).all()
        assert (points <= (picture.shape[1], picture.shape[0])).all()


def test_every_segment_is_outlined_on_every_slice_of_a_run_around_its_largest(tmp_path: Path) -> None:
    mask = boxes(60, 32, 32)
    mask[:, :4, :4] = mask[:, 20:22, 2:4] = 1
    findings = findings_on(phantoms.write(Phantom(slices=60, size=(32, 32)).datasets(), tmp_path), mask)
    found = runs(findings, mask)
    assert list(found) == list(range(32))  # each has 31, and they begin on neighbouring slices
    for frame, regions in found.items():
        named = [one.label for one in regions if one.label]
        assert named == [one.label for one in findings.segments if (mask[frame] == one.number).any()]
        assert len(regions) > len(named)


def test_each_part_that_a_model_points_at_is_outlined_on_a_run_of_slices_of_its_own(tmp_path: Path) -> None:
    mask = np.zeros((200, 16, 16), np.uint8)
    mask[10:15, 2:5, 2:5] = mask[150:190, 8:14, 8:14] = mask[170, 7:14, 7:14] = 1
    findings = findings_on([], segments=(RIGHT_LUNG,))
    pointed = tuple(
        Region(f"Candidate {k}", RIGHT_LUNG.type, frame, Shape.BOX, ((2, 2), (5, 5)))
        for k, frame in ((1, 170), (2, 12))
    )
    alone = set(runs(findings, mask))
    both = set(runs(replace(findings, regions=pointed), mask))
    assert not alone & set(range(10, 15))
    assert both >= set(range(10, 15)) | set(range(160, 180))


def test_many_segments_have_shorter_runs_and_a_segment_without_a_voxel_none(tmp_path: Path) -> None:
    mask = np.zeros((90, 64, 8), np.uint8)
    for number in range(1, 61):
        mask[number : number + 20, number, 1:4] = number
    segments = tuple(replace(RIGHT_LUNG, number=number) for number in range(1, 62))
    findings = replace(findings_on([], segments=segments))
    found = runs(findings, mask)
    assert len(found) == 60
    assert {one.label for regions in found.values() for one in regions} == {"Right lung"}
    assert runs(findings, np.zeros_like(mask)) == {} == runs(findings, None)
