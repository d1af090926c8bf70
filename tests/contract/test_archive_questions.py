"""What archives that we did not write say of a study and of a patient, and that they send it when they are told to."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from config.peers import Destination
from config.settings import Spool
from dicom_node.archive import FolderArchive
from dicom_node.attributes.reader import text_of
from dicom_node.scu import get as getting
from dicom_node.scu.archived import Counts, Fetched, PatientKeys
from dicom_node.scu.fetch_spool import FetchSpool
from dicom_node.scu.find import STUDY_ROOT, TakesNoQuery
from dicom_node.scu.move import move
from dicom_node.scu.questions import counts, fetch, series_of, studies_of
from dicom_node.scu.store import Verdict, outgoing, send
from dicom_node.spool import Kind, SpoolReader
from domain.errors import Retryable
from tests.support import counterparts
from tests.support.archives import QueryArchive, answering
from tests.support.scripted import Script, at, scripted
from tests.support.servers import Orthanc

IMAGES = 5


def orthanc_archive(request: pytest.FixtureRequest, folder: Path, ours: int) -> Iterator[Destination]:
    server: Orthanc = request.getfixturevalue("orthanc")
    server.add_modality("OURS", ours)
    yield at(server.aet, server.dicom_port)


def dcmqrscp_archive(request: pytest.FixtureRequest, folder: Path, ours: int) -> Iterator[Destination]:
    with QueryArchive(folder, movers={"OURS": ours}) as server:
        yield at(server.aet, server.port)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[FolderArchive]:
    with FolderArchive(tmp_path / "ours", "OURS") as receiver:
        yield receiver


@pytest.fixture(params=[orthanc_archive, dcmqrscp_archive], ids=["orthanc", "dcmqrscp"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, ours: FolderArchive) -> Iterator[Destination]:
    """It has some images of a CT."""
    for peer in request.param(request, tmp_path, ours.port):
        outcomes = send([outgoing(path) for path in images()], peer, "TEST")
        assert [one.verdict for one in outcomes] == [Verdict.STORED] * IMAGES
        yield peer


def images() -> list[Path]:
    return sorted(counterparts.data("ct_chest_lidc0003").glob("*.dcm"))[:IMAGES]


def an_image() -> Dataset:
    return dcmread(images()[0], stop_before_pixels=True)


def test_an_archive_says_how_many_images_a_study_and_each_series_has(archive: Destination) -> None:
    image = an_image()
    found = counts(archive, "OURS", image.StudyInstanceUID, 30)
    assert found == Counts(1, IMAGES, {image.SeriesInstanceUID: IMAGES})


def test_of_a_study_that_it_does_not_have_an_archive_has_none(archive: Destination) -> None:
    assert counts(archive, "OURS", "1.2.3.4", 30) == Counts(0, 0)


def test_an_archive_names_the_studies_and_series_of_a_patient_and_sends_them_to_us(
    archive: Destination, ours: FolderArchive
) -> None:
    image = an_image()
    (study,) = studies_of(archive, "OURS", PatientKeys(str(image.PatientID)), 30)
    assert (study.uid, study.date) == (image.StudyInstanceUID, image.StudyDate)
    (series,) = series_of(archive, "OURS", study.uid, 30)
    assert (series.uid, series.modality) == (image.SeriesInstanceUID, "CT")
    assert move(archive, "OURS", study.uid, [series.uid], 60).sent == IMAGES
    assert len(ours.files()) == IMAGES


def test_a_patient_of_another_birth_date_is_another_patient(archive: Destination) -> None:
    image = an_image()
    assert image.get("PatientBirthDate", "") == "" or not studies_of(
        archive, "OURS", PatientKeys(str(image.PatientID), birth_date="17000101"), 30
    )


@pytest.mark.parametrize("patient_id", ["", "*", "A?", "A\\B", "Ä"])
def test_no_archive_is_asked_for_a_patient_id_that_would_match_others(patient_id: str) -> None:
    with answering(STUDY_ROOT, []) as (port, asked):
        assert studies_of(at("FINDER", port), "OURS", PatientKeys(patient_id), 10) == []
    assert asked == []


def test_what_an_archive_answers_of_others_and_what_can_be_no_answer_is_left_out() -> None:
    of_another, no_uid, mine = Dataset(), Dataset(), Dataset()
    of_another.PatientID, of_another.StudyInstanceUID = "2", "1.2.2"
    no_uid.PatientID, no_uid.StudyInstanceUID = "1", ""
    mine.PatientID, mine.StudyInstanceUID, mine.StudyDate = "1", "1.2.1", "20200101"
    with answering(STUDY_ROOT, [of_another, no_uid, mine]) as (port, _):
        found = studies_of(at("FINDER", port), "OURS", PatientKeys("1"), 10)
    assert [(one.uid, one.date) for one in found] == [("1.2.1", "20200101")]


def test_an_archive_that_does_not_know_us_sends_nothing_and_a_status_says_what_to_do(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    image = an_image()
    for peer in dcmqrscp_archive(request, tmp_path, 1):
        list(send([outgoing(path) for path in images()], peer, "TEST"))
        with pytest.raises(TakesNoQuery, match="enter the node's AE title"):
            move(peer, "STRANGER", image.StudyInstanceUID, [image.SeriesInstanceUID], 30)


def test_series_descriptions_are_not_asked_for() -> None:
    with answering(STUDY_ROOT, []) as (port, asked):
        series_of(at("FINDER", port), "OURS", "1.2.3", 10)
    assert not any("Description" in element.keyword or text_of(asked[0], "PatientName") for element in asked[0])


def test_an_archive_that_does_not_know_where_we_are_gives_a_series_on_our_own_association(
    archive: Destination, tmp_path: Path
) -> None:
    image = an_image()
    into = FetchSpool(tmp_path / "spool", Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0), 1 << 30)
    try:
        found = fetch(archive, "STRANGER", image.StudyInstanceUID, [image.SeriesInstanceUID], 60, into)
        assert found == Fetched(IMAGES)
        with SpoolReader(tmp_path / "spool") as reader:
            entries = reader.poll(5)
        kept = [one for one in entries if one.kind is Kind.INSTANCE]
        sent = {dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in images()}
        assert {one.sop_instance for one in kept} == sent
        assert {(one.calling, one.called) for one in kept} == {(archive.aet, "STRANGER")}
    finally:
        into.close()


CT = "1.2.840.10008.5.1.4.1.1.2"


def storing(number: int, last: bool = True, data: bytes = b"\x08\x00\x16\x00\x02\x00\x00\x001\0") -> bytes:
    """A C-STORE request on context `number`, with a small data set."""
    uid = b"1.2.3.4\0"
    elements = [
        struct.pack("<HHI", 0, 0x0002, len(CT) + 1) + CT.encode() + b"\0",
        struct.pack("<HHIHHHIHHHIH", 0, 0x0100, 2, 1, 0, 0x0110, 2, 7, 0, 0x0800, 2, 1),
        struct.pack("<HHI", 0, 0x1000, len(uid)) + uid,
    ]
    parts = [(3, b"".join(elements)), (2 if last else 0, data)]
    return b"".join(struct.pack(">BxIIBB", 4, len(p) + 6, len(p) + 2, number, flags) + p for flags, p in parts)


def a_data_set_that_does_not_end(peer: Script) -> None:
    peer.connection.sendall(storing(5, last=False))
    while True:
        peer.connection.sendall(struct.pack(">BxIIBB", 4, 65_542, 65_538, 5, 0) + bytes(65_536))


def an_instance_and_silence(peer: Script) -> None:
    peer.connection.sendall(storing(5))
    peer.connection.recv(1 << 16)
    peer.connection.recv(1 << 16)


def another_class(peer: Script) -> None:
    peer.connection.sendall(storing(1))
    peer.connection.recv(1 << 16)


def rubbish(peer: Script) -> None:
    peer.connection.sendall(struct.pack(">BxIIBB", 4, 10, 6, 5, 3) + b"\xff" * 4)


@pytest.mark.parametrize("give", [a_data_set_that_does_not_end, an_instance_and_silence, another_class, rubbish])
def test_what_a_peer_gives_against_the_book_is_bounded_and_told(
    give: Callable[[Script], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it says of its images is another question, on another association.
    monkeypatch.setattr(getting, "_classes", lambda *_: [CT])

    def run(peer: Script) -> None:
        peer.accept(lambda _: 0)
        peer.read_message()
        give(peer)

    into = FetchSpool(tmp_path, Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0), 1 << 20)
    try:
        with scripted(run) as peer, pytest.raises(Retryable):
            getting.get(peer, "NODE", "1.2.3", ["1.2.3.4"], 3, into)
    finally:
        into.close()
