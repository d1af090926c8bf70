"""Results that are taken back on a real PostgreSQL: what is not out goes nowhere, what is out gets a rejection note."""

from collections.abc import Sequence

import pytest

from consumers.steps.deliver import DeliveryTo
from consumers.steps.retry import retry
from consumers.steps.withdraw import withdraw, withdraw_results
from dicom_node.scu.store import Verdict
from domain.errors import Permanent
from models.registry import Registry
from tests.contract.test_delivering import deliver, delivery, sender
from tests.support.bench import Bench
from tests.support.working import ARCHIVE, SMALL, FakeChild, events, route, study, study_id, worker, write_and_plan

WHY = "the study is another patient's"
STORED = [Verdict.STORED] * 2


@pytest.fixture
def written(bench: Bench, registry: Registry) -> Bench:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    return bench


def take_back(bench: Bench) -> int:
    with bench.ledger.transaction() as transaction:
        return withdraw(transaction, study_id(bench), WHY, bench.clock.now())


def notes(bench: Bench) -> Sequence[tuple[str, str, str]]:
    return bench.ask("SELECT destination, cause, state FROM dicom_node.rejections")


def test_what_is_not_out_goes_nowhere_and_needs_no_note(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert take_back(written) == 1
    assert delivery(written) == ("cancelled", f"its results were withdrawn: {WHY}")
    assert notes(written) == []
    assert deliver(written, monkeypatch, STORED) == []
    assert study(written) == ("complete", f"results withdrawn: {WHY}")
    assert written.actions()[-2:] == ["delivery cancelled", "results withdrawn"]


def test_what_is_out_gets_a_note_and_an_announcement(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, STORED)
    assert take_back(written) == 1
    assert notes(written) == [("PACS", "withdrawn", "pending")]
    (event,) = events(written, "results.rejected")
    assert event.data.encode()["cause"] == "withdrawn" and event.data.encode()["notes"] == 1
    assert written.chain_holds()


def test_what_arrived_in_part_is_out(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.RETRY])
    take_back(written)
    assert notes(written) == [("PACS", "withdrawn", "pending")]
    assert delivery(written)[0] == "cancelled"


def test_what_a_sender_has_in_hand_may_be_out(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent at this very moment: whether it arrives, nobody can say, and what is said of it counts no more."""
    taken = []

    def run(*_: object) -> list[object]:
        taken.append(take_back(written))
        return []

    monkeypatch.setattr(DeliveryTo, "_send", lambda *_: iter(run()))
    sender(written).step()
    assert taken == [1]
    assert delivery(written) == ("cancelled", f"its results were withdrawn: {WHY}")
    assert notes(written) == [("PACS", "withdrawn", "pending")]


def test_what_never_reached_its_destination_is_not_out(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there."""
    sender(written).step()
    take_back(written)
    assert notes(written) == []


def test_a_second_time_takes_nothing_back(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, STORED)
    assert (take_back(written), take_back(written)) == (1, 0)
    assert len(notes(written)) == len(events(written, "results.rejected")) == 1
    with pytest.raises(Permanent, match="nothing to withdraw"):
        withdraw_results(written.ledger, study_id(written), WHY, written.clock.now())


def test_findings_whose_results_are_not_written_are_taken_back_too(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    assert take_back(bench) == 1
    write_and_plan(bench, [ARCHIVE])
    assert (bench.count("results"), bench.count("deliveries")) == (0, 0)


def test_results_that_are_not_planned_yet_are_planned_nowhere(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [])
    take_back(bench)
    write_and_plan(bench, [ARCHIVE])
    assert bench.count("deliveries") == 0


def test_a_run_that_goes_on_is_stopped_and_its_outcome_dropped(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    child = FakeChild(registry)
    child.during = lambda: take_back(bench)
    worker(bench, child).step()
    assert bench.ask("SELECT state, findings FROM dicom_node.jobs") == [("cancelled", None)]
    assert events(bench, "inference.completed") == []


def test_another_try_of_the_study_brings_nothing_back(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, [Verdict.REFUSED] * 2)
    assert study(written)[0] == "stuck"
    assert withdraw_results(written.ledger, study_id(written), WHY, written.clock.now()) == 1
    assert study(written) == ("complete", f"results withdrawn: {WHY}")
    retry(written.ledger, study_id(written), registry.packages.values(), written.clock.now())
    route(written, registry)
    write_and_plan(written, [ARCHIVE])
    assert deliver(written, monkeypatch, STORED) == []
    assert delivery(written)[0] == "cancelled"
