"""Results of an amended study on a real PostgreSQL: numbered, and the old ones rejected where a profile wants it."""

from collections.abc import Iterator

import pytest
from pydicom import Dataset, dcmread

from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps import deliver as delivery_module
from consumers.steps.adopt import adopt
from consumers.steps.cancel import cancel
from consumers.steps.deliver import DeliveryTo, Sent
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.profiles import TakenBack
from models.registry import Registry
from store.deliveries import Delivery
from store.holders import Holder
from tests.contract.test_delivering import POLICY
from tests.contract.test_withdrawing import by_hand, notes, rejected, send_notes, take_back, write_notes
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.working import LEASE, SMALL, FakeChild, events, route, study_id, worker, write_and_plan

TOLD, UNTOLD = by_hand(), by_hand(supersede=TakenBack.NONE)


@pytest.fixture
def done(bench: Bench, registry: Registry) -> Bench:
    bench.receive(SMALL.datasets())
    infer(bench, registry)
    return bench


def infer(bench: Bench, registry: Registry) -> None:
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [TOLD])


def amend(bench: Bench, registry: Registry) -> None:
    """One of its images has another header from now on."""
    corrected = SMALL.datasets()[0]
    corrected.ReferringPhysicianName = "Corrected^Name"
    send(bench.writer, [corrected])
    bench.index()
    ((number,),) = bench.ask("SELECT max(id) FROM dicom_node.conflicts")
    adopt(bench.ledger, bench.objects, number, bench.clock.now())
    bench.receive([])
    infer(bench, registry)


def deliver(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, destination: ProfiledDestination = TOLD, stored: int = 2
) -> None:
    """One attempt of one delivery, of which so many objects are stored."""

    def sending(objects: list[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        for number, one in enumerate(objects):
            yield Outcome(one, Verdict.STORED if number < stored else Verdict.RETRY, "", 0)

    monkeypatch.setattr(delivery_module, "send", sending)
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, destination, "NODE", POLICY, 30, bench.clock)
    loop: LeasedLoop[Delivery, Sent] = LeasedLoop(bench.as_process("deliver"), work, Holder("d1", bench.life()), LEASE)
    loop.step()


def hold_old_back(bench: Bench) -> None:
    """The first results wait longer than any test."""
    old = "job_id IN (SELECT id FROM dicom_node.jobs WHERE result_number = 1)"
    bench.ask(f"UPDATE dicom_node.deliveries SET not_before = now() + interval '1 day' WHERE {old} RETURNING 1")


def reports(bench: Bench) -> list[Dataset]:
    """The reports in the order of their numbers."""
    found = bench.ask(
        "SELECT r.object_key FROM dicom_node.results r JOIN dicom_node.jobs j ON j.id = r.job_id "
        "WHERE r.kind = 'SR' ORDER BY j.result_number"
    )
    return [dcmread(bench.objects.path(key)) for (key,) in found]


def test_results_of_an_amended_study_are_numbered_and_name_what_they_supersede(done: Bench, registry: Registry) -> None:
    amend(done, registry)
    assert done.ask("SELECT result_number FROM dicom_node.jobs ORDER BY revision") == [(1,), (2,)]
    first, second = reports(done)
    made = done.ask("SELECT finished_at FROM dicom_node.jobs WHERE result_number = 1")[0][0]
    said = f"Result 2, supersedes result 1 of {made:%Y-%m-%d %H:%M}"
    assert second.ContributingEquipmentSequence[0].ContributionDescription.endswith(said)
    (study,) = second.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_results_of_a_study_that_was_cancelled_before_they_went_out_are_not_named(
    done: Bench, registry: Registry
) -> None:
    cancel(done.ledger, study_id(done), "a test", "alice", done.clock.now())
    amend(done, registry)
    (_, second) = reports(done)
    assert "PredecessorDocumentsSequence" not in second
    assert second.ContributingEquipmentSequence[0].ContributionDescription.endswith("Result 2")


def test_a_number_is_kept_when_results_are_written_again(done: Bench, registry: Registry) -> None:
    amend(done, registry)
    before = done.ask("SELECT sop_uid, digest FROM dicom_node.results ORDER BY 1")
    write_and_plan(done, [TOLD])
    assert done.ask("SELECT sop_uid, digest FROM dicom_node.results ORDER BY 1") == before
    assert done.ask("SELECT result_number FROM dicom_node.jobs ORDER BY revision") == [(1,), (2,)]


def test_the_old_results_are_rejected_when_the_new_ones_have_arrived(
    done: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(done, monkeypatch)
    old = {one for (one,) in done.ask("SELECT sop_uid FROM dicom_node.results")}
    amend(done, registry)
    assert notes(done) == []
    deliver(done, monkeypatch)
    assert notes(done) == [("PACS", "superseded", "pending")]
    write_notes(done, TOLD)
    (note,) = send_notes(done, monkeypatch, destination=TOLD)
    assert rejected(note) == ("113039", old)
    said = next(one.TextValue for one in dcmread(note.file).ContentSequence if one.ValueType == "TEXT")
    assert said.startswith("Result 1 of ") and "superseded by result 2" in said
    assert notes(done) == [("PACS", "superseded", "stored")]
    assert done.chain_holds()


def test_a_profile_that_does_not_want_it_has_both_side_by_side(
    done: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(done, monkeypatch, UNTOLD)
    amend(done, registry)
    deliver(done, monkeypatch, UNTOLD)
    assert (notes(done), events(done, "results.rejected")) == ([], [])


def test_old_results_that_never_arrived_are_not_rejected(
    done: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    amend(done, registry)
    hold_old_back(done)
    deliver(done, monkeypatch)
    assert notes(done) == []


def test_what_arrived_of_old_results_before_they_were_cancelled_is_rejected(
    done: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(done, monkeypatch, stored=1)  # the other waits to be sent again
    amend(done, registry)
    hold_old_back(done)
    deliver(done, monkeypatch)
    write_notes(done, TOLD)
    (note,) = send_notes(done, monkeypatch, destination=TOLD)
    assert len(rejected(note)[1]) == 1


def test_what_is_superseded_and_found_wrong_later_is_rejected_for_that_too(
    done: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(done, monkeypatch)
    amend(done, registry)
    deliver(done, monkeypatch)
    assert take_back(done) == 2
    assert sorted(cause for _, cause, _ in notes(done)) == ["superseded", "withdrawn", "withdrawn"]


def test_results_after_withdrawn_ones_supersede_nothing(
    done: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(done, monkeypatch)
    take_back(done)
    amend(done, registry)
    (_, second) = reports(done)
    assert "PredecessorDocumentsSequence" not in second
    assert second.ContributingEquipmentSequence[0].ContributionDescription.endswith(
        "Result 2; the one before was withdrawn"
    )
    deliver(done, monkeypatch)
    assert [cause for _, cause, _ in notes(done)] == ["withdrawn"]
