"""The small inputs that nodes in the field met, read by the worker and given to the writer: each by its right value."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.intake.frames import spacing
from dicom_node.intake.header import read_header
from domain.errors import UnusableInput
from domain.profiles import ResultKind
from domain.routing import Conditions, SeriesFacts, unmet
from inference_worker.volume import Volume, build
from sr_writer.results import ResultObject, write
from sr_writer.source import read_source
from tests.support.cases import data_set, make_case
from tests.support.findings import MOMENT, boxes, findings_on
from tests.support.judges import dciodvfy, pydicom_reads
from tests.support.result_files import usual

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
# Every case has the same body in it.
AIR, BONE = -1024, 485
SOUND = ["02", "03", "11/a-slice-thickness", "19/a-explicit", "19/b-implicit", "22", "25", "27", "29"]
STRANGE = {"20/a-image-without-place": "image 999 was left aside", "20/b-structure-set": "RT Structure Set Storage"}
LEFT_OUT = {
    "02": ["Specific Character Set of the source is none that is known, and was left out"],
    "19/a-explicit": ["De-identification Method Code Sequence of the source has a value representation that it cannot"],
    "19/b-implicit": ["De-identification Method Code Sequence of the source has an item without what it needs"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Path]]:
    """The files of a case, made once."""
    root = tmp_path_factory.mktemp("cases")

    @cache
    def made(number: str) -> Path:
        return make_case(number, root / number)

    return lambda name: sorted((made(name[:2]) / name[3:]).glob("*.dcm"))


def results_of(volume: Volume, paths: list[Path]) -> tuple[ResultObject, ...]:
    """A segmentation and a report on the slices that the volume was made of."""
    uids = {frame.sop_instance_uid for frame in volume.frames}
    used = [path for path in paths if any(one.encode() in path.read_bytes()[:2000] for one in uids)]
    mask = boxes(len(used), *volume.voxels.shape[1:])
    return write(findings_on(used, mask), mask, used, (), MOMENT, tuple(map(usual, (ResultKind.SEG, ResultKind.SR))))


@pytest.mark.parametrize("name", [*SOUND, *STRANGE])
def test_the_series_is_read(name: str, files: Callable[[str], list[Path]]) -> None:
    volume = build(files(name))
    assert volume.voxels.shape == (56, 128, 128)
    assert (volume.voxels.min(), volume.voxels.max()) == (AIR, BONE)
    assert np.linalg.norm(volume.affine[:3, :3], axis=0) == pytest.approx((5, 3, 3))
    assert [STRANGE[name] in one for one in volume.remarks] == [True] * (name in STRANGE)


def test_no_result_has_what_is_wrong_in_its_source(files: Callable[[str], list[Path]], tmp_path: Path) -> None:
    # The others are judged as they come home (test_field_cases.py).
    paths = files("19/b-implicit")
    for one in results_of(build(paths), paths):
        path = tmp_path / f"{one.kind}.dcm"
        path.write_bytes(one.part10)
        assert (dciodvfy(path), pydicom_reads(path)) == ([], [])


@pytest.mark.parametrize("name", [*SOUND])
def test_what_was_left_out_is_said_and_slices_are_five_millimetres_thick(
    name: str, files: Callable[[str], list[Path]]
) -> None:
    source = read_source(files(name), findings_on(files(name)).frames, volumetric=True)
    assert source.volume is not None
    assert (source.volume.slice_thickness, source.volume.slice_spacing) == pytest.approx((5, 5))
    wanted = LEFT_OUT.get(name, [])
    assert len(source.remarks) == len(wanted)
    assert all(said.startswith(one) for said, one in zip(source.remarks, wanted, strict=True))


def test_a_decimal_comma_that_decides_is_refused_with_attribute_value_and_image(
    files: Callable[[str], list[Path]],
) -> None:
    with pytest.raises(UnusableInput) as refusal:
        build(files("11/b-pixel-spacing"))
    assert str(refusal.value) == r"Pixel Spacing of image 1 is not 2 numbers: 3,0\3,0"


def test_five_millimetres_are_no_more_than_five_millimetres(files: Callable[[str], list[Path]]) -> None:
    headers = [read_header(data_set(path), ExplicitVRLittleEndian) for path in files("29")]
    gap = spacing([one.position or () for one in headers], headers[0].orientation or ())
    facts = SeriesFacts("1", "CT", frozenset(), frozenset(), "", "", frozenset(), len(headers), gap)
    assert unmet(Conditions(min_spacing_mm=5.0, max_spacing_mm=5.0), facts) == ()
