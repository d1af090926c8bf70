"""When studies are complete: associations and silence as the index notes them, on PostgreSQL, by the test's clock."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import Dataset

from consumers.steps.assemble import Assembler
from dicom_node.spool import AssociationWriter, Close
from domain.completeness import SettlePolicy
from tests.support.bench import Bench, open_bench
from tests.support.ingest import SCANNER, encoded, send, store
from tests.support.phantoms import Phantom

SETTLE, HOLD = 5, 60


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def assembler(bench: Bench) -> Assembler:
    """One that was there before anything came."""
    made = Assembler(bench.as_process("assemble"), SettlePolicy(SETTLE, {}, HOLD), bench.clock)
    made.step()
    return made


def study(number: int) -> list[Dataset]:
    """Three slices of a study of its own."""
    return Phantom(slices=3, size=(16, 16), study=str(number), series=str(number)).datasets()


def bring(bench: Bench, association: AssociationWriter, datasets: list[Dataset]) -> None:
    """Instances by an association that stays open, and their rows."""
    for one in datasets:
        store(association, encoded(one), one.SOPClassUID, one.SOPInstanceUID)
    bench.index()


def states(bench: Bench) -> list[tuple[str, int]]:
    """State and revision of each study, in the order in which they came."""
    order = {study(number)[0].StudyInstanceUID: number for number in range(1, 4)}
    found = bench.ask("SELECT study_uid, state, revision FROM dicom_node.studies")
    return [(state, revision) for uid, state, revision in sorted(found, key=lambda row: order[row[0]])]


def test_a_study_is_complete_after_close_and_silence_and_amended_by_a_late_slice(
    bench: Bench, assembler: Assembler
) -> None:
    datasets = study(1)
    association = bench.writer.open_association(SCANNER, {})
    bring(bench, association, datasets[:2])
    assert assembler.step() == HOLD
    bench.clock.sleep(HOLD - 1)
    assert assembler.step() == 1
    bench.writer.close_association(association, Close.RELEASED, "")
    bench.index()
    assert assembler.step() == SETTLE
    bench.clock.sleep(SETTLE)
    assert assembler.step() is None
    assert states(bench) == [("complete", 1)]
    send(bench.writer, datasets[2:])
    bench.index()
    assert states(bench) == [("amended", 1)]
    assembler.step()
    bench.clock.sleep(SETTLE)
    assembler.step()
    assert states(bench) == [("complete", 2)]
    kinds = bench.ask("SELECT envelope ->> 'type' FROM dicom_node.outbox ORDER BY seq")
    assert kinds == [("study.completed",), ("study.amended",)]
    assert [one for one in bench.actions() if one.startswith(("study", "instances came"))] == [
        "study completed",
        "instances came late",
        "study amended",
    ]
    assert bench.ask("SELECT revision FROM dicom_node.instances ORDER BY revision") == [(1,), (1,), (2,)]
    assert bench.chain_holds()


def test_silence_counts_for_each_study_by_itself_while_its_association_goes_on_with_others(
    bench: Bench, assembler: Assembler
) -> None:
    gateway = bench.writer.open_association(SCANNER, {})
    bring(bench, gateway, study(1))
    bring(bench, gateway, study(2))
    assembler.step()
    bench.clock.sleep(SETTLE)
    bring(bench, gateway, study(3))
    assembler.step()
    assert states(bench) == [("complete", 1), ("complete", 1), ("receiving", 0)]


def test_an_association_that_never_closes_holds_its_last_study_no_longer_than_the_bound(
    bench: Bench, assembler: Assembler
) -> None:
    gateway = bench.writer.open_association(SCANNER, {})
    bring(bench, gateway, study(1))
    assert assembler.step() == HOLD
    bench.clock.sleep(HOLD)
    assert assembler.step() is None
    assert states(bench) == [("complete", 1)]


def test_studies_interleaved_on_one_association_each_wait_for_their_own_silence(
    bench: Bench, assembler: Assembler
) -> None:
    first, second = study(1), study(2)
    gateway = bench.writer.open_association(SCANNER, {})
    for one, other in zip(first, second, strict=True):
        bring(bench, gateway, [one])
        bring(bench, gateway, [other])
        assembler.step()
        bench.clock.sleep(SETTLE - 1)
        assembler.step()
    assert states(bench) == [("receiving", 0), ("receiving", 0)]
    bench.clock.sleep(1)
    assembler.step()
    assert states(bench) == [("complete", 1), ("receiving", 0)]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_step_of_the_wall_clock_neither_stops_assembly_nor_hurries_it(
    bench: Bench, assembler: Assembler, hours: int
) -> None:
    send(bench.writer, study(1))
    bench.index()
    assembler.step()
    bench.clock.moment += timedelta(hours=hours)
    assert assembler.step() == SETTLE
    bench.clock.sleep(SETTLE)
    assert assembler.step() is None
    assert states(bench) == [("complete", 1)]


def test_an_assembler_that_starts_anew_goes_by_how_long_ago_the_last_of_a_study_came(
    bench: Bench, assembler: Assembler
) -> None:
    send(bench.writer, study(1))
    send(bench.writer, study(2))
    bench.index()
    it_was(bench, study(1), HOLD)
    anew = Assembler(bench.as_process("assemble"), SettlePolicy(SETTLE, {}), bench.clock)
    again_in = anew.step()
    assert states(bench) == [("complete", 1), ("receiving", 0)]
    bench.clock.sleep(again_in or 0)
    anew.step()
    assert states(bench) == [("complete", 1), ("complete", 1)]


def it_was(bench: Bench, datasets: list[Dataset], seconds: float) -> None:
    """All that happened to a study lies so much further back, by the database's clock."""
    uid, back = datasets[0].StudyInstanceUID, f"make_interval(secs => {seconds})"
    of_it = (
        "id IN (SELECT sa.association_id FROM dicom_node.study_associations sa "
        f"JOIN dicom_node.studies s ON s.id = sa.study_id WHERE s.study_uid = '{uid}')"
    )
    bench.as_owner(
        f"UPDATE dicom_node.studies SET last_received = last_received - {back} WHERE study_uid = '{uid}'",
        f"UPDATE dicom_node.associations SET closed_at = closed_at - {back} WHERE {of_it}",
    )
