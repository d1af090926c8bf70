"""What an Orthanc has of a study and of a patient, asked of a real one by REST."""

import pytest

from config.peers import Source
from dicom_node.scu import sources
from dicom_node.scu.archived import ArchivedSeries, ArchivedStudy, Counts, PatientKeys
from domain.errors import Retryable
from domain.ids import derived_uid
from tests.support.orthanc import a_file
from tests.support.phantoms import Phantom, write
from tests.support.servers import Orthanc

CHEST = Phantom(size=(16, 16), slices=5, study="asked for", patient_id="P-1")
HEAD = Phantom(size=(16, 16), slices=3, study="of somebody else", patient_id="P-10")


def asked(archive: Orthanc) -> Source:
    return Source.model_validate({"kind": "orthanc", "name": "archive", "url": archive.rest})


@pytest.fixture
def holding(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Orthanc:
    """An archive with two patients' images."""
    for one in (CHEST, HEAD):
        orthanc.store(*(path.read_bytes() for path in write(one.datasets(), tmp_path_factory.mktemp("images"))))
    return orthanc


def test_it_is_counted_what_it_has_of_a_study(holding: Orthanc) -> None:
    series = CHEST.uid(CHEST.series, "series")
    assert sources.counts(asked(holding), "NODE", CHEST.uid("study"), 10) == Counts(1, 5, {series: 5})
    assert sources.counts(asked(holding), "NODE", "1.2.3", 10) == Counts(0, 0)


def test_series_that_were_derived_are_not_counted(orthanc: Orthanc) -> None:
    orthanc.store(a_file(1), a_file(2, series=derived_uid("result", "series")))
    assert sources.counts(asked(orthanc), "NODE", "1.2.826.0.2", 10) == Counts(1, 1, {"1.2.826.0.3": 1})


def test_the_studies_of_a_patient_are_those_with_the_very_id_and_birth_date(holding: Orthanc) -> None:
    dataset = CHEST.datasets()[0]
    known = PatientKeys("P-1", birth_date=dataset.PatientBirthDate)
    assert sources.studies_of(asked(holding), "NODE", known, 10) == [
        ArchivedStudy(CHEST.uid("study"), dataset.StudyDate)
    ]
    for other in (PatientKeys("P-1", birth_date="18500101"), PatientKeys("P-*"), PatientKeys("p-1"), PatientKeys("")):
        assert sources.studies_of(asked(holding), "NODE", other, 10) == []


def test_the_series_of_a_study_say_modality_and_number(holding: Orthanc) -> None:
    dataset = CHEST.datasets()[0]
    assert sources.series_of(asked(holding), "NODE", CHEST.uid("study"), 10) == [
        ArchivedSeries(dataset.SeriesInstanceUID, "CT", str(dataset.get("BodyPartExamined", "")), 5)
    ]


def test_one_that_is_away_is_worth_another_try() -> None:
    away = Source.model_validate({"kind": "orthanc", "name": "archive", "url": "http://127.0.0.1:9"})
    with pytest.raises(Retryable):
        sources.counts(away, "NODE", "1.2.3", 10)
