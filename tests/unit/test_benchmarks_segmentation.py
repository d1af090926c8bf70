"""What the segmentation benchmark has written, and what it makes of the seconds; how long it takes is no test."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from benchmarks.segmentation import cases, command, sides
from benchmarks.segmentation.sides import FORMS, SIDES, WHOLE, Measured, takes
from tests.support.counterparts import missing


@pytest.fixture
def case(tmp_path: Path) -> cases.Case:
    return cases.small(tmp_path / "case")


def test_the_volume_is_the_same_for_every_side(case: cases.Case) -> None:
    image = SimpleITK.ReadImage(str(case.folder / "mask.nrrd"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), case.mask)
    first, last = case.headers()[0], case.headers()[-1]
    assert image.GetOrigin() == pytest.approx(first.ImagePositionPatient)
    end = image.TransformIndexToPhysicalPoint((0, 0, len(case.mask) - 1))
    assert end == pytest.approx(last.ImagePositionPatient)
    assert [one.number for one in case.segments] == [1, 2]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("side", [*SIDES, WHOLE])
def test_every_side_writes_as_many_frames_in_the_form_that_is_asked_for(
    side: str, name: str, case: cases.Case, tmp_path: Path
) -> None:
    form = FORMS[name]
    if side == "dcmqi" and not sides.program_of_dcmqi():
        missing("dcmqi's itkimage2segimage", "run uv sync")
    if side == WHOLE:
        assert WHOLE not in SIDES
    elif not takes(side, form):
        assert side != "node"
        return
    out = tmp_path / "out.dcm"
    measured = sides.measure(side, form, case.folder, out)
    seg = pydicom.dcmread(out)
    assert (seg.SOPClassUID, seg.file_meta.TransferSyntaxUID) == form.context
    occupied = [np.unique(one[one > 0]).size for one in case.mask]
    assert seg.NumberOfFrames == (sum(occupied) if name.startswith("binary") else np.count_nonzero(occupied))
    assert measured.size == out.stat().st_size
    assert measured.seconds > 0 and measured.processor >= 0 and measured.resident > 1_000_000


def test_the_table_gives_medians_and_ratios_to_the_node() -> None:
    record = {
        ("node", "binary"): [Measured(0.1, 0.1, 1000, 2_000_000), Measured(0.3, 0.1, 1000, 3_000_000)],
        ("highdicom", "binary"): [Measured(3.0, 1.5, 1024, 9_000_000)],
        ("node", "label map"): [Measured(0.05, 0.04, 12_345_678, 0)],
    }
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in command.rows(record).splitlines()[2:]]
    assert cells == [
        ["binary", "node", "0.200 s", "0.100 s", "1,000", "3 MB"],
        ["binary", "highdicom", "3.000 s (15.0x)", "1.500 s (15.0x)", "1,024", "9 MB"],
        ["label map", "node", "0.050 s", "0.040 s", "12,345,678", "0 MB"],
    ]
