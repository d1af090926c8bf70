"""Values of objects that leave without their persons: what may not stay in them, and what must not be lost."""

from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from benchmarks.deidentification.score import saved
from console.deidentifying import Deidentifier
from dicom_node.deidentification.pseudonyms import Pseudonyms
from dicom_node.deidentification.words import Cleaner
from domain.findings import ModelIdentity
from domain.profiles import ResultKind
from sr_writer.codes.wording import series_description
from tests.unit.test_deidentification import KEY, chest, clean, nothing


def code(value: str, scheme: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def test_a_number_that_is_longer_than_its_vr_has_room_for_stays_as_near_as_it_can_be_written() -> None:
    scan = chest()
    for tag, said in (
        (0x0020_0032, b"-123.45678901234567\\1.5\\-0.123456789012345 "),
        (0x0028_0030, b"0.70312500000000001\\1 "),
    ):
        scan[tag] = RawDataElement(Tag(tag), "DS", len(said), said, 0, False, True)

    made = clean(scan)

    assert made.ImagePositionPatient == pytest.approx([-123.45678901234567, 1.5, -0.123456789012345])
    assert made.PixelSpacing == pytest.approx([0.703125, 1])
    assert all(len(str(one)) <= 16 for one in made.ImagePositionPatient)


def test_a_vector_of_numbers_of_which_one_may_not_stay_goes_whole() -> None:
    scan = chest()
    said = b"1\\inf\\3 "
    scan[0x0020_0032] = RawDataElement(Tag(0x0020_0032), "DS", len(said), said, 0, False, True)

    assert not clean(scan).get("ImagePositionPatient")


def test_counts_of_many_digits_stay_and_a_number_of_a_series_that_may_be_an_id_does_not() -> None:
    made = clean(chest(CountsAccumulated="12345678", ExposureInuAs="1200000", SeriesNumber="47119988"))

    assert (made.CountsAccumulated, made.ExposureInuAs, made.SeriesNumber) == (12345678, 1200000, None)


def test_objects_of_one_patient_are_one_patient_and_one_distance_whether_they_name_the_issuer_or_not() -> None:
    by = Deidentifier(Pseudonyms(KEY), nothing)
    objects = [saved(chest(IssuerOfPatientID=issuer, StudyDate="20200101")) for issuer in ("", "ST ELSEWHERE")]
    objects.append(saved(chest(PatientID="", StudyDate="20200101")))
    for one in objects:
        by.learn(one)

    made = [dcmread(BytesIO(by.clean(one)[0])) for one in objects]

    assert len({one.PatientID for one in made}) == len({one.StudyDate for one in made}) == 1


@pytest.mark.parametrize("said", ["57 year old female", "M57Y", "f65", "w57", "B1957", "T1John", "57 yo M", "12 March"])
def test_age_sex_year_of_birth_and_day_stay_in_no_description(said: str) -> None:
    left = Cleaner().text(f"Chest axial {said}")

    assert not any(letter.isdigit() for letter in left) and "emale" not in left and "ohn" not in left


@pytest.mark.parametrize("said", ["b1000", "b50", "T1w", "t2flair", "B70f", "Br40", "FC51", "Spine T12", "Lung 2"])
def test_terms_that_look_like_ages_stay(said: str) -> None:
    assert Cleaner().text(said) == said


def test_no_part_of_a_date_stays_in_a_description() -> None:
    for said in ("2019-03-12", "12.03.2019", "03/04/1970", "12 03 19", "1-3-57"):
        assert not any(letter.isdigit() for letter in Cleaner().text(f"Chest {said}")), said


@pytest.mark.parametrize("kind", list(ResultKind))
def test_a_result_still_says_that_it_is_of_an_ai_and_not_verified(kind: ResultKind) -> None:
    model = ModelIdentity("ct_lung", "1.0.0", "Lungs in chest CT", "dicom-node", "1.2.3", "0" * 64, demonstration=True)
    said = series_description(model, kind)

    assert Cleaner(["ct_lung"]).text(said) == said


def test_a_report_says_nothing_of_its_subject_but_what_was_found() -> None:
    def item(kind: str, name: Dataset, **value: object) -> Dataset:
        made = Dataset()
        made.RelationshipType, made.ValueType, made.ConceptNameCodeSequence = "CONTAINS", kind, [name]
        for keyword, one in value.items():
            setattr(made, keyword, one)
        return made

    def number(value: str, unit: str) -> list[Dataset]:
        made = Dataset()
        made.NumericValue, made.MeasurementUnitsCodeSequence = value, [code(unit, "UCUM", unit)]
        return [made]

    content = [
        item("DATE", code("121031", "DCM", "Subject Birth Date"), Date="19570611"),
        item("CODE", code("121032", "DCM", "Subject Sex"), ConceptCodeSequence=[code("F", "DCM", "Female")]),
        item("NUM", code("121033", "DCM", "Subject Age"), MeasuredValueSequence=number("93", "a")),
        item("NUM", code("8302-2", "LN", "Patient Height"), MeasuredValueSequence=number("171", "cm")),
        item("NUM", code("397669002", "SCT", "Age"), MeasuredValueSequence=number("93", "a")),
        item("NUM", code("410668003", "SCT", "Length"), MeasuredValueSequence=number("12", "mm")),
    ]

    made = clean(chest(ContentSequence=content, ConceptNameCodeSequence=[code("126000", "DCM", "Report")]))

    assert [one.ConceptNameCodeSequence[0].CodeValue for one in made.ContentSequence] == ["410668003"]
