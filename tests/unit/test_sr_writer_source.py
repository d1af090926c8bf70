"""What a source of any writer gives its results: no value that a validator would reject, and its geometry."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from dicom_node.attributes.values import fault
from domain.profiles import EXPLICIT, ResultKind
from sr_writer import source as reading
from sr_writer.results import ResultObject, write
from sr_writer.source import Source, read_source
from tests.support.findings import MOMENT, boxes, findings_on
from tests.support.judges import dciodvfy, pydicom_reads
from tests.support.phantoms import Phantom
from tests.support.phantoms import write as saved
from tests.support.result_files import usual

SMALL = Phantom(slices=4, size=(16, 16))
FORMS = tuple(map(usual, (ResultKind.SEG, ResultKind.SR, ResultKind.SC, ResultKind.PDF)))
assert {form.transfer_syntax for form in FORMS} == {EXPLICIT}


def source_of(paths: list[Path]) -> Source:
    return read_source(paths, findings_on(paths).frames, volumetric=True)


def results_of(paths: list[Path]) -> tuple[ResultObject, ...]:
    mask = boxes(len(paths), 16, 16)
    return write(findings_on(paths, mask), mask, paths, (), MOMENT, FORMS)


def broken(edit: Callable[[Dataset], object], old: bytes, new: bytes, folder: Path) -> list[Path]:
    """A series whose writer put `new` where `old` belongs."""
    datasets = SMALL.datasets()
    for dataset in datasets:
        edit(dataset)
    paths = saved(datasets, folder)
    for path in paths:
        content = path.read_bytes()
        assert content.count(old) == 1, old
        path.write_bytes(content.replace(old, new))
    return paths


def setting(**elements: object) -> Callable[[Dataset], None]:
    def edit(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return edit


def text_in_a_sequence(dataset: Dataset) -> None:
    dataset.add_new("DeidentificationMethodCodeSequence", "LO", "Invented anonymiser")


LOSSY = setting(
    LossyImageCompression="01", LossyImageCompressionRatio="10.5", LossyImageCompressionMethod="ISO_10918_1"
)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("edit", "old", "new", "remark"),
    [
        (setting(SliceThickness="5.0"), b"DS\x04\x005.0 ", b"DS\x04\x005,0 ", ""),
        (LOSSY, b"DS\x04\x0010.5", b"DS\x04\x0010:1", "Lossy Image Compression Ratio of image 1 is not a number"),
        (LOSSY, b"DS\x04\x0010.5", b"DS\x04\x00high", "Lossy Image Compression Ratio of image 1 is not a number"),
        (setting(LossyImageCompression="00"), b"CS\x02\x0000", b"CS\x02\x00NO", "Lossy Image Compression of image 1"),
        (text_in_a_sequence, b"Invented", b"invented", "De-identification Method Code Sequence of the source has"),
        (
            setting(),
            b"CS\x0a\x00ISO_IR 192",
            b"CS\x0a\x00ISO_IR\x00192",
            "Specific Character Set of the source is none",
        ),
        (setting(), b"CS\x0a\x00ISO_IR 192", b"CS\x0a\x00ISO_IR 999", "Specific Character Set of the source is none"),
        (setting(PatientAge="045Y"), b"AS\x04\x00045Y", b"AS\x04\x0045 Y", "Patient's Age of the source is no value"),
        (setting(PatientWeight="70.5"), b"DS\x04\x0070.5", b"DS\x04\x0070,5", "Patient's Weight of the source is no"),
        (setting(StudyID="1234"), b"SH\x04\x001234", b"SH\x04\x00\x011\x022", "Study ID of the source has characters"),
        (setting(BodyPartExamined="CHEST"), b"CS\x06\x00CHEST ", b"CS\x06\x00Chest ", "Body Part Examined of the"),
    ],
)
def test_a_broken_value_that_is_only_copied_stops_no_result_and_is_in_none(
    edit: Callable[[Dataset], None], old: bytes, new: bytes, remark: str, tmp_path: Path
) -> None:
    paths = broken(edit, old, new, tmp_path / "source")
    remarks = source_of(paths).remarks
    assert [one.startswith(remark) for one in remarks] == ([True] if remark else [])
    results = results_of(paths)
    assert {one.kind for one in results} == {form.kind for form in FORMS}
    for one in results:
        path = tmp_path / f"{one.kind}.dcm"
        path.write_bytes(one.part10)
        assert (dciodvfy(path), pydicom_reads(path)) == ([], []), one.kind
    (report,) = (one for one in results if one.kind is ResultKind.SR)
    assert not remark or remark.split(" of ", maxsplit=1)[0].encode() in report.part10


def test_a_position_of_twenty_characters_is_written_with_as_many_as_fit(tmp_path: Path) -> None:
    long = b"-22.5000000000000001"
    x = SMALL.position(0)[0]
    paths = saved(SMALL.datasets(), tmp_path / "source")
    for path in paths:
        content = path.read_bytes()
        at = content.index(b"\x20\x00\x32\x00DS")
        length = int.from_bytes(content[at + 6 : at + 8], "little")
        value = content[at + 8 : at + 8 + length]
        made = value.strip().replace(f"{x:g}".encode(), long, 1)
        made += b" " * (len(made) % 2)
        head = content[at : at + 6] + len(made).to_bytes(2, "little")
        path.write_bytes(content[:at] + head + made + content[at + 8 + length :])
    for one in results_of(paths):
        path = tmp_path / f"{one.kind}.dcm"
        path.write_bytes(one.part10)
        assert dciodvfy(path) == []


def test_the_distance_of_slices_is_that_of_neighbours_where_one_is_missing(tmp_path: Path) -> None:
    datasets = Phantom(slices=11, size=(16, 16)).datasets()
    del datasets[4]
    volume = source_of(saved(datasets, tmp_path)).volume
    assert volume is not None
    assert volume.slice_spacing == pytest.approx(5.0)


@pytest.mark.parametrize("macro", ["PixelMeasuresSequence", "PlaneOrientationSequence"])
def test_geometry_of_an_enhanced_source_falls_back_to_its_top_level(macro: str, tmp_path: Path) -> None:
    image = SMALL.enhanced()
    usual_volume = source_of(saved([image], tmp_path / "a")).volume
    (item,) = image.SharedFunctionalGroupsSequence[0].pop(macro).value
    for element in item:
        image[element.tag] = element
    assert source_of(saved([image], tmp_path / "b")).volume == usual_volume


def test_a_defect_of_ours_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(reading, "_slice_spacing", defect)
    with pytest.raises(ValueError, match="a defect"):
        source_of(saved(SMALL.datasets(), tmp_path))


def element(keyword: str, vr: str, value: bytes) -> Dataset:
    dataset, tag = Dataset(), Tag(keyword)
    dataset[tag] = RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
    return dataset


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "terms", "sound"),
    [
        ("PatientName", "PN", "Müller^Zoë".encode(), ("ISO_IR 192",), True),
        ("PatientName", "PN", "Müller^Zoë".encode("latin-1"), ("ISO_IR 192",), False),
        ("PatientName", "PN", "Müller^Zoë".encode("latin-1"), (), False),
        ("PatientName", "PN", "Wang^XiaoDong=王^小东".encode("gb18030"), ("GB18030",), True),
        ("PatientName", "PN", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", ("", "ISO 2022 IR 87"), True),
        ("PatientName", "PN", b"A=B=C=D", (), False),
        ("PatientName", "PN", b"x" * 65, (), False),
        ("PatientID", "LO", b"12345\0\0\0", (), True),
        ("PatientID", "LO", b"123\x0045", (), False),
        ("PatientID", "LO", b"x" * 65, (), False),
        ("StudyDate", "DA", b"20260230", (), False),
        ("StudyDate", "DA", b"20260228", (), True),
        ("StudyTime", "TM", b"2560", (), False),
        ("StudyTime", "TM", b"235960.123", (), True),
        ("PatientAge", "AS", b"45", (), False),
        ("PatientWeight", "DS", b"70.00000000000000001", (), False),
        ("PatientWeight", "DS", b"70\\71", (), False),
        ("PatientComments", "LT", b"a\\b\r\nc", (), True),
        ("PatientSex", "CS", b"", (), True),
        ("PregnancyStatus", "US", b"\x02\0", (), True),
        ("PregnancyStatus", "US", b"\x09\0", (), False),
        ("PregnancyStatus", "US", b"\x02\0\0", (), False),
        ("PregnancyStatus", "IS", b"2 ", (), False),
        ("AccessionNumber", "LO", b"A-1 ", (), True),  # another VR of text
        ("DeidentificationMethodCodeSequence", "LO", b"text", (), False),
    ],
)
def test_a_value_is_valid_by_itself_or_it_is_said_why_not(
    keyword: str, vr: str, value: bytes, terms: tuple[str, ...], sound: bool
) -> None:
    assert (fault(element(keyword, vr, value), keyword, terms) == "") is sound


@settings(deadline=None)
@given(
    st.binary(max_size=80), st.sampled_from(["PatientName", "StudyDate", "PatientSize", "PregnancyStatus", "Allergies"])
)
def test_no_bytes_raise_anything(value: bytes, keyword: str) -> None:
    for vr in ("LO", "SQ", "US", "UN", "ZZ", None):
        said = fault(element(keyword, vr, value), keyword, ("ISO_IR 192",))  # type: ignore[arg-type]
        assert isinstance(said, str)
