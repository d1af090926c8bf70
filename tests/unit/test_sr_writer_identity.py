"""Whose study it is stays as it came, byte for byte, in whatever character set and however odd."""

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sr_writer.pages.patient import head
from sr_writer.results import ResultObject, write
from sr_writer.source import read_source
from tests.support import phantoms
from tests.support.counterparts import data
from tests.support.findings import MOMENT, boxes, findings_on
from tests.support.judges import dciodvfy
from tests.support.phantoms import Phantom

COPIED = [
    "SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientComments", "OtherPatientNames", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "NameOfPhysiciansReadingStudy",
    "AdditionalPatientHistory", "PatientIdentityRemoved",
]  # fmt: skip
CHARSETS = [
    "Arab", "Fren", "FrenMulti", "Germ", "Greek", "H31", "H32", "Hbrw", "I2", "JapMulti", "JapMultiExplicitIR6",
    "KoreanMulti", "Russ", "X1", "X2",
]  # fmt: skip
GEOMETRY = ["Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"]
SMALL = Phantom(slices=3, size=(16, 16))


def results_of(paths: list[Path], folder: Path) -> list[Path]:
    """The results on a small box, as files."""
    mask = boxes(len(paths), 16, 16)
    return [saved(one, folder) for one in write(findings_on(paths, mask), mask, paths, (), MOMENT)]


def saved(result: ResultObject, folder: Path) -> Path:
    path = folder / f"{result.kind}.dcm"
    path.write_bytes(result.part10)
    return path


def raw(path: Path, keyword: str) -> bytes | None:
    """The value's bytes as they lie in the file; None where there is no such element."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    return (dataset.get_item(keyword).value or b"") if keyword in dataset else None


def assert_same_identity(result: Path, source: Path) -> None:
    differing = [keyword for keyword in COPIED if raw(source, keyword) and raw(result, keyword) != raw(source, keyword)]
    assert differing == []


def changed(paths: list[Path], old: bytes, new: bytes) -> None:
    """Replace bytes in the files as a wrong writer would have written them."""
    assert len(old) == len(new)
    for path in paths:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("name", CHARSETS)
def test_names_of_every_character_set_stay_as_they_came(name: str, tmp_path: Path) -> None:
    original = data("charset", f"chr{name}.dcm")
    source = tmp_path / "source.dcm"
    dataset = pydicom.dcmread(original)
    geometry = next(iter(SMALL.datasets()))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    for keyword in [
        "Rows",
        "Columns",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
    ]:
        dataset[keyword] = geometry[keyword]
    dataset.FrameOfReferenceUID = geometry.FrameOfReferenceUID
    dataset.save_as(source)
    for result in results_of([source], tmp_path):
        assert_same_identity(result, original)
        assert pydicom.dcmread(result).PatientName == pydicom.dcmread(original).PatientName


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (phantoms.JAPANESE, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (("", "ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞=홍^길동"),
        (("GB18030",), "Wang^XiaoDong=王^小东"),
        (("ISO_IR 192",), "Müller^Zoë"),
        (("ISO_IR 100",), "Müller^Zoë"),
    ],
)
def test_names_stay_as_they_came_from_every_transfer_syntax(
    charset: tuple[str, ...], name: str, syntax: str, tmp_path: Path
) -> None:
    phantom = Phantom(slices=3, size=(16, 16), charset=charset, patient_name=name, transfer_syntax=syntax)
    paths = phantoms.write(phantom.datasets(), tmp_path / "source")
    for result in results_of(paths, tmp_path):
        assert_same_identity(result, paths[0])
        assert str(pydicom.dcmread(result).PatientName).rstrip() == name


def test_a_name_that_no_stated_character_set_explains_stays_and_is_called_latin_1(tmp_path: Path) -> None:
    phantom = Phantom(slices=3, size=(16, 16), charset=(), patient_name="Mueller^Max")
    paths = phantoms.write(phantom.datasets(), tmp_path / "source")
    changed(paths, b"Mueller^Max", b"M\xfcller^M\xe4xx")
    for result in results_of(paths, tmp_path):
        assert raw(result, "PatientName") == b"M\xfcller^M\xe4xx "
        assert pydicom.dcmread(result).SpecificCharacterSet == "ISO_IR 100"


@pytest.mark.parametrize(
    ("old", "new", "keyword"),
    [
        (b"DA\x08\x0020260101", b"DA\x08\x0001.01.26", "StudyDate"),  # not a date
        (b"TM\x06\x00080000", b"TM\x06\x008 a.m.", "StudyTime"),  # not a time
        (b"CS\x02\x00O ", b"CS\x02\x00D ", "PatientSex"),  # diverse
    ],
)
def test_what_archives_match_by_stays_as_it_came_wherever_it_can_be_read(
    old: bytes, new: bytes, keyword: str, tmp_path: Path
) -> None:
    paths = phantoms.write(SMALL.datasets(), tmp_path / "source")
    changed(paths, old, new)
    results = results_of(paths, tmp_path)
    assert results
    assert {raw(one, keyword) for one in results} == {raw(paths[0], keyword)}


@pytest.mark.filterwarnings("ignore:The PN component length")
@pytest.mark.parametrize("name", ["Longname" * 11 + "^Zoë", "Wolfeschlegelsteinhausen-" * 4 + "^Hubert=山田^太郎"])
def test_a_name_that_is_too_long_for_its_kind_is_in_every_result_and_on_its_page(name: str, tmp_path: Path) -> None:
    paths = phantoms.write(SMALL.datasets(), tmp_path / "source")
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset[0x00100010] = RawDataElement(BaseTag(0x00100010), "PN", 0, _even(name.encode()), 0, False, True)
        dataset.save_as(path)
    for result in results_of(paths, tmp_path):
        assert raw(result, "PatientName") == raw(paths[0], "PatientName") == _even(name.encode())
    source = read_source(paths, findings_on(paths).frames, volumetric=True)
    assert not any("Name" in remark for remark in source.remarks)
    assert head(source, lambda _: True).name.startswith(name[:64])


def test_a_page_says_of_whom_it_is_what_its_header_says(tmp_path: Path) -> None:
    paths = phantoms.write(SMALL.datasets(), tmp_path / "source")
    changed(paths, b"SH\x06\x00ACC-1 ", b"SH\x06\x00AC\x01\x02-1")
    source = read_source(paths, findings_on(paths).frames, volumetric=True)
    assert {raw(one, "AccessionNumber") for one in results_of(paths, tmp_path)} == {b""}
    assert head(source, lambda _: True).accession == "cannot be read"


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"SH\x06\x00ACC-1 ", b"SH\x06\x00\x00\x01\x02\x03\x04\x05"),  # not even text
        (b"LO\x06\x00Thorax", b"LO\x06\x00Th\x01\x02ax"),
    ],
)
def test_what_is_copied_is_left_out_where_it_is_not_valid_by_itself(old: bytes, new: bytes, tmp_path: Path) -> None:
    paths = phantoms.write([_described(one) for one in SMALL.datasets()], tmp_path / "source")
    changed(paths, old, new)
    results = results_of(paths, tmp_path)
    assert results
    for result in results:
        assert new[4:] not in result.read_bytes()
        assert dciodvfy(result) == []


def _described(dataset: Dataset) -> Dataset:
    dataset.StudyDescription = "Thorax"
    return dataset


def test_a_source_without_any_optional_attribute_gives_results_with_empty_ones(tmp_path: Path) -> None:
    bare = [
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "Manufacturer", "SeriesNumber",
        "SpecificCharacterSet", "SliceThickness", "BodyPartExamined", "PositionReferenceIndicator",
    ]  # fmt: skip
    paths = phantoms.write(without(SMALL.datasets(), bare), tmp_path / "source")
    for result in results_of(paths, tmp_path):
        dataset = pydicom.dcmread(result)
        assert [keyword for keyword in bare[:9] if keyword not in dataset or dataset.get_item(keyword).value] == []
        assert "SpecificCharacterSet" not in dataset
        assert "StudyDescription" not in dataset


def without(datasets: list[Dataset], keywords: list[str]) -> list[Dataset]:
    for dataset in datasets:
        for keyword in keywords:
            if keyword in dataset:
                delattr(dataset, keyword)
    return datasets


def nested(dataset: Dataset) -> None:
    other = Dataset()
    other.SpecificCharacterSet = "ISO_IR 192"
    other.PatientID, other.TypeOfPatientID, other.PatientName = "Ä-2", "TEXT", "Müller^Zoë"
    another = Dataset()
    another.PatientID, another.TypeOfPatientID = "3", "TEXT"
    dataset.OtherPatientIDsSequence = [other, another]


def undefined_length(dataset: Dataset) -> None:
    nested(dataset)
    dataset["OtherPatientIDsSequence"].is_undefined_length = True


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("add", [nested, undefined_length])
def test_items_of_nested_sequences_keep_their_own_character_set(
    add: Callable[[Dataset], None], syntax: str, tmp_path: Path
) -> None:
    datasets = Phantom(slices=3, size=(16, 16), charset=("ISO_IR 100",), transfer_syntax=syntax).datasets()
    for dataset in datasets:
        add(dataset)
    paths = phantoms.write(datasets, tmp_path / "source")
    for result in results_of(paths, tmp_path):
        first, second = pydicom.dcmread(result).OtherPatientIDsSequence
        assert first.get_item("PatientID").value == "Ä-2".encode() + b" " * (len("Ä-2".encode()) % 2)
        assert first.PatientName == "Müller^Zoë"
        assert second.PatientID == "3"


def test_what_is_not_identity_is_not_taken_over(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        dataset.OperatorsName, dataset.StationName, dataset.ProtocolName = "Secret^Operator", "ROOM7", "Thorax"
        dataset.add_new(0x00090010, "LO", "PRIVATE CREATOR")
    paths = phantoms.write(datasets, tmp_path / "source")
    for result in results_of(paths, tmp_path):
        content = result.read_bytes()
        assert not any(text in content for text in (b"Secret", b"ROOM7", b"Thorax", b"PRIVATE CREATOR"))
