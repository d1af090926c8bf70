"""Whatever a record says, the ones behind it are filed: the index neither ends nor waits for data."""

import json
import logging
import struct
import uuid
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from config.metrics import REGISTRY
from consumers.steps.assemble import Assembler
from consumers.steps.index import Indexer
from consumers.steps.retry import retry
from dicom_node.elements import DEFLATED
from dicom_node.intake import filing
from dicom_node.intake.header import Header
from dicom_node.spool import DamagedRecord, Entry, Kind
from domain.completeness import SettlePolicy
from domain.errors import NodeError, Permanent, Retryable, Unavailable
from roles.health import Health
from store import index, quarantine
from store.database import Database, is_for_data
from store.index_rows import AssociationRow
from store.queries.path import study_path
from store.queries.studies import latest_studies
from store.tables import inbox
from tests.support.bench import Bench, open_bench
from tests.support.entries import EXPLICIT, Given, cut, entry
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom
from tests.support.working import study_id

GOOD = Phantom(size=(16, 16), slices=3, study="good")


def good(start: int) -> list[Entry]:
    return [entry(start + k, encoded(one), sop_instance=one.SOPInstanceUID) for k, one in enumerate(GOOD.datasets())]


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def run(bench: Bench, *batches: Sequence[Entry]) -> Given:
    given = Given(*batches)
    indexer = Indexer(given, bench.ledger, bench.objects, bench.clock)  # type: ignore[arg-type]
    while indexer.step(0.0):
        pass
    indexer.close()
    return given


def with_value(number: int, tag: int, vr: bytes, value: bytes, **phantom: Any) -> bytes:
    """A slice with the value of an element replaced, or added."""
    dataset = Phantom(size=(16, 16), slices=3, study=f"odd {number}", **phantom).datasets()[0]
    dataset.pop(tag, None)
    data = encoded(dataset)
    at = 0
    while struct.unpack_from("<HH", data, at) < (tag >> 16, tag & 0xFFFF):
        at += 8 + struct.unpack_from("<H", data, at + 6)[0]
    return (
        data[:at] + struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value) + len(value) % 2)
        + value + b" " * (len(value) % 2) + data[at:]
    )  # fmt: skip


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
    "a deflated data set cut short": (deflated(enhanced("cut"))[:150], DEFLATED, "ends within"),
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
        DBAPIError("INSERT", {"name": "Doe^Jane"}, type("DataError", (Exception,), {"sqlstate": "22003"})()),
        DBAPIError("INSERT", {}, type("ProgramLimitExceeded", (Exception,), {"sqlstate": "54000"})()),
    ],
    ids=["value", "recursion", "number out of range", "index row too large"],
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
        indexer = Indexer(Given(good(1)), bench.ledger, bench.objects, bench.clock)  # type: ignore[arg-type]
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
    def broken(data: bytes, syntax: str) -> Header:
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


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("08006", "does not answer"),
        ("57P01", "is being stopped"),
        ("57P03", "is starting"),
        ("53100", "has no room left on its disk"),
        ("53300", "has no connection left"),
        ("25006", "is a standby"),
    ],
)
def test_what_a_server_says_of_its_own_absence_is_unavailable(bench: Bench, state: str, word: str) -> None:
    with pytest.raises(Unavailable, match=word), bench.database.transaction() as connection:
        _raise(connection, state)


def test_every_session_notices_a_server_that_is_gone_without_a_word(database_url: str) -> None:
    database = Database(database_url)
    notifications = database.listener("anything")
    with ExitStack() as held:
        held.callback(database.close)
        held.callback(notifications.close)
        session = held.enter_context(database.session())
        pooled = held.enter_context(database.transaction())
        notifications.wait(0)
        drivers = [session.connection.dbapi_connection, pooled.connection.dbapi_connection, notifications._connection]
        kept = [one.info.get_parameters() for one in drivers if isinstance(one, psycopg.Connection)]
    assert [(one["keepalives_idle"], one["tcp_user_timeout"]) for one in kept] == [("30", "60000")] * 3


def test_waiting_for_a_connection_of_this_process_is_a_servers_absence(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    pool = database._engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.1
    with ExitStack() as held:
        held.callback(database.close)
        for _ in range(1 + pool._max_overflow):
            held.enter_context(database._engine.connect())
        with pytest.raises(Unavailable, match="every connection"), database.transaction():
            pass


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
def test_a_transaction_that_was_given_up_is_tried_again(bench: Bench, state: str) -> None:
    with pytest.raises(Retryable, match="gave a transaction up"), bench.database.transaction() as connection:
        _raise(connection, state)


@pytest.mark.parametrize(
    ("state", "for_data"), [("22003", True), ("23505", True), ("54000", True), ("XX000", False), ("42P01", False)]
)
def test_whatever_else_the_server_says_is_never_its_absence(bench: Bench, state: str, for_data: bool) -> None:
    with pytest.raises(DBAPIError) as raised, bench.database.transaction() as connection:
        _raise(connection, state)
    assert is_for_data(raised.value) is for_data


def test_a_statement_with_too_many_parameters_is_never_the_servers_absence(bench: Bench) -> None:
    rows = [{"reader": "x", "event_id": uuid.uuid4(), "handled_at": bench.clock.now()} for _ in range(22_000)]
    with pytest.raises(OperationalError, match="number of parameters") as raised, bench.database.transaction() as made:
        made.execute(insert(inbox).values(rows))
    assert is_for_data(raised.value)


def _raise(connection: Any, state: str) -> None:
    connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'told to' USING ERRCODE = '{state}'; END $$"))


def test_what_is_unreadable_is_counted_to_its_study_and_no_longer_once_it_came_whole(bench: Bench) -> None:
    whole = good(1)
    broken = [entry(20 + k, cut(one.data()), sop_instance=one.sop_instance) for k, one in enumerate(whole)]
    run(bench, [broken[0], *whole[1:]])
    assert _counts(bench) == (2, 1)
    run(bench, [broken[0]], [whole[0]])
    assert _counts(bench) == (3, 0)


def test_a_study_of_which_nothing_is_readable_is_a_study(bench: Bench) -> None:
    broken = [entry(k, cut(one.data()), sop_instance=one.sop_instance) for k, one in enumerate(good(1))]
    run(bench, broken)
    assert _counts(bench) == (0, 3)
    (found,) = latest_studies(bench.database, 10)
    path = study_path(bench.database, found.study.id)
    assert [one.sop_uid for one in path.quarantine] == [one.sop_instance for one in broken]
    assert path.unreadable == 3
    assert len(path.associations) == 1
    assert {one.series_uid for one in path.quarantine} == {GOOD.datasets()[0].SeriesInstanceUID}


def test_an_unreadable_instance_counts_though_another_study_has_a_readable_one_of_its_uid(bench: Bench) -> None:
    other = Phantom(size=(16, 16), slices=3, study="other").datasets()[0]
    broken = good(1)[0]
    run(bench, [entry(9, encoded(other), sop_instance=other.SOPInstanceUID)])
    run(bench, [entry(1, cut(broken.data()), sop_instance=other.SOPInstanceUID)])
    assert [one.unreadable for one in latest_studies(bench.database, 10)] == [1, 0]


def test_a_study_of_which_nothing_is_readable_is_stuck_until_something_comes(bench: Bench) -> None:
    broken = [entry(k, cut(one.data()), sop_instance=one.sop_instance) for k, one in enumerate(good(1))]
    released = entry(9, kind=Kind.ASSOCIATION_CLOSED, details={"how": "released"})
    assembler = Assembler(bench.ledger, SettlePolicy(5, {}), bench.clock)
    run(bench, [*broken, released])
    _settle(bench, assembler)
    assert bench.ask("SELECT state, revision, reason FROM dicom_node.studies") == [
        ("stuck", 0, "nothing that came of it can be read: dicom-node quarantine list")
    ]
    assert bench.ask("SELECT envelope ->> 'type' FROM dicom_node.outbox") == [("study.stuck",)]
    with pytest.raises(Permanent, match="quarantine list"):
        retry(bench.ledger, study_id(bench), [], bench.clock.now())
    assert bench.ask("SELECT state FROM dicom_node.studies") == [("stuck",)]
    run(bench, good(20))
    _settle(bench, assembler)
    assert bench.ask("SELECT state, revision FROM dicom_node.studies") == [("complete", 1)]


def _settle(bench: Bench, assembler: Assembler) -> None:
    assembler.step()
    bench.clock.sleep(5)
    assembler.step()


def _counts(bench: Bench) -> tuple[int, int]:
    (found,) = latest_studies(bench.database, 10)
    assert found.study.study_uid == GOOD.uid("study")
    with bench.database.transaction() as connection:
        counted = quarantine.unreadable_by_study(connection, [found.study.id])
    assert counted.get(found.study.id, 0) == found.unreadable
    return found.instances or 0, found.unreadable


def _lost(first: Collection[bytes]) -> Iterator[bytes]:
    yield from first
    raise DamagedRecord("the bytes of a record are not those that were written")


def test_what_the_disk_lost_is_in_quarantine_on_the_trail_and_counted(bench: Bench) -> None:
    before = REGISTRY.get_sample_value("dicom_node_indexed_total", {"outcome": "damaged"}) or 0
    lost = [
        entry(1, kind=Kind.DAMAGED, details={"reason": "the checksum does not match"}),
        entry(0, kind=Kind.DAMAGED, sop_instance="", association=uuid.UUID(int=0), details={"reason": "before 4096"}),
        entry(0, kind=Kind.DAMAGED, sop_instance="", association=uuid.UUID(int=0), details={"reason": "before 8192"}),
        _with_read(entry(2, b"x" * 100), []),
        _with_read(entry(3, b"x" * (9 << 20)), [b"x"]),
    ]
    for _ in range(2):
        run(bench, lost, good(10))
        found = bench.ask("SELECT sop_uid, object_key, reason FROM dicom_node.quarantine ORDER BY id")
        assert [uid for uid, _, _ in found] == ["1.2.3.1", "", "", "1.2.3.2", "1.2.3.3"]
        assert {key for _, key, _ in found} == {""}
        assert bench.count("instances") == 3
        assert bench.actions().count("instance quarantined") == 5
    assert REGISTRY.get_sample_value("dicom_node_indexed_total", {"outcome": "damaged"}) == before + 5


def _with_read(one: Entry, first: Collection[bytes]) -> Entry:
    object.__setattr__(one, "read", lambda: _lost(first))
    return one


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
    indexer = Indexer(given, bench.ledger, bench.objects, bench.clock, health.pulse)  # type: ignore[arg-type]
    assert indexer.step(0.0) == 1
    assert all(lived)
    assert len(lived) > 10


def test_entries_of_the_trail_hold_no_control_character(bench: Bench) -> None:
    run(bench, [entry(1, b"\0", calling="\x1b[2J\0", sop_instance="\x07")])
    held = [one for (one,) in bench.ask("SELECT entry FROM dicom_node.audit_entries")]
    assert held
    assert all(letter not in json.dumps(json.loads(one), ensure_ascii=False) for one in held for letter in "\0\x1b\x07")
