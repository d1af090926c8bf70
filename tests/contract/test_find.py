"""C-FIND against archives that we did not write, and against peers that answer as no archive should."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset

from config.peers import Destination
from dicom_node.attributes.reader import items_of, text_of
from dicom_node.procedures import MODALITY_WORKLIST
from dicom_node.scu.find import STUDY_ROOT, TakesNoQuery, find
from dicom_node.scu.store import Verdict, outgoing, send
from domain.errors import Retryable, Unavailable
from tests.support import counterparts
from tests.support.archives import QueryArchive, answering
from tests.support.processes import free_port
from tests.support.scripted import Script, at, scripted
from tests.support.servers import Orthanc

STUDY = {"StudyInstanceUID": "", "NumberOfStudyRelatedInstances": "", "NumberOfStudyRelatedSeries": ""}


def orthanc_archive(request: pytest.FixtureRequest, folder: Path) -> Iterator[Destination]:
    server: Orthanc = request.getfixturevalue("orthanc")
    yield at(server.aet, server.dicom_port)


def dcmqrscp_archive(request: pytest.FixtureRequest, folder: Path) -> Iterator[Destination]:
    with QueryArchive(folder) as server:
        yield at(server.aet, server.port)


@pytest.fixture(params=[orthanc_archive, dcmqrscp_archive], ids=["orthanc", "dcmqrscp"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Destination]:
    yield from request.param(request, tmp_path)


def keys(**values: str) -> Dataset:
    asked = Dataset()
    for keyword, value in values.items():
        setattr(asked, keyword, value)
    return asked


def matching(number: int) -> Dataset:
    return keys(StudyInstanceUID=f"1.2.3.{number}")


def test_an_archive_says_of_each_series_how_it_is_called(archive: Destination) -> None:
    paths = sorted(counterparts.data("ct_chest_lidc0003").glob("*.dcm"))[:3]
    assert {one.verdict for one in send([outgoing(path) for path in paths], archive, "TEST")} == {Verdict.STORED}
    (study,) = find(archive, "TEST", STUDY_ROOT, "STUDY", keys(PatientID="*", **STUDY))
    uid = text_of(study, "StudyInstanceUID")
    (series,) = find(
        archive, "TEST", STUDY_ROOT, "SERIES", keys(StudyInstanceUID=uid, SeriesInstanceUID="", Modality="")
    )
    assert text_of(series, "Modality") == "CT"
    images = find(
        archive,
        "TEST",
        STUDY_ROOT,
        "IMAGE",
        keys(StudyInstanceUID=uid, SeriesInstanceUID=text_of(series, "SeriesInstanceUID"), SOPInstanceUID=""),
    )
    assert len({text_of(image, "SOPInstanceUID") for image in images}) == 3


def test_what_an_archive_does_not_have_is_no_error(archive: Destination) -> None:
    assert find(archive, "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID="1.2.3.4.5.6")) == []


def test_a_worklist_answers_with_its_steps_inside() -> None:
    step = keys(AccessionNumber="17")
    step.ScheduledProcedureStepSequence = [keys(Modality="CT")]
    question = keys(AccessionNumber="17")
    question.ScheduledProcedureStepSequence = [keys(Modality="")]
    with answering(MODALITY_WORKLIST, [step]) as (port, asked):
        (found,) = find(at("FINDER", port), "TEST", MODALITY_WORKLIST, "", question)
    assert text_of(items_of(found, "ScheduledProcedureStepSequence")[0], "Modality") == "CT"
    assert "QueryRetrieveLevel" not in asked[0]


def test_a_query_with_more_answers_than_wanted_is_cancelled() -> None:
    with answering(STUDY_ROOT, [matching(number) for number in range(500)]) as (port, _):
        found = find(at("FINDER", port), "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID=""), limit=7)
    assert [text_of(one, "StudyInstanceUID") for one in found] == [f"1.2.3.{number}" for number in range(7)]


@pytest.mark.parametrize(("status", "kind"), [(0xA700, Retryable), (0xC001, Retryable), (0xA900, TakesNoQuery)])
def test_a_failure_is_told_by_its_status_and_what_came_before_it_is_not_used(status: int, kind: type) -> None:
    with answering(STUDY_ROOT, [matching(1)], last=status) as (port, _), pytest.raises(Retryable) as error:
        find(at("FINDER", port), "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID=""))
    assert error.type is kind
    assert f"{status:04X}H" in str(error.value)


def test_a_peer_that_takes_no_such_query_says_so_and_what_to_do() -> None:
    with answering(MODALITY_WORKLIST, []) as (port, _), pytest.raises(TakesNoQuery, match="has to be allowed there"):
        find(at("FINDER", port), "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID=""))


def test_an_archive_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        find(at("AWAY", free_port()), "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID=""), timeout=5)


def pending(data: bytes, last: bool = True, status: int = 0xFF00) -> bytes:
    command = struct.pack("<HHIHHHIHHHIH", 0, 0x0100, 2, 0x8020, 0, 0x0800, 2, 1, 0, 0x0900, 2, status)
    parts = [(3, command), (2 if last else 0, data)]
    return b"".join(struct.pack(">BxIIBB", 4, len(part) + 6, len(part) + 2, 1, flags) + part for flags, part in parts)


def finished() -> bytes:
    command = struct.pack("<HHIHHHIHHHIH", 0, 0x0100, 2, 0x8020, 0, 0x0800, 2, 0x0101, 0, 0x0900, 2, 0)
    return struct.pack(">BxIIBB", 4, len(command) + 6, len(command) + 2, 1, 3) + command


def element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


def endless_data_set(peer: Script) -> None:
    peer.connection.sendall(pending(b"", last=False))
    while True:
        peer.connection.sendall(struct.pack(">BxIIBB", 4, 65_542, 65_538, 1, 0) + bytes(65_536))


def endless_answers(peer: Script) -> None:
    while True:
        peer.connection.sendall(pending(element(0x0020, 0x000D, b"1.2")))


def answers_of_a_megabyte(peer: Script) -> None:
    while True:
        peer.connection.sendall(pending(element(0x0008, 0x1030, bytes(900_000))))


def a_data_set_before_its_command(peer: Script) -> None:
    peer.connection.sendall(struct.pack(">BxIIBB", 4, 8, 4, 1, 2) + b"ab")


def a_match_without_a_data_set(peer: Script) -> None:
    peer.connection.sendall(pending(b""))


def an_abort(peer: Script) -> None:
    peer.connection.sendall(struct.pack(">BxI", 7, 4) + bytes(4))


def nothing(peer: Script) -> None:
    peer.connection.recv(1)


@pytest.mark.parametrize(
    "answer",
    [
        endless_data_set,
        answers_of_a_megabyte,
        a_data_set_before_its_command,
        a_match_without_a_data_set,
        an_abort,
        nothing,
    ],
)
def test_an_answer_against_the_book_is_bounded_and_told(answer: Callable[[Script], None]) -> None:
    def run(peer: Script) -> None:
        peer.accept(lambda _: 0)
        peer.read_message()
        answer(peer)

    with scripted(run) as peer, pytest.raises(Retryable):
        find(peer, "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID=""), timeout=2)


def test_of_a_peer_that_never_ends_its_answers_the_wanted_number_is_taken() -> None:
    def run(peer: Script) -> None:
        peer.accept(lambda _: 0)
        peer.read_message()
        endless_answers(peer)

    with scripted(run) as peer:
        assert len(find(peer, "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID=""), limit=3)) == 3


def test_an_answer_that_cannot_be_read_is_left_out_and_the_others_are_not() -> None:
    nested = b"".join(
        struct.pack("<HHIHHI", 0x0008, 0x1140, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) for _ in range(9000)
    )

    def run(peer: Script) -> None:
        peer.accept(lambda _: 0)
        peer.read_message()
        peer.connection.sendall(
            pending(nested) + pending(b"\x01\x02\x03") + pending(element(0x0020, 0x000D, b"1.2.3\0"))
        )
        peer.connection.sendall(finished())

    with scripted(run) as peer:
        found = find(peer, "TEST", STUDY_ROOT, "STUDY", keys(StudyInstanceUID=""))
    assert [text_of(one, "StudyInstanceUID") for one in found if text_of(one, "StudyInstanceUID")] == ["1.2.3"]
