"""What an archive that speaks DICOMweb has of a study and of a patient: Orthanc, and peers that answer as none."""

import json
from pathlib import Path

import pytest

from config.peers import Source
from config.settings import Spool
from dicom_node.scu import sources
from dicom_node.scu.archived import ArchivedStudy, Counts, PatientKeys
from dicom_node.scu.fetch_spool import FetchSpool
from dicom_node.scu.find import TakesNoQuery
from dicom_node.spool import Kind, SpoolReader
from domain.errors import Retryable, Unavailable
from domain.ids import derived_uid
from tests.support.http_peer import Part, answering, playing
from tests.support.orthanc import a_file
from tests.support.phantoms import Phantom, write
from tests.support.processes import free_port
from tests.support.servers import Orthanc

CHEST = Phantom(size=(16, 16), slices=5, study="asked for", patient_id="P-1")
HEAD = Phantom(size=(16, 16), slices=3, study="of somebody else", patient_id="P-10")
SERIES = CHEST.uid(CHEST.series, "series")
ROOM = Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0)


def asked(archive: Orthanc) -> Source:
    return Source.model_validate({"kind": "dicomweb", "name": "archive", "url": archive.dicomweb})


@pytest.fixture
def holding(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Orthanc:
    """An archive with two patients' images."""
    for one in (CHEST, HEAD):
        orthanc.store(*(path.read_bytes() for path in write(one.datasets(), tmp_path_factory.mktemp("images"))))
    return orthanc


def test_it_is_counted_what_it_has_of_a_study(holding: Orthanc) -> None:
    assert sources.counts(asked(holding), "NODE", CHEST.uid("study"), 10) == Counts(1, 5, {SERIES: 5})
    assert sources.counts(asked(holding), "NODE", "1.2.3", 10) == Counts(0, 0)


def test_series_that_were_derived_are_not_counted(orthanc: Orthanc) -> None:
    orthanc.store(a_file(1), a_file(2, series=derived_uid("result", "series")))
    assert sources.counts(asked(orthanc), "NODE", "1.2.826.0.2", 10) == Counts(1, 1, {"1.2.826.0.3": 1})


def test_the_studies_of_a_patient_are_those_with_the_very_id_and_birth_date(holding: Orthanc) -> None:
    dataset = CHEST.datasets()[0]
    known = PatientKeys("P-1", birth_date=dataset.PatientBirthDate)
    (found,) = sources.studies_of(asked(holding), "NODE", known, 10)
    assert found == ArchivedStudy(CHEST.uid("study"), dataset.StudyDate, frozenset({"CT"}))
    for other in (PatientKeys("P-1", birth_date="18500101"), PatientKeys("P-*"), PatientKeys("P-1,P-10")):
        assert sources.studies_of(asked(holding), "NODE", other, 10) == []


def test_the_series_of_a_study_say_modality_and_number(holding: Orthanc) -> None:
    (found,) = sources.series_of(asked(holding), "NODE", CHEST.uid("study"), 10)
    assert (found.uid, found.modality, found.instances) == (SERIES, "CT", 5)


def test_a_series_comes_into_the_spool_as_the_archive_has_it(holding: Orthanc, tmp_path: Path) -> None:
    into = FetchSpool(tmp_path, ROOM, 1 << 30)
    try:
        assert sources.fetch(asked(holding), "NODE", CHEST.uid("study"), [SERIES], 30, into).sent == 5
        with SpoolReader(tmp_path) as reader:
            entries = reader.poll(5)
        kept = [one for one in entries if one.kind is Kind.INSTANCE]
        assert {one.sop_instance for one in kept} == {one.SOPInstanceUID for one in CHEST.datasets()}
        assert {(one.calling, one.called) for one in kept} == {("archive", "NODE")}
    finally:
        into.close()


def test_an_archive_that_is_away_is_unavailable() -> None:
    away = Source.model_validate({"kind": "dicomweb", "name": "a", "url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(Unavailable):
        sources.counts(away, "NODE", "1.2.3", 5)


def answer(body: object, status: str = "200 OK", kind: str = "application/dicom+json") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def test_an_archive_without_a_search_is_not_asked_again_soon() -> None:
    with playing(answering(answer(b"", "404 Not Found"))) as peer, pytest.raises(TakesNoQuery):
        sources.counts(peer, "NODE", "1.2.3", 5)


@pytest.mark.parametrize(
    "body",
    [b"no JSON", b"[" * 100_000, {"0020000D": "1.2.3"}, [1, "2", None, {"0020000D": 3}], [{"0020000D": {"Value": {}}}]],
    ids=["no JSON", "nested", "no list", "no matches", "no values"],
)
def test_an_answer_that_is_none_is_told_or_as_if_it_had_not_been_given(body: object) -> None:
    with playing(answering(answer(body))) as peer:
        try:
            assert sources.studies_of(peer, "NODE", PatientKeys("1"), 5) == []
        except Retryable as error:
            assert error.sentence.endswith(("no JSON", "no list of matches"))


MULTIPART = 'multipart/related; type="application/dicom"; boundary=b'


@pytest.mark.parametrize(
    "part",
    [
        answering(answer(b"", "406 Not Acceptable")),
        answering(answer([], kind="application/json")),
        answering(answer(b"--b\r\n\r\n" + b"x" * 5000, kind=MULTIPART)),
        answering(answer(b"--b--\r\n", kind=MULTIPART)),
        answering(answer(b"", kind="multipart/related")),
    ],
    ids=["refused", "another form", "cut short", "empty", "no boundary"],
)
def test_a_series_that_does_not_come_by_the_book_is_told_and_nothing_is_stored(part: Part, tmp_path: Path) -> None:
    into = FetchSpool(tmp_path, ROOM, 1 << 30)
    try:
        with playing(part) as peer, pytest.raises(Retryable):
            sources.fetch(peer, "NODE", "1.2.3", ["1.2.3.4"], 10, into)
        with SpoolReader(tmp_path) as reader:
            assert Kind.INSTANCE not in {one.kind for one in reader.poll(1)}
    finally:
        into.close()


def test_what_is_no_instance_of_the_study_is_refused_by_itself(tmp_path: Path) -> None:
    good, other = a_file(1), b"no DICOM file at all, and long enough to be looked at" * 10
    body = (
        b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in (other, good)) + b"--b--"
    )
    into = FetchSpool(tmp_path, ROOM, 1 << 30)
    try:
        with playing(answering(answer(body, kind=MULTIPART))) as peer:
            found = sources.fetch(peer, "NODE", "1.2.826.0.2", ["1.2.826.0.3"], 10, into)
        assert (found.sent, found.failed) == (1, 1)
    finally:
        into.close()
