"""Whatever a record says, the ones behind it are filed: the index neither ends nor waits for data."""

import json
import logging
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from config.metrics import REGISTRY
from consumers.steps import index as step
from consumers.steps.index import Indexer
from dicom_node.elements import DEFLATED
from dicom_node.intake import filing
from dicom_node.intake.header import Header
from dicom_node.spool import Entry, Kind
from domain.errors import IntegrityError, NodeError, Retryable, Unavailable
from roles.health import Health
from store import index
from store.index_rows import AssociationRow
from tests.support.bench import Bench, open_bench
from tests.support.entries import EXPLICIT, Given, entry
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom
from tests.support.spooled import GOOD, good, run, with_value


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def nested(number: int) -> bytes:
    data = with_value(number, 0x0008_0070, b"LO", b"MAKER ")
    level = b"\x08\x00\x11\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    at = data.index(b"\x10\x00\x10\x00")
    return data[:at] + level * number + data[at:]


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def enhanced(study: str) -> bytes:
    return encoded(Phantom(size=(16, 16), slices=4, study=study).enhanced())


def bomb() -> bytes:
    data = enhanced("bomb")
    head = data[: data.index(b"\xe0\x7f\x10\x00")].replace(b"\x18\x00\x88\x00", b"\x18\x00\x86\x00")
    return deflated(head + b"\x00\x54\x00\x01UN\0\0\xff\xff\xff\x7f" + bytes(128 << 20))


HOSTILE = {
    "NUL in Modality": with_value(1, 0x0008_0060, b"CS", b"CT\0\x12old"),
    "NUL in Image Type": with_value(2, 0x0008_0008, b"CS", b"ORIGINAL\\PRIMARY\0\0"),
    "NUL in Specific Character Set": with_value(3, 0x0008_0005, b"CS", b"ISO_IR\x00 100"),
    "frames beyond every number": with_value(4, 0x0028_0008, b"IS", b"3000000000"),
    "an age of 401 digits": with_value(5, 0x0010_1010, b"AS", b"9" * 401 + b"Y"),
    "an orientation of three values": with_value(6, 0x0020_0037, b"DS", b"1\\0\\0"),
    "frames and an orientation of three values": with_value(7, 0x0028_0008, b"IS", b"12"),
    "a control character in a description": with_value(8, 0x0008_103E, b"LO", b"\x1b]0;owned\x07"),
}
SET_ASIDE = {
    "2000 nested sequences": (nested(2000), EXPLICIT, "nest too deep"),
    "a deflated data set cut short": (deflated(enhanced("cut"))[:150], DEFLATED, "has no end"),
    "no deflated data set": (b"\xff" * 100, DEFLATED, "not a deflated"),
    "a NUL in the SOP Instance UID": (with_value(9, 0x0008_0018, b"UI", b"1.2\x003"), EXPLICIT, ""),
}


def test_no_hostile_record_stops_the_ones_behind_it(bench: Bench) -> None:
    entries = [
        entry(1, kind=Kind.ASSOCIATION_REFUSED, calling="ST\0RANGER\x07", details={"reason": "no\0body", "n": 2**70}),
        entry(2, kind=Kind.INSTANCE_REFUSED, sop_instance="1.2\0.3", sop_class="\0"),
    ]
    entries += [entry(10 + k, data) for k, data in enumerate(HOSTILE.values())]
    entries += [entry(30, bomb(), transfer_syntax=DEFLATED)]
    entries += [
        entry(40 + k, data, transfer_syntax=syntax, sop_instance=f"1.9\0.{k}")
        for k, (data, syntax, _) in enumerate(SET_ASIDE.values())
    ]
    run(bench, entries, good(90))
    assert bench.ask("SELECT count(*) FROM dicom_node.studies WHERE state = 'receiving'")[0][0] > len(HOSTILE)
    (held,) = bench.ask(
        "SELECT count(*) FROM dicom_node.instances i JOIN dicom_node.studies s ON s.id = i.study_id "
        f"WHERE study_uid = '{GOOD.uid('study')}'"
    )
    assert held == (3,)
    reasons = [reason for (reason,) in bench.ask("SELECT reason FROM dicom_node.quarantine ORDER BY id")]
    wanted = [reason for _, _, reason in SET_ASIDE.values()]
    filed = bench.count("instances") - 3
    assert filed + len(reasons) == len(HOSTILE) + 1 + len(SET_ASIDE)
    assert all(any(reason in one for one in reasons) for reason in wanted[:3])
    assert [r for (r,) in bench.ask("SELECT calling_ae FROM dicom_node.associations")] == ["SCANNER"]
    assert bench.actions().count("association refused") == 1
    assert bench.chain_holds()


def _breaks(culprit: str, error: Exception) -> Any:
    original = index.file_instances

    def file_instances(connection: Any, rows: Sequence[Any]) -> None:
        if any(row["sop_uid"] == culprit for row in rows):
            raise error
        original(connection, rows)

    return file_instances


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Doe^Jane cannot be converted"),
        RecursionError(),
        IntegrityError("a change was announced that the trail does not record"),
        DBAPIError("INSERT", {"name": "Doe^Jane"}, type("DataError", (Exception,), {"sqlstate": "22003"})()),
        DBAPIError("INSERT", {}, type("ProgramLimitExceeded", (Exception,), {"sqlstate": "54000"})()),
    ],
    ids=["value", "recursion", "integrity", "number out of range", "index row too large"],
)
def test_a_batch_that_fails_for_data_is_divided_until_the_culprit_is_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    entries = [*good(1), entry(9, kind=Kind.ASSOCIATION_CLOSED, details={"how": "released"})]
    culprit = entries[1].sop_instance
    monkeypatch.setattr(index, "file_instances", _breaks(culprit, error))
    before = REGISTRY.get_sample_value("dicom_node_indexed_total", {"outcome": "quarantined"}) or 0
    with caplog.at_level(logging.ERROR):
        given = run(bench, entries)
    ((sop_uid, reason, key, study_id),) = bench.ask(
        "SELECT sop_uid, reason, object_key, study_id FROM dicom_node.quarantine"
    )
    assert sop_uid == culprit
    assert reason.startswith(f"it cannot be filed: {type(error).__name__}")
    assert bench.objects.exists(key)
    assert bench.ask("SELECT id FROM dicom_node.studies") == [(study_id,)]
    assert bench.count("instances") == 2
    assert bench.ask("SELECT outcome FROM dicom_node.associations") == [("released",)]
    assert bench.actions().count("instance quarantined") == 1
    assert REGISTRY.get_sample_value("dicom_node_indexed_total", {"outcome": "quarantined"}) == before + 1
    assert "quarantine" in caplog.text
    assert "Doe" not in caplog.text + reason
    assert len(given.checkpointed) == len(entries)


@pytest.mark.parametrize("error", [Unavailable("gone"), Retryable("later")])
def test_what_a_server_lacks_is_no_reason_for_quarantine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: NodeError
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(index, "file_instances", _breaks(good(1)[1].sop_instance, error))
        indexer = Indexer(Given(good(1)), bench.as_process("index"), bench.objects, bench.clock)  # type: ignore[arg-type]
        with pytest.raises(type(error)):
            indexer.step(0.0)
    assert bench.count("quarantine") == bench.count("instances") == 0
    assert indexer.step(0.0) == 3
    assert bench.count("instances") == 3


def test_a_missing_table_or_right_is_a_defect_and_puts_nothing_into_quarantine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = DBAPIError("INSERT", {}, type("UndefinedTable", (Exception,), {"sqlstate": "42P01"})())
    monkeypatch.setattr(index, "file_instances", _breaks(good(1)[1].sop_instance, missing))
    with pytest.raises(DBAPIError):
        run(bench, good(1))
    assert bench.count("quarantine") == 0


def test_a_defect_of_a_reader_of_headers_is_one_unreadable_instance(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Header:
        raise ZeroDivisionError("Doe^Jane")

    with monkeypatch.context() as patch:
        patch.setattr(filing, "read_header", broken)
        run(bench, [entry(1, b"anything")])
    run(bench, good(2))
    ((reason,),) = bench.ask("SELECT reason FROM dicom_node.quarantine")
    assert reason.startswith("its header cannot be read: ZeroDivisionError in test_index_bulkhead.py:")
    assert bench.count("instances") == 3


def test_a_batch_of_more_associations_than_a_statement_takes_parameters_is_filed(bench: Bench) -> None:
    number = 13_108
    rows = [entry(0, kind=Kind.ASSOCIATION_OPENED, association=uuid.UUID(int=k + 1)) for k in range(number)]
    given = run(bench, rows)
    assert bench.count("associations") == number
    assert len(given.checkpointed) == number


def test_a_statement_is_divided_whatever_the_batch(bench: Bench) -> None:
    at = bench.clock.now()
    rows = [
        AssociationRow(id=uuid.uuid4(), calling_ae="A", called_ae="B", address="", opened_at=at) for _ in range(13_108)
    ]
    with bench.database.transaction() as connection:
        index.open_associations(connection, rows)
    assert bench.count("associations") == len(rows)


def test_who_waits_for_files_to_be_removed_waits_for_one_that_takes_long_and_not_for_all_that_came_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "_LONGEST", 0.0)
    given = run(bench, good(1))
    assert bench.actions().count("instances received") == bench.count("instances") == len(given.checkpointed) == 3


def test_a_study_is_released_however_few_of_its_instances_the_store_took(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = bench.objects.put
    taken: list[str] = []

    def full(key: str, pieces: Iterable[bytes]) -> None:
        if len(taken) == 2:
            raise Retryable("no room")
        taken.append(key)
        put(key, pieces)

    monkeypatch.setattr(step, "_MOST", 2)
    indexer = Indexer(Given([], good(1)), bench.as_process("index"), bench.objects, bench.clock)  # type: ignore[arg-type]
    assert indexer.step(0.0) == 0
    with monkeypatch.context() as patch:
        patch.setattr(bench.objects, "put", full)
        assert indexer.step(0.0)
        with pytest.raises(Retryable):
            indexer.step(0.0)
    assert bench.count("instances") == 2
    assert bench.ask("SELECT unsynced FROM dicom_node.studies") == [([],)]


def test_a_defect_in_front_of_every_record_of_a_batch_is_told_and_not_tried_again_in_silence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Entry:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(step, "safe", broken)
        with pytest.raises(ZeroDivisionError):
            run(bench, good(1))
    run(bench, good(1))
    assert bench.count("instances") == 3


def test_an_instance_that_takes_long_gives_signs_of_life_as_it_streams(bench: Bench) -> None:
    dataset = Phantom(size=(16, 16), slices=3, study="long").datasets()[0]
    data = encoded(dataset) + b"\0" * (12 << 20)
    slow = entry(1, data, sop_instance=dataset.SOPInstanceUID)
    passed = 0.0
    health = Health(limit=60, now=lambda: passed)
    lived: list[bool] = []

    def pieces() -> Iterator[bytes]:
        nonlocal passed
        for piece in slow.read():
            passed += 59
            lived.append(health.alive())
            yield piece

    given = Given([replace(slow, read=pieces)])
    indexer = Indexer(given, bench.as_process("index"), bench.objects, bench.clock, health.pulse)  # type: ignore[arg-type]
    assert indexer.step(0.0) == 1
    assert all(lived)
    assert len(lived) > 10


def test_entries_of_the_trail_hold_no_control_character(bench: Bench) -> None:
    run(bench, [entry(1, b"\0", calling="\x1b[2J\0", sop_instance="\x07")])
    held = [one for (one,) in bench.ask("SELECT entry FROM dicom_node.audit_entries")]
    assert held
    assert all(letter not in json.dumps(json.loads(one), ensure_ascii=False) for one in held for letter in "\0\x1b\x07")
