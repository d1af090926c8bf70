"""Log, indexer, assembly and a real PostgreSQL: what was acknowledged is filed once, whatever happens between."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from audit.actions import Action
from audit.trail import newest_entries
from config.metrics import indexed
from config.settings import Spool
from consumers.steps.adopt import adopt
from consumers.steps.assemble import Assembler
from consumers.steps.index import Indexer
from dicom_node.spool import Close, SpoolReader, SpoolWriter
from domain.completeness import SettlePolicy
from domain.errors import Permanent, Retryable, Unavailable
from domain.json_records import JsonObject
from store.objects import Buffer, DirectoryStore
from tests.support.bench import Bench, open_bench
from tests.support.ingest import SCANNER, send, store
from tests.support.phantoms import Phantom
from tests.support.spool import put, writing

SMALL = Phantom(size=(16, 16), slices=3)


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def test_a_study_is_filed_with_its_series_instances_and_objects(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets)
    bench.index()
    assert bench.ask("SELECT study_uid, state FROM dicom_node.studies") == [(datasets[0].StudyInstanceUID, "receiving")]
    assert bench.count("studies") == bench.count("series") == 1
    for uid, key, digest in bench.ask("SELECT sop_uid, object_key, digest FROM dicom_node.instances"):
        path = bench.objects.path(key)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
        read = dcmread(path)
        assert read.SOPInstanceUID == uid == read.file_meta.MediaStorageSOPInstanceUID
        assert read.PixelData == next(one for one in datasets if uid == one.SOPInstanceUID).PixelData
    assert bench.actions() == ["instances received"]


def test_the_same_study_again_changes_nothing(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    before = bench.ask("SELECT * FROM dicom_node.studies"), bench.actions()
    send(bench.writer, SMALL.datasets())
    bench.index()
    assert (bench.ask("SELECT * FROM dicom_node.studies"), bench.actions()) == before
    assert bench.count("instances") == 3


def test_the_same_uid_with_other_bytes_is_a_conflict_and_recorded_once(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    other = SMALL.datasets()[0]
    other.SeriesDescription = "changed on its way"
    send(bench.writer, [other, other])
    bench.index()
    ((uid, digest, kept, key),) = bench.ask("SELECT sop_uid, digest, kept_digest, object_key FROM dicom_node.conflicts")
    assert uid == other.SOPInstanceUID
    assert digest != kept
    assert dcmread(bench.objects.path(key)).SeriesDescription == "changed on its way"
    assert bench.ask(f"SELECT digest FROM dicom_node.instances WHERE sop_uid = '{uid}'") == [(kept,)]
    assert bench.actions().count("conflicting instance received") == 1


def test_whatever_comes_counts_as_one_thing_alone(bench: Bench) -> None:
    first, *others = SMALL.datasets()
    changed, elsewhere = SMALL.datasets()[:2]
    changed.SeriesDescription = "changed on its way"
    elsewhere.StudyInstanceUID = "2.25.77"
    before = _counted()
    send(bench.writer, [first, first, *others])
    send(bench.writer, [changed, elsewhere, changed, elsewhere])
    association = bench.writer.open_association(SCANNER, {})
    for _ in range(2):
        store(association, b"no data set", first.SOPClassUID, "2.25.78")
    bench.writer.close_association(association, Close.RELEASED, "")
    bench.index()
    counted = {outcome: count - before.get(outcome, 0) for outcome, count in _counted().items()}
    assert {outcome: count for outcome, count in counted.items() if count} == {
        "new": 3,
        "repeated": 4,
        "conflicting": 2,
        "quarantined": 1,
    }


def _counted() -> dict[str, float]:
    (family,) = indexed.collect()
    return {one.labels["outcome"]: one.value for one in family.samples if one.name.endswith("_total")}


def test_other_bytes_can_be_adopted_and_given_back(bench: Bench) -> None:
    datasets = SMALL.datasets()
    bench.receive(datasets)
    other = SMALL.datasets()[0]
    other.SeriesDescription, other.ImagePositionPatient = "mended", [1, 2, 3]
    send(bench.writer, [other])
    bench.index()
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(5, {}), bench.clock)
    uid = str(other.SOPInstanceUID)
    before = _instance(bench, uid)
    ((number, came),) = bench.ask("SELECT id, digest FROM dicom_node.conflicts")
    for revision, digest in ((2, came), (3, before[0])):
        adopt(bench.ledger, bench.objects, number, bench.clock.now())
        assembler.step()
        bench.clock.sleep(5)
        assembler.step()
        assert bench.ask("SELECT state, revision FROM dicom_node.studies") == [("complete", revision)]
        assert _instance(bench, uid)[0] == digest
        assert hashlib.sha256(bench.objects.get(_instance(bench, uid)[1])).hexdigest() == digest
        assert bench.ask(f"SELECT kept_digest FROM dicom_node.conflicts WHERE sop_uid = '{uid}'") == [(digest,)]
    assert _instance(bench, uid)[:3] == before[:3]
    kinds = bench.ask("SELECT envelope ->> 'type' FROM dicom_node.outbox ORDER BY seq")
    assert kinds == [("study.completed",), ("study.amended",), ("study.amended",)]
    assert bench.actions().count("conflicting instance adopted") == 2
    send(bench.writer, [datasets[0], other])
    bench.index()
    assert bench.count("conflicts") == 1
    assert bench.ask("SELECT state FROM dicom_node.studies") == [("complete",)]


def _instance(bench: Bench, uid: str) -> tuple[str, str, list[float]]:
    ((digest, key, position),) = bench.ask(
        f"SELECT digest, object_key, position FROM dicom_node.instances WHERE sop_uid = '{uid}'"
    )
    return digest, key, position


def test_a_conflict_that_is_none_is_not_adopted(bench: Bench) -> None:
    with pytest.raises(Permanent, match="there is no conflict 7"):
        adopt(bench.ledger, bench.objects, 7, bench.clock.now())


def test_two_of_one_uid_in_one_batch_keep_the_first(bench: Bench) -> None:
    first, second = SMALL.datasets()[0], SMALL.datasets()[0]
    second.SeriesDescription = "the second"
    send(bench.writer, [first, second])
    bench.index()
    assert bench.count("instances") == bench.count("conflicts") == 1
    (key,) = bench.ask("SELECT object_key FROM dicom_node.instances")[0]
    assert dcmread(bench.objects.path(key)).SeriesDescription == SMALL.series_description


def test_an_unreadable_instance_is_kept_with_its_reason(bench: Bench) -> None:
    log = bench.writer.open_association(SCANNER, {})
    store(log, b"no data set at all", "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4")
    bench.index()
    ((uid, reason, key),) = bench.ask("SELECT sop_uid, reason, object_key FROM dicom_node.quarantine")
    assert uid == "1.2.3.4"
    assert reason
    assert bench.objects.get(key).endswith(b"no data set at all")
    assert bench.count("studies") == 0


def test_an_instance_of_many_parts_is_one_object(bench: Bench) -> None:
    large = Phantom(size=(1200, 1200), slices=2).datasets()
    for one in large:
        one.NumberOfFrames, one.PixelData = 4, one.PixelData * 4
    send(bench.writer, large[:1])
    bench.index()
    ((key, size),) = bench.ask("SELECT object_key, size FROM dicom_node.instances")
    assert size > 8 << 20
    assert dcmread(bench.objects.path(key)).PixelData == large[0].PixelData


def test_a_kill_between_commit_and_checkpoint_files_nothing_twice(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    bench.writer.refuse_association(SCANNER, 1, 1, 7, "called AE title not recognised")
    with SpoolReader(bench.root / "spool") as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "checkpoint", _away)
        indexer = Indexer(reader, bench.as_process("index"), bench.objects, bench.clock)
        with pytest.raises(Unavailable, match="gone"):
            for _ in range(100):
                indexer.step(0.05)
    before = bench.state()
    bench.index()
    assert bench.state() == before
    assert bench.count("instances") == 3
    assert bench.actions().count("association refused") == 1


def test_by_which_certificate_and_as_whom_a_caller_came_is_recorded_once_a_day(bench: Bench) -> None:
    tls: JsonObject = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "certificate": "ab" * 32}
    with writing(bench.root / "spool", index=1) as writer:
        told: list[JsonObject] = [{"tls": tls}, {"tls": tls}, {"tls": tls, "user": "robot"}, {}]
        for details in told:
            writer.close_association(writer.open_association(SCANNER, details), Close.RELEASED, "")
    bench.index()
    entries = newest_entries(bench.database, 1000).rows
    found = [one.details for one in entries if one.action == Action.SECURED]
    assert [one["caller"] for one in found] == [SCANNER.calling] * 2
    assert sorted(str(one.get("user", "")) for one in found) == ["", "robot"]
    assert all(one["tls"] == tls for one in found)


def test_a_flood_of_associations_that_break_off_fills_the_trail_by_number_and_each_is_closed(bench: Bench) -> None:
    with writing(bench.root / "spool", index=1) as writer:
        for _ in range(50):
            writer.close_association(writer.open_association(SCANNER, {}), Close.LOST, "connection lost")
        association = writer.open_association(SCANNER, {})
        put(association, "1.2", b"no data set")
        writer.close_association(association, Close.LOST, "connection lost")
    bench.index()
    assert bench.ask("SELECT count(*) FROM dicom_node.associations WHERE closed_at IS NOT NULL") == [(51,)]
    entries = newest_entries(bench.database, 1000).rows
    found = [entry.details for entry in entries if entry.action == Action.ASSOCIATION_ENDED]
    assert sorted(str(entry["count"]) for entry in found) == ["1", "1", "49"]
    assert {(entry["caller"], entry["how"], entry["reason"]) for entry in found} == {
        (SCANNER.calling, "lost", "connection lost")
    }


def test_no_study_goes_on_before_its_objects_are_synced_and_what_a_failed_sync_lost_is_put_again(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    objects = FailsToSync(bench.root / "objects", times=3)
    assembler = Assembler(
        bench.as_process("assemble"), SettlePolicy(default=0.0, by_modality={}, hold=0.0), bench.clock
    )
    with SpoolReader(bench.root / "spool") as reader:
        indexer = Indexer(reader, bench.as_process("index"), objects, bench.clock)
        for _ in range(3):
            with pytest.raises(Retryable, match="write-back"):
                _until_synced(indexer)
            assert bench.count("instances") == 3
            assert assembler.step() is not None
            assert bench.ask("SELECT state FROM dicom_node.studies") == [("receiving",)]
        _until_synced(indexer)
    # The kernel may have dropped the pages of what a sync has failed for.
    assert objects.puts == 4 * 3
    assembler.step()
    assert bench.ask("SELECT state FROM dicom_node.studies") == [("complete",)]
    with SpoolReader(bench.root / "spool") as reader:
        assert reader.poll(0.0) == []


def test_a_study_that_a_dead_index_held_back_goes_on(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    with SpoolReader(bench.root / "spool") as reader:
        dead = reader.identity
    bench.ask(f"UPDATE dicom_node.studies SET unsynced = ARRAY['{dead}'] RETURNING id")
    bench.index()
    assert bench.ask("SELECT unsynced FROM dicom_node.studies") == [([],)]


def test_what_one_host_has_not_synced_is_released_by_no_other(bench: Bench) -> None:
    assembler = Assembler(
        bench.as_process("assemble"), SettlePolicy(default=0.0, by_modality={}, hold=0.0), bench.clock
    )
    datasets = SMALL.datasets()
    send(bench.writer, datasets[:1])
    with second_host(bench) as writer, SpoolReader(bench.root / "other") as reader:
        other = Indexer(reader, bench.as_process("index"), FailsToSync(bench.root / "objects", times=1), bench.clock)
        send(writer, datasets[1:])
        with pytest.raises(Retryable, match="write-back"):
            _until_synced(other)
        bench.index()
        assert bench.ask("SELECT unsynced FROM dicom_node.studies") == [([reader.identity],)]
        assembler.step()
        assert bench.ask("SELECT state FROM dicom_node.studies") == [("receiving",)]
        _until_synced(other)
    assembler.step()
    assert bench.ask("SELECT state FROM dicom_node.studies") == [("complete",)]


def test_a_host_holds_a_study_once_however_many_batches_bring_of_it(bench: Bench) -> None:
    objects = FailsToSync(bench.root / "objects", times=2)
    with SpoolReader(bench.root / "spool") as reader:
        indexer = Indexer(reader, bench.as_process("index"), objects, bench.clock)
        for dataset in SMALL.datasets()[:2]:
            send(bench.writer, [dataset])
            with pytest.raises(Retryable, match="write-back"):
                _until_synced(indexer)
        assert bench.ask("SELECT unsynced FROM dicom_node.studies") == [([reader.identity],)]


@contextmanager
def second_host(bench: Bench) -> Iterator[SpoolWriter]:
    """The spool of another host that indexes into the same database."""
    writer = SpoolWriter(bench.root / "other", 0, Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0))
    yield writer
    writer.close()


def _until_synced(indexer: Indexer) -> None:
    """Steps until one finds nothing new, which is when objects are synced."""
    while indexer.step(0.05):
        pass


class FailsToSync(DirectoryStore):
    """A folder on a disk that reports failed writes, `times` times."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.times, self.puts = times, 0

    def put(self, key: str, parts: Iterable[Buffer]) -> None:
        self.puts += 1
        super().put(key, parts)

    def sync(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise Retryable("a failed write-back")
        super().sync()


def test_a_batch_that_the_database_refuses_is_taken_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    send(bench.writer, SMALL.datasets())
    with SpoolReader(bench.root / "spool") as reader:
        indexer = Indexer(reader, bench.as_process("index"), bench.objects, bench.clock)
        with monkeypatch.context() as patch:
            patch.setattr("store.index.file_instances", _away)
            with pytest.raises(Unavailable):
                indexer.step(1)
        assert bench.count("studies") == 0
        indexer.step(1)
        indexer.close()
    assert bench.count("instances") == 3


def _away(*_: object) -> None:
    raise Unavailable("gone in the middle")


def test_no_column_and_no_entry_holds_the_patient(bench: Bench) -> None:
    phantom = replace(SMALL, patient_name="Grepme^Patricia", patient_id="GREP-4711", accession_number="ACC-GREP")
    send(bench.writer, phantom.datasets())
    bench.index()
    tables = bench.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'dicom_node'")
    held = "".join(str(bench.ask(f"SELECT t::text FROM dicom_node.{name} t")) for (name,) in tables)
    for secret in ("Grepme", "GREP-4711", "ACC-GREP", phantom.birth_date):
        assert secret not in held
