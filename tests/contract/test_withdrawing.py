"""Results that are taken back on a real PostgreSQL: what is not out goes nowhere, what is out gets a rejection note."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from audit.trail import newest_entries
from console.cli.app import app
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps import deliver_note
from consumers.steps.deliver import DeliveryTo
from consumers.steps.deliver_note import NotesTo
from consumers.steps.forget import Forgotten, forget
from consumers.steps.retry import retry
from consumers.steps.withdraw import Withdrawn, withdraw, withdraw_results
from consumers.steps.write_note import NoteWriter
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.errors import Permanent
from domain.profiles import TakenBack
from models.registry import Registry
from store.holders import Holder
from tests.contract.test_delivering import POLICY, deliver, delivery, sender
from tests.support.bench import Bench
from tests.support.working import (
    ARCHIVE,
    LEASE,
    SMALL,
    FakeChild,
    events,
    route,
    study,
    study_id,
    worker,
    write_and_plan,
)

WHY = "the study is another patient's"
WHO = "radiographer"
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
        withdraw_results(written.ledger, study_id(written), WHY, WHO, written.clock.now())


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
    assert withdraw_results(written.ledger, study_id(written), WHY, WHO, written.clock.now()) == Withdrawn(1, ())
    assert study(written) == ("complete", f"results withdrawn: {WHY}")
    retry(written.ledger, study_id(written), registry.packages.values(), written.clock.now())
    route(written, registry)
    write_and_plan(written, [ARCHIVE])
    assert deliver(written, monkeypatch, STORED) == []
    assert delivery(written)[0] == "cancelled"


def write_notes(bench: Bench, destination: ProfiledDestination = ARCHIVE) -> None:
    writer = NoteWriter(bench.objects, [destination], bench.clock)
    for event in events(bench, "results.rejected"):
        with bench.as_process("write").transaction() as transaction:
            writer(transaction, event)


def send_notes(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    verdict: Verdict = Verdict.STORED,
    reason: str = "",
    destination: ProfiledDestination = ARCHIVE,
) -> list[Outgoing]:
    """One attempt against an archive that gives this verdict; what it was sent."""
    sent: list[Outgoing] = []

    def send(objects: Sequence[Outgoing], *_: object) -> Iterator[Outcome]:
        for one in objects:
            sent.append(one)
            yield Outcome(one, verdict, reason, 0)

    monkeypatch.setattr(deliver_note, "send", send)
    work = NotesTo(bench.objects, destination, "NODE", POLICY, 30, bench.clock)
    LeasedLoop(bench.as_process("deliver"), work, Holder("d1", bench.life()), LEASE).step()
    return sent


def by_hand(withdraw: TakenBack = TakenBack.IOCM, supersede: TakenBack = TakenBack.IOCM) -> ProfiledDestination:
    return replace(ARCHIVE, profile=replace(ARCHIVE.profile, withdraw=withdraw, supersede=supersede))


def rejected(note: Outgoing) -> tuple[str, set[str]]:
    """The code of a note's title, and what it rejects."""
    document = dcmread(note.file)
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    (title,) = document.ConceptNameCodeSequence
    objects = [each for one in study.ReferencedSeriesSequence for each in one.ReferencedSOPSequence]
    return title.CodeValue, {one.ReferencedSOPInstanceUID for one in objects}


def test_a_note_names_everything_that_is_out_and_arrives(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, STORED)
    take_back(written)
    assert send_notes(written, monkeypatch) == []  # it is not written yet
    write_notes(written)
    write_notes(written)
    (note,) = send_notes(written, monkeypatch)
    assert rejected(note) == ("113037", {one for (one,) in written.ask("SELECT sop_uid FROM dicom_node.results")})
    assert notes(written) == [("PACS", "withdrawn", "stored")]
    assert send_notes(written, monkeypatch) == []
    assert written.actions().count("rejection note written") == 1
    assert written.chain_holds()


def test_a_note_that_nobody_takes_leaves_a_study_stuck_until_it_is_tried_again(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, STORED)
    take_back(written)
    write_notes(written)
    send_notes(written, monkeypatch, Verdict.REFUSED, "it takes no Key Object Selection")
    assert study(written) == ("stuck", "rejection note to PACS: it takes no Key Object Selection")
    retry(written.ledger, study_id(written), registry.packages.values(), written.clock.now())
    assert len(send_notes(written, monkeypatch)) == 1
    assert (study(written)[0], notes(written)[0][2]) == ("complete", "stored")


def test_a_profile_that_wants_no_notes_leaves_it_to_a_person(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, STORED)
    take_back(written)
    write_notes(written)
    assert send_notes(written, monkeypatch, destination=by_hand(withdraw=TakenBack.NONE)) == []
    ((state, reason),) = written.ask("SELECT state, reason FROM dicom_node.rejections")
    assert (state, reason.rpartition(": ")[2]) == ("cancelled", "what it has is to be taken out there by hand")


def test_a_forgotten_destination_is_told_nothing(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, STORED)
    take_back(written)
    write_notes(written)
    send_notes(written, monkeypatch, Verdict.REFUSED, "no")
    assert study(written)[0] == "stuck"
    for life in written.lives:
        life.close()
    assert forget(written.ledger, "PACS", written.clock.now()) == Forgotten(deliveries=0, notes=1, studies=1)
    assert (study(written)[0], notes(written)[0][2]) == ("complete", "cancelled")


@pytest.mark.parametrize("is_written", [True, False])
def test_a_note_that_was_forgotten_with_its_destination_goes_out_on_a_retry_once_that_is_one_again(
    written: Bench, registry: Registry, database_url: str, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    deliver(written, monkeypatch, STORED)
    take_back(written)
    if is_written:
        write_notes(written)
    for life in written.lives:
        life.close()
    told = CliRunner().invoke(app, ["destinations", "forget", "PACS", "--database", database_url]).stdout
    assert "1 rejection note cancelled: PACS keeps results that count no more" in told
    if not is_written:
        write_notes(written)  # the event is handled while nobody wants its note
    again = written.ledger, study_id(written), registry.packages.values(), written.clock.now()
    assert retry(*again).deliveries == 0
    assert notes(written)[0][2] == "cancelled"
    assert retry(*again, ["PACS"]).deliveries == 1
    write_notes(written)
    (note,) = send_notes(written, monkeypatch)
    assert len(rejected(note)[1]) == 2
    assert notes(written) == [("PACS", "withdrawn", "stored")]
    assert retry(*again, ["PACS"]).deliveries == 0
    assert written.chain_holds()


def test_a_note_that_a_profile_did_not_want_stays_a_persons_work(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, STORED)
    take_back(written)
    write_notes(written)
    send_notes(written, monkeypatch, destination=by_hand(withdraw=TakenBack.NONE))
    again = retry(written.ledger, study_id(written), registry.packages.values(), written.clock.now(), ["PACS"])
    assert (again.deliveries, notes(written)[0][2]) == (0, "cancelled")


def test_a_person_takes_results_back_and_is_told_what_becomes_of_them(
    written: Bench, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, STORED)
    command = ["results", "withdraw", str(study_id(written)), "--database", database_url, "--reason"]
    refused = CliRunner().invoke(app, [*command, " "])
    assert refused.exit_code != 0 and "say in words" in refused.output
    refused = CliRunner().invoke(app, [*command, "x" * 501])
    assert refused.exit_code != 0 and "at most 500 characters are kept, these are 501" in refused.output
    done = CliRunner().invoke(app, [*command, WHY])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "withdrawn: 1 result of models",
        "PACS has some: a rejection note goes there",
    ]
    (entry,) = [one for one in newest_entries(written.database, 20).rows if one.action == "results withdrawn"]
    assert (entry.details["reason"], entry.details["destinations"]) == (WHY, ["PACS"])
    assert entry.details["user"] and entry.by.role == "console"
    again = CliRunner().invoke(app, [*command, WHY])
    assert again.exit_code != 0 and "nothing to withdraw" in again.output
    shown = CliRunner().invoke(app, ["status", str(study_id(written)), "--database", database_url])
    assert "withdrawn" in shown.stdout and WHY in shown.stdout


def amend_elsewhere(bench: Bench, registry: Registry) -> None:
    """The study gets a series that no model reads."""
    late = replace(SMALL, series="9").datasets()[0]
    late.Modality = "SR"
    bench.receive([late])
    route(bench, registry)


def test_what_the_node_took_back_is_made_anew_of_the_same_images_under_other_uids(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where images of another patient were set aside, of which this model had read none."""
    deliver(written, monkeypatch, STORED)
    old = {one for (one,) in written.ask("SELECT sop_uid FROM dicom_node.results")}
    take_back(written)
    amend_elsewhere(written, registry)
    assert worker(written, FakeChild(registry)).step()
    write_and_plan(written, [ARCHIVE])
    assert len(deliver(written, monkeypatch, STORED)) == 2
    new = written.ask(
        "SELECT sop_uid FROM dicom_node.results r JOIN dicom_node.jobs j ON j.id = r.job_id WHERE j.result_number = 2"
    )
    assert len(new) == len(old) and not {one for (one,) in new} & old
    amend_elsewhere(written, registry)
    assert not worker(written, FakeChild(registry)).step()


def test_what_a_person_took_back_is_not_made_anew_of_the_same_images(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, STORED)
    withdraw_results(written.ledger, study_id(written), WHY, WHO, written.clock.now())
    amend_elsewhere(written, registry)
    assert not worker(written, FakeChild(registry)).step()
