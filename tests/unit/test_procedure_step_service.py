"""Modalities and archives that tell of procedures: answered by the book, over processes, restarts and kills."""

import os
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association

from dicom_node.dimse import Operation, Status
from dicom_node.listener.procedure_steps import LONGEST, steps
from dicom_node.listener.provided import services
from dicom_node.listener.services import Answer, Request
from dicom_node.listener.step_memory import FILE, StepMemory
from dicom_node.procedures import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from dicom_node.spool import Kind, Peer, SpoolUnavailable, decode_message
from domain.states import ProcedureStepState
from tests.support import procedures
from tests.support.listening import RunningListener, listening
from tests.support.procedures import as_bytes, begun, ended, notification
from tests.support.senders import keep_responses_for_their_request

SERIES = {"1.2.3": ("1.2.3.1", "1.2.3.2")}
MPPS, IAN = MODALITY_PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY_NOTIFICATION
CREATE, SET = Operation.N_CREATE, Operation.N_SET
IN_PROGRESS, COMPLETED = ProcedureStepState.IN_PROGRESS, ProcedureStepState.COMPLETED


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path, services=services(tmp_path)) as running:
        yield running


@contextmanager
def modality(port: int, syntax: str = ExplicitVRLittleEndian) -> Iterator[Association]:
    ae = AE("CT1")
    for sop_class in (MPPS, IAN):
        ae.add_requested_context(sop_class, syntax)
    association = ae.associate("127.0.0.1", port, ae_title="NODE")
    assert association.is_established
    keep_responses_for_their_request(association)
    yield association
    association.release()


def created(association: Association, dataset: Dataset, uid: str | None, sop_class: str = MPPS) -> Dataset:
    return association.send_n_create(dataset, sop_class, uid)[0]  # type: ignore[no-any-return]


def changed(association: Association, dataset: Dataset, uid: str) -> Dataset:
    return association.send_n_set(dataset, MPPS, uid)[0]  # type: ignore[no-any-return]


def only_modality() -> Dataset:
    dataset = Dataset()
    dataset.Modality = "CT"
    return dataset


def asked(root: Path, operation: Operation, dataset: Dataset | bytes, uid: str = "1.2", aet: str = "CT1") -> Answer:
    """The answer of a process that is killed before it records or says it."""
    data = dataset if isinstance(dataset, bytes) else as_bytes(dataset)
    said = Request(operation, None, MPPS, uid, ExplicitVRLittleEndian, data, Peer(aet, "NODE", "::1"))
    return steps(root).judge(said)


def taken(root: Path, operation: Operation, dataset: Dataset | bytes, uid: str = "1.2") -> int:
    """The status of a request that is recorded."""
    answer = asked(root, operation, dataset, uid)
    if answer.is_taken:
        with answer.held:
            answer.recorded()
    return answer.status


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_modality_begins_and_completes_a_step_and_all_that_it_said_is_in_the_spool(
    node: RunningListener, syntax: str
) -> None:
    uid = generate_uid()
    with modality(node.port, syntax) as association:
        assert created(association, begun(), uid).Status == Status.SUCCESS
        assert changed(association, ended(SERIES), uid).Status == Status.SUCCESS
    messages = [one for one in node.read(Kind.ASSOCIATION_CLOSED) if one.kind is Kind.MESSAGE]
    assert [decode_message(one.data())[0]["operation"] for one in messages] == [CREATE, SET]
    assert {one.sop_instance for one in messages} == {uid}
    assert {one.transfer_syntax for one in messages} == {syntax}


def test_what_is_wrong_is_answered_by_the_book_and_the_next_is_served(node: RunningListener) -> None:
    uid, other = generate_uid(), generate_uid()
    with modality(node.port) as association:
        assert changed(association, ended(SERIES), uid).Status == Status.NO_SUCH_INSTANCE
        assert created(association, only_modality(), uid).Status == Status.MISSING_ATTRIBUTE
        wrong = created(association, begun(PerformedProcedureStepStatus="COMPLETED"), uid)
        assert (wrong.Status, wrong.ErrorComment) == (
            Status.INVALID_ATTRIBUTE_VALUE,
            "Performed Procedure Step Status of an N-CREATE is IN PROGRESS",
        )
        assert created(association, begun(), uid).Status == Status.SUCCESS
        assert created(association, begun(), uid).Status == Status.DUPLICATE_INSTANCE
        assert changed(association, ended({}), uid).Status == Status.MISSING_ATTRIBUTE_VALUE
        assert changed(association, ended({}, "DISCONTINUED"), uid).Status == Status.SUCCESS
        late = changed(association, ended(SERIES), uid)
        assert (late.Status, late.ErrorID) == (Status.PROCESSING_FAILURE, 0xA710)
        assert created(association, begun(), other).Status == Status.SUCCESS
    entries = node.read(Kind.ASSOCIATION_CLOSED)
    assert len([one for one in entries if one.kind is Kind.INSTANCE_REFUSED]) == 6
    assert len([one for one in entries if one.kind is Kind.MESSAGE]) == 3


def test_a_step_that_its_modality_does_not_name_gets_a_name(node: RunningListener) -> None:
    with modality(node.port) as association:
        assert created(association, begun(), None).Status == Status.SUCCESS
        (message,) = [one for one in node.read(Kind.MESSAGE) if one.kind is Kind.MESSAGE]
        assert changed(association, ended(SERIES), message.sop_instance).Status == Status.SUCCESS


def test_a_notification_is_taken_or_refused(node: RunningListener) -> None:
    with modality(node.port) as association:
        assert created(association, notification(SERIES), generate_uid(), IAN).Status == Status.SUCCESS
        assert created(association, notification({}), generate_uid(), IAN).Status == Status.MISSING_ATTRIBUTE_VALUE
        assert created(association, only_modality(), generate_uid(), IAN).Status == Status.MISSING_ATTRIBUTE


def test_a_step_of_fifty_thousand_images_is_taken(tmp_path: Path) -> None:
    one = as_bytes(procedures.reference("1.2.3.4"))
    references = (struct.pack("<HHI", 0xFFFE, 0xE000, len(one)) + one) * 50_000
    series = as_bytes(procedures.performed("1.2.3", ()))
    empty = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0)
    series = series.replace(empty, empty[:-4] + struct.pack("<I", len(references)) + references)
    series = struct.pack("<HHI", 0xFFFE, 0xE000, len(series)) + series
    end = as_bytes(ended({}))
    empty = struct.pack("<HH2sHI", 0x0040, 0x0340, b"SQ", 0, 0)
    end = end.replace(empty, empty[:-4] + struct.pack("<I", len(series)) + series)
    assert taken(tmp_path, CREATE, begun()) == Status.SUCCESS
    assert len(end) < LONGEST
    assert taken(tmp_path, SET, end) == Status.SUCCESS


def test_of_many_that_begin_one_step_at_once_one_does(node: RunningListener) -> None:
    uid, found = generate_uid(), []

    def begin() -> None:
        with modality(node.port) as association:
            found.append(created(association, begun(), uid).Status)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [Status.SUCCESS] + [Status.DUPLICATE_INSTANCE] * 5


def test_how_a_step_stands_is_known_to_every_process_and_after_a_restart(tmp_path: Path) -> None:
    assert taken(tmp_path, CREATE, begun()) == Status.SUCCESS
    assert taken(tmp_path, CREATE, begun()) == Status.DUPLICATE_INSTANCE
    assert taken(tmp_path, SET, ended(SERIES)) == Status.SUCCESS
    assert asked(tmp_path, SET, ended(SERIES)).error_id == 0xA710


KILLED = """
import os, sys
from pathlib import Path
from dicom_node.dimse import Operation
from tests.support.procedures import begun, ended
from tests.unit.test_procedure_step_service import asked, taken
root, kill = Path(sys.argv[1]), sys.argv[2]
answer = asked(root, Operation.N_CREATE, begun())
assert answer.is_taken
with answer.held:
    if kill == "before":
        os.kill(os.getpid(), 9)
    answer.recorded()
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(("killed", "then"), [("before", Status.SUCCESS), ("after", Status.DUPLICATE_INSTANCE)])
def test_a_listener_that_is_killed_between_record_and_answer_holds_nobody_up(
    killed: str, then: Status, tmp_path: Path
) -> None:
    """Before it is remembered the same may be said again, which the index takes for one; then it is there already."""
    ran = subprocess.run([sys.executable, "-c", KILLED, tmp_path, killed], env=os.environ, check=False)
    assert ran.returncode == -9
    assert taken(tmp_path, CREATE, begun()) == then
    assert taken(tmp_path, SET, ended(SERIES)) == Status.SUCCESS


def test_a_request_that_is_not_recorded_changes_nothing_and_lets_the_next_look(tmp_path: Path) -> None:
    answer = asked(tmp_path, CREATE, begun())
    with pytest.raises(SpoolUnavailable), answer.held:
        raise SpoolUnavailable("the disk is full")
    assert taken(tmp_path, CREATE, begun()) == Status.SUCCESS


def test_the_memory_is_bounded_and_lets_ended_steps_go_first(tmp_path: Path) -> None:
    memory = StepMemory(tmp_path, most=10)
    for number in range(600):
        with memory.look(f"1.{number}") as look:
            look.keep("CT1", IN_PROGRESS if number < 5 else COMPLETED, frozenset())
    with memory.look("1.0") as look:
        assert look.state is IN_PROGRESS
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM begun_steps").fetchone()[0] < 10 + 256


def test_a_step_is_ended_by_nobody_but_who_began_it(tmp_path: Path) -> None:
    assert taken(tmp_path, CREATE, begun()) == Status.SUCCESS
    assert asked(tmp_path, SET, ended(SERIES), aet="CT2").status == Status.NOT_AUTHORIZED
    assert taken(tmp_path, SET, ended(SERIES)) == Status.SUCCESS


def test_a_memory_that_cannot_be_used_is_a_refusal_that_says_so(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(SpoolUnavailable, match=FILE):
        asked(tmp_path, CREATE, begun())
