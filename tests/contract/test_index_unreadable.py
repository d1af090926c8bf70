"""What came and cannot be read is counted to its study, shown, and makes it stuck where nothing else of it came."""

import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from config.metrics import REGISTRY
from consumers.steps.assemble import Assembler
from consumers.steps.retry import retry
from dicom_node.spool import DamagedRecord, Entry, Kind
from domain.completeness import SettlePolicy
from domain.errors import Permanent
from store import quarantine
from store.queries.path import study_path
from store.queries.studies import latest_studies
from tests.support.bench import Bench, open_bench
from tests.support.entries import cut, entry
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom
from tests.support.spooled import GOOD, good, run
from tests.support.working import study_id


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


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
    assert {one.sop_uid for one in path.quarantine} == {one.sop_instance for one in broken}
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
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(5, {}), bench.clock)
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
        assert sorted(uid for uid, _, _ in found) == ["", "", "1.2.3.1", "1.2.3.2", "1.2.3.3"]
        assert {key for _, key, _ in found} == {""}
        assert bench.count("instances") == 3
        assert bench.actions().count("instance quarantined") == 5
    assert REGISTRY.get_sample_value("dicom_node_indexed_total", {"outcome": "damaged"}) == before + 5


def _with_read(one: Entry, first: Collection[bytes]) -> Entry:
    object.__setattr__(one, "read", lambda: _lost(first))
    return one
