"""The second look at what leaves: it finds persons, and takes nobody for one."""

import pytest

from benchmarks.deidentification.score import saved
from console.deidentifying import Deidentifier
from dicom_node.deidentification.pseudonyms import Pseudonyms
from dicom_node.deidentification.rescan import Identity
from tests.unit.test_deidentification import KEY, chest, clean, nothing


@pytest.mark.parametrize(
    "values",
    [
        {"PatientReligiousPreference": "NONE", "FilterMaterial": "NONE"},
        {"InstitutionName": "UNKNOWN", "AcquisitionContrast": "UNKNOWN"},
        {"StudyID": "1024", "RescaleIntercept": "-1024"},
        {"StudyID": "1000", "RepetitionTime": "1000"},
        {"AccessionNumber": "703125", "PixelSpacing": ["0.703125", "0.703125"]},
        {"ReferringPhysicianName": "Clean^Basic"},
        {"OperatorsName": "Option"},
        {"OperatorsName": "Node"},
        {"OperatorsName": "REMOVED", "Manufacturer": "Quux"},
    ],
)
def test_a_study_is_not_left_out_for_what_every_object_says(values: dict[str, object]) -> None:
    assert clean(chest(**values)).PatientIdentityRemoved == "YES"


def test_an_export_that_was_taken_in_again_can_be_exported_again() -> None:
    once = clean(chest())

    assert clean(once).PatientID != once.PatientID


def test_a_name_that_is_a_word_of_a_sentence_of_every_file_is_found_elsewhere() -> None:
    identity = Identity()
    identity.add(chest(PatientName="Option^Ottoline"))
    hidden = chest(PatientName="", SeriesDescription="Clean Pixel Data Option for Option")

    assert identity.search().finds(saved(hidden), ["Clean Pixel Data Option"])


def test_a_short_number_of_an_id_with_letters_and_a_long_one_are_found() -> None:
    by = Deidentifier(Pseudonyms(KEY), nothing)
    by.learn(saved(chest(PatientID="471199")))

    assert by._identity.search().finds(saved(chest(PatientID="", SeriesDescription="of 471199")))
