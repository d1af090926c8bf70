"""Whom an image names: one person in two ways of writing is one, and what is not stated disagrees with nobody."""

import pytest
from pydicom.dataset import Dataset

from dicom_node.intake.header import read_header
from dicom_node.intake.identity import PatientMarks
from domain.identity import (
    BIRTH_DATE,
    ISSUER,
    NAME,
    PATIENT_ID,
    ConflictKind,
    disagreeing,
    kind_of_conflict,
    of_patient,
)
from tests.support.entries import EXPLICIT
from tests.support.ingest import encoded

KEY = bytes(range(32))
MARKS = PatientMarks(KEY)


def marks(
    name: str = "", ident: str = "", issuer: str = "", born: str = "", charset: str = "ISO_IR 192", studied: str = ""
) -> set[str]:
    dataset = Dataset()
    dataset.SpecificCharacterSet = charset
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.5"
    for keyword, value in (
        ("PatientName", name),
        ("PatientID", ident),
        ("IssuerOfPatientID", issuer),
        ("PatientBirthDate", born),
        ("StudyDate", studied),
    ):
        if value:
            setattr(dataset, keyword, value)
    found = read_header(encoded(dataset), EXPLICIT, MARKS).patient
    assert found is not None
    return set(found)


@pytest.mark.filterwarnings("ignore:The PN component length")
def test_a_name_longer_than_any_is_compared_byte_for_byte_and_its_accents_are_put_in_no_order() -> None:
    long, other = ("A" + accents * 10_000 for accents in ("\u0315\u0300", "\u0300\u0315"))
    (one,), (same,), (another,) = marks(long), marks(long), marks(other)
    assert one == same != another
    assert one.startswith("Patient's Name in letters that nobody can tell:")


ONE_PERSON = {
    "trailing separators": ("Doe^John^^^", "Doe^John"),
    "spaces around components": ("Doe ^ John ", "Doe^John"),
    "case": ("DOE^JOHN", "Doe^John"),
    "accents": ("Müller^Jörg", "MULLER^JORG"),
    "separators that a device writes as spaces": ("Doe John", "Doe^John"),
    "an ideographic group more": ("Yamada^Tarou", "Yamada^Tarou=山田^太郎"),
    "an ideographic group alone": ("Yamada^Tarou", "=山田^太郎"),
    "an ideographic name in the first group": ("Yamada^Tarou=山田^太郎", "山田^太郎"),
    "a phonetic group more": ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou=山田^太郎"),
    "half width": ("ﾔﾏﾀﾞ^ﾀﾛｳ", "ヤマダ^タロウ"),
    "the other kana": ("やまだ^たろう", "ヤマダ^タロウ"),
    "quotes for nothing": ('""', "Doe^John"),
    "another script": ("Иванов^Иван", "Ivanov^Ivan"),
    "a letter that a device could not write": ("M?ller^Hans", "Müller^Hans"),
    "nothing": ("", "Doe^John"),
    "separators alone": ("^^", "Doe^John"),
}


@pytest.mark.parametrize("how", ONE_PERSON)
def test_one_name_in_two_ways_of_writing_is_one_person(how: str) -> None:
    first, second = ONE_PERSON[how]
    assert disagreeing(marks(first) | marks(second)) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Doe^John", "Doe^Jane"),
        ("Yamada^Tarou=山田^太郎", "=山田^花子"),
        ("Doe^John", "Doe^John^Jr"),
        ("がま", "かま"),
        ("=佐々木^太郎", "=山田^花子"),
        ("ヤマダ^タロー", "スズキ^ハナコ"),
        ("山田^太郎", "鈴木^はなこ"),
        ("SMITH^JOHN", "JONES^\N{GREEK CAPITAL LETTER ALPHA}NN"),
    ],
)
def test_other_names_in_one_script_are_two_persons(first: str, second: str) -> None:
    assert disagreeing(marks(first) | marks(second)) == (NAME,)


def test_a_name_is_the_same_in_every_character_set() -> None:
    latin, utf8 = marks("Müller^Jörg", charset="ISO_IR 100"), marks("Müller^Jörg")
    assert latin == utf8
    multi = marks("Yamada^Tarou=山田^太郎", charset="\\ISO 2022 IR 87")
    assert multi == marks("Yamada^Tarou=山田^太郎")


def unstated(name: bytes) -> set[str]:
    """The marks of a name whose image states no character set."""
    found = read_header(_bytes_of(name), EXPLICIT, MARKS).patient
    assert found is not None
    return set(found)


SHIFT_JIS, GB = "山田^太郎".encode("shift_jis"), "王^小明".encode("gb18030")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"M\xdcLLER^HANS", b"B\xd6HM^EVA"),
        ("Müller^Hans".encode(), "Böhm^Eva".encode()),
        (SHIFT_JIS, "鈴木^花子".encode("shift_jis")),
        (GB, "李^小明".encode("gb18030")),
    ],
)
def test_two_names_that_no_character_set_explains_are_two_persons(first: bytes, second: bytes) -> None:
    assert disagreeing(unstated(first) | unstated(second)) == (NAME,)
    assert disagreeing(unstated(first) | unstated(first)) == ()


@pytest.mark.parametrize(
    ("name", "charset", "unstated_name"),
    [
        ("Müller^Hans", "ISO_IR 100", b"M\xdcLLER^HANS"),
        ("Müller^Hans", "ISO_IR 192", "Müller^Hans".encode()),
        ("山田^太郎", "ISO_IR 192", SHIFT_JIS),
        ("王^小明", "GB18030", GB),
    ],
)
def test_a_device_that_states_no_character_set_makes_no_second_person(
    name: str, charset: str, unstated_name: bytes
) -> None:
    assert disagreeing(marks(name, charset=charset) | unstated(unstated_name)) == ()


def test_a_name_is_read_as_results_write_it_where_its_image_states_no_character_set() -> None:
    assert disagreeing(marks("Böhm^Eva", charset="ISO_IR 100") | unstated(b"M\xdcLLER^HANS")) == (NAME,)


def _bytes_of(name: bytes) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.5"
    dataset.PatientName = "N" * len(name)
    return encoded(dataset).replace(b"N" * len(name), name)


@pytest.mark.parametrize(
    ("first", "second", "differ"),
    [
        ({"ident": "17"}, {"ident": "18"}, (PATIENT_ID,)),
        ({"ident": "17 "}, {"ident": " 17"}, ()),
        ({"ident": "17"}, {}, ()),
        ({"ident": "17", "issuer": "A"}, {"ident": "17"}, ()),
        ({"ident": "17", "issuer": "A"}, {"ident": "17", "issuer": "B"}, (ISSUER,)),
        ({"born": "19600101"}, {"born": "19600102"}, (BIRTH_DATE,)),
        ({"born": "19600101"}, {"born": "00000000"}, ()),
        ({"ident": "17", "born": "19600101"}, {"ident": "18", "born": "19610101"}, (PATIENT_ID, BIRTH_DATE)),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_each_attribute_disagrees_by_itself(first: dict[str, str], second: dict[str, str], differ: object) -> None:
    assert disagreeing(marks(**first) | marks(**second)) == differ


def test_what_a_person_has_found_to_be_one_patient_is_one() -> None:
    both = marks("Doe^John", "17") | marks("Doe^Jane", "17")
    assert disagreeing(both, both) == ()
    assert disagreeing(both | marks("Doe^Jim", "17"), both) == (NAME,)


def test_no_mark_tells_a_name_to_who_has_not_the_key() -> None:
    found = marks("Grepme^Patricia", "GREP-4711", "ISSUER-X", "19630507")
    assert not [secret for secret in ("Grepme", "grepme", "4711", "issuer", "1963") if secret in str(found)]
    assert len(found) == 4
    assert PatientMarks(bytes(32)).check_value != MARKS.check_value == PatientMarks(KEY).check_value


def day(ident: str, studied: str) -> int | None:
    """The day of a study as its marks have it."""
    found = [one for one in marks(ident=ident, studied=studied) if one.startswith("Study Date:")]
    return int(found[0].partition(":")[2]) if found else None


def test_two_studies_of_one_patient_are_as_many_days_apart_as_their_dates_and_the_mark_is_no_date() -> None:
    first, second, other = day("17", "20250601"), day("17 ", "20260107"), day("18", "20250601")
    assert first is not None and second is not None
    assert second - first == 220
    assert first != other, "another patient's days are counted from another day"
    assert "20250601" not in str(marks(ident="17", studied="20250601"))


@pytest.mark.parametrize(("ident", "studied"), [("", "20250601"), ("17", ""), ("17", "20250231"), ("17", "00000000")])
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_a_study_without_patient_id_or_date_has_no_day(ident: str, studied: str) -> None:
    assert day(ident, studied) is None


def test_the_day_of_a_study_makes_nobody_another_patient() -> None:
    first, second = marks("Doe^John", "17", studied="20250601"), marks("Doe^John", "17", studied="20250602")
    assert disagreeing(first | second) == ()
    assert of_patient(first) == of_patient(second) == marks("Doe^John", "17")


@pytest.mark.parametrize(
    ("same_study", "kept", "sent", "kind"),
    [
        (False, None, None, ConflictKind.STUDY),
        (True, {"Patient ID:1"}, {"Patient ID:2"}, ConflictKind.PATIENT),
        (True, {"Patient ID:1"}, {"Patient ID:1"}, ConflictKind.BYTES),
        (True, None, {"Patient ID:1"}, ConflictKind.BYTES),
        (True, {"Patient ID:1"}, None, ConflictKind.BYTES),
    ],
)
def test_what_is_not_known_makes_no_other_patient(same_study: bool, kept: object, sent: object, kind: object) -> None:
    assert kind_of_conflict(same_study, kept, sent) is kind  # type: ignore[arg-type]
