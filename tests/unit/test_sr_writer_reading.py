"""Results read back say what was found, where, and that nobody has verified it; the picture shows the right side."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from domain.errors import UnusableInput
from inference_worker.phantom import ChestPhantom
from inference_worker.volume import build
from sr_writer import reading
from sr_writer.pages.preview import picture
from sr_writer.reading import SeenSegment, read_segmentation, report_text
from sr_writer.results import write
from tests.support import phantoms
from tests.support.findings import LEFT_LUNG, MOMENT, RIGHT_LUNG, boxes, findings_on
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom

SEGMENTS = (SeenSegment(1, "Right lung", (230, 120, 60)), SeenSegment(2, "Left lung", (60, 120, 230)))


def written(folder: Path, orientation: tuple[float, ...] = AXIAL) -> tuple[dict[str, bytes], list[Path]]:
    """Results by kind on a small series, its files in a mixed order."""
    phantom = Phantom(slices=6, size=(20, 18), orientation=orientation)
    paths = phantoms.write(phantom.datasets(), folder)
    mask = boxes(6, 20, 18)
    objects = write(findings_on(paths, mask), mask, paths, (), MOMENT)
    return {one.kind: one.part10 for one in objects}, paths[::-1]


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_a_segmentation_read_back_lies_on_the_voxels_of_its_source(
    orientation: tuple[float, ...], tmp_path: Path
) -> None:
    results, paths = written(tmp_path, orientation)
    seen, volume = read_segmentation(results["SEG"]), build(paths)
    labels, mask = seen.labels(volume.affine, volume.voxels.shape), boxes(6, 20, 18)
    assert np.array_equal(labels, mask) or np.array_equal(labels[::-1], mask)
    assert seen.sources == {frame.sop_instance_uid for frame in volume.frames}


def test_segments_keep_their_names_and_colours(tmp_path: Path) -> None:
    results, _ = written(tmp_path)
    seen = read_segmentation(results["SEG"])
    assert [one.label for one in seen.segments] == [RIGHT_LUNG.label, LEFT_LUNG.label]
    for one, segment in zip(seen.segments, (RIGHT_LUNG, LEFT_LUNG), strict=True):
        assert np.abs(np.subtract(one.colour, segment.colour)).max() <= 2
    assert seen.warning == "AI generated, not verified; demonstration model, not for clinical use"


def test_a_segmentation_of_another_series_is_refused(tmp_path: Path) -> None:
    results, _ = written(tmp_path / "one")
    other = build(phantoms.write(Phantom(slices=6, size=(20, 18), centre=(9, 0, 0)).datasets(), tmp_path / "two"))
    with pytest.raises(UnusableInput, match="does not lie on the grid"):
        read_segmentation(results["SEG"]).labels(other.affine, other.voxels.shape)


def test_a_report_reads_as_a_report_without_codes_uids_or_the_patient(tmp_path: Path) -> None:
    results, _ = written(tmp_path)
    said = report_text(results["SR"])
    for line in (
        "COMPLETE, PRELIMINARY, UNVERIFIED",
        "    ct_lung: Right lung",
        "        Laterality: Right",
        "      volume: 2530 ml",
        "      mean density: -812 HU",
        "    Comment: AI generated, not verified; demonstration model, not for clinical use.",
    ):
        assert line in said.splitlines()
    for absent in ("Phantom", "PHANTOM-1", "19700101", "1.2.840", "2.25."):
        assert absent not in said


@pytest.mark.parametrize("part", ["_line", "_segment"])
def test_a_defect_of_ours_is_not_called_unreadable(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise ValueError("a defect")

    results, _ = written(tmp_path)
    monkeypatch.setattr(reading, part, defect)
    with pytest.raises(ValueError, match="a defect"):
        read_segmentation(results["SEG"])
        report_text(results["SR"])


@pytest.mark.parametrize(
    ("kind", "keyword"),
    [
        ("SEG", "SegmentSequence"),
        ("SEG", "PerFrameFunctionalGroupsSequence"),
        ("SEG", "ReferencedSeriesSequence"),
        ("SEG", "PixelData"),
        ("SEG", "Rows"),
        ("SR", "ContentSequence"),
    ],
)
def test_a_result_that_lacks_what_makes_it_one_is_refused(kind: str, keyword: str, tmp_path: Path) -> None:
    results, _ = written(tmp_path)
    dataset = dcmread(BytesIO(results[kind]))
    del dataset[keyword]
    lacking = BytesIO()
    dataset.save_as(lacking)
    with pytest.raises(UnusableInput):
        {"SEG": read_segmentation, "SR": report_text}[kind](lacking.getvalue())


@pytest.mark.parametrize("damaged", [b"", b"not DICOM at all" * 20])
def test_what_is_no_result_is_refused(damaged: bytes) -> None:
    with pytest.raises(UnusableInput):
        read_segmentation(damaged)
    with pytest.raises(UnusableInput):
        report_text(damaged)


def colours(png: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"), np.int16)


def lines(coloured: NDArray[np.bool_]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last column and row of the long lines of an outline: not of a letter beside it."""
    along = [np.flatnonzero(sums > sums.max() / 2) for sums in (coloured.sum(axis=0), coloured.sum(axis=1))]
    return tuple((int(one[0]), int(one[-1])) for one in along)  # type: ignore[return-value]


def test_the_picture_shows_the_patients_right_on_the_left_and_one_scale_for_all_axes() -> None:
    # A cube of 100 mm on a grid of 5 x 2 x 1 mm: its right half is segment 1.
    labels = np.zeros((40, 100, 200), np.uint8)
    labels[10:30, 25:75, 50:100], labels[10:30, 25:75, 100:150] = 1, 2
    png = picture(np.full(labels.shape, -600, np.int16), labels, (5, 2, 1), SEGMENTS, "t", "s", ["a", "b"])
    pixels = colours(png)
    red, blue = pixels[..., 0] - pixels[..., 2] > 30, pixels[..., 2] - pixels[..., 0] > 30
    panels = slice(62, -80)
    axial = slice(0, pixels.shape[1] // 3)
    (left, right), (top, bottom) = lines(red[panels, axial])
    (border, far), _ = lines(blue[panels, axial])
    assert left + 20 < border < far - 20
    assert right == pytest.approx(border, abs=6)  # each outline runs around its segment, and so along the other
    assert 2 * (right - left) == pytest.approx(bottom - top, abs=8)


def test_the_phantom_is_a_sound_series_of_a_chest_and_the_same_every_time(tmp_path: Path) -> None:
    small = ChestPhantom(slices=24, size=64, spacing=12.0, pixel=6.0)
    first = build(small.write(tmp_path / "one"))
    assert first.voxels.shape == (24, 64, 64)
    assert first.digest == build(small.write(tmp_path / "two")).digest
    middle = first.voxels[12]
    assert np.mean((middle > -950) & (middle < -700)) > 0.1
