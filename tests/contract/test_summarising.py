"""Impressions on a real PostgreSQL: asked for when the last model ends, written once, superseded by other findings."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from typer.testing import CliRunner, Result

from audit.trail import newest_entries
from config.retries import SUMMARIES as POLICY
from console.cli.app import app
from consumers.leased import LeasedLoop
from consumers.steps.cancel import cancel
from consumers.steps.request_summary import request_when_ended, summarise_again
from consumers.steps.retry import retry
from consumers.steps.route import Router
from consumers.steps.summarise import Summarising, Written
from consumers.steps.withdraw import withdraw_results
from domain.errors import NodeError, NotSuitable, Permanent, Retryable, UnusableInput
from domain.events import SummaryCompleted, SummaryFailed
from domain.findings import Code
from domain.ids import StudyId
from domain.impressions import Author, Fact, Facts, FactSource, Impression, Part, Presence, Sentence
from domain.retention import What
from models.registry import Registry
from store.holders import Holder
from store.retention import candidates, drop_results
from store.studied import StudiedStudy
from store.summaries import Summary, newest
from tests.contract.test_working import with_another
from tests.support.bench import Bench
from tests.support.working import LEASE, SMALL, FakeChild, events, study, study_id, worker

LUNG = Code("39607008", "SCT", "Lung")


@dataclass
class Writer:
    """Tells each model's first segment; answers first with what it was told to."""

    answers: list[NodeError] = field(default_factory=list)
    asked: list[StudiedStudy] = field(default_factory=list)

    def __call__(self, study: StudyId, found: StudiedStudy) -> Written:
        self.asked.append(found)
        if self.answers:
            raise self.answers.pop(0)
        titles = [(f"F{number}", run) for number, run in enumerate(found.runs, 1)]
        facts = [Fact(name, LUNG, "Lung", Presence.MEASURED, run.findings.model.title) for name, run in titles]
        sources = [FactSource(name, run.job, Part.SEGMENT, 0) for name, run in titles]
        said = Sentence("The lungs were measured.", tuple(name for name, _ in titles))
        made = Facts(tuple(facts), found.modality, found.body_part, unread=found.unread)
        return Written(made, tuple(sources), Impression((said,), Author.TEMPLATE, "checks 1"))


def route(bench: Bench, registry: Registry) -> None:
    router = Router(registry.packages.values, lambda: None, bench.clock, when_asked=request_when_ended)
    for event in [*events(bench, "study.completed"), *events(bench, "study.amended")]:
        with bench.as_process("assemble").transaction() as transaction:
            router(transaction, event)


def run_models(bench: Bench, registry: Registry, answers: Sequence[Exception | None] = (), most: int = 9) -> None:
    """Run what waits, `most` of it."""
    loop = worker(bench, FakeChild(registry, list(answers)), when_ended=request_when_ended)
    while most and loop.step():
        most -= 1


def writing(bench: Bench, writer: Writer, name: str = "s1") -> LeasedLoop[Summary, Written]:
    ledger = bench.as_process("summarise")
    return LeasedLoop(
        ledger, Summarising(ledger.database, writer, POLICY, bench.clock), Holder(name, bench.life()), LEASE
    )


def impressions(bench: Bench) -> list[tuple[int, int, str]]:
    return [
        (number, revision, state)
        for number, revision, state in bench.ask(
            "SELECT number, revision, state FROM dicom_node.summaries ORDER BY number"
        )
    ]


def the_newest(bench: Bench) -> Summary:
    with bench.database.transaction() as connection:
        found = newest(connection, study_id(bench))
    assert found is not None
    return found


def run(bench: Bench, *words: str, code: int = 0) -> Result:
    url = bench.database._engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(app, ["summary", *words, "--database", url])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def both(registry: Registry) -> Registry:
    """Two models that want the study."""
    return with_another(registry)


@pytest.fixture
def asked(bench: Bench, both: Registry) -> Bench:
    """A study of which both were asked."""
    bench.receive(SMALL.datasets())
    route(bench, both)
    return bench


def test_an_impression_is_asked_for_when_the_last_model_ends_and_not_before(asked: Bench, both: Registry) -> None:
    run_models(asked, both, most=1)
    assert impressions(asked) == []
    run_models(asked, both)
    assert impressions(asked) == [(1, 1, "requested")]
    writer = Writer()
    loop = writing(asked, writer)
    assert loop.step() and not loop.step()
    assert impressions(asked) == [(1, 1, "succeeded")]
    made = the_newest(asked)
    assert made.impression and [one.text for one in made.impression.sentences] == ["The lungs were measured."]
    assert made.facts and (made.facts.modality, made.facts.unread) == ("CT", 0)
    assert {one.job for one in made.sources} == {run.job for run in writer.asked[0].runs}
    (event,) = events(asked, "summary.completed")
    assert event.of(SummaryCompleted) == SummaryCompleted(made.id, 1, 2, 1, "template")
    assert asked.actions()[-4:] == ["inference done", "impression requested", "impression leased", "impression done"]
    assert asked.chain_holds()


def test_an_entry_says_who_wrote_it_and_the_digest_of_all_that_it_was_told(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    writing(asked, Writer()).step()
    (entry,) = [one for one in newest_entries(asked.database, 50).rows if one.action == "impression done"]
    shown = run(asked, "show", str(study_id(asked)), "--payload")
    payload = shown.stdout_bytes.rstrip(b"\n")
    assert entry.details["payload"] == hashlib.sha256(payload).hexdigest()
    assert "nothing left for this impression" in shown.stderr
    assert (entry.details["author"], entry.details["checker"]) == ("template", "checks 1")


@pytest.mark.parametrize(
    ("answers", "unread"),
    [
        ([NotSuitable("a phantom"), None], 1),
        ([None, UnusableInput("slices are missing")], 1),
        ([None, None], 0),
    ],
    ids=["not suitable", "failed", "succeeded"],
)
def test_however_the_last_model_ends_there_is_an_impression_of_what_the_others_found(
    asked: Bench, both: Registry, answers: list[Exception | None], unread: int
) -> None:
    run_models(asked, both, answers)
    if len(answers) == 2 and study(asked)[0] == "stuck":
        asked.as_owner("UPDATE dicom_node.studies SET state = 'complete'")
    writing(asked, writer := Writer()).step()
    assert [(len(one.runs), one.unread) for one in writer.asked] == [(2 - unread, unread)]


def test_a_study_of_which_no_model_has_findings_has_no_impression(asked: Bench, both: Registry) -> None:
    run_models(asked, both, [NotSuitable("a phantom"), NotSuitable("a phantom")])
    assert impressions(asked) == []
    assert "no impression of it was asked for" in run(asked, "show", str(study_id(asked)), code=1).stderr


def test_what_was_announced_twice_is_asked_for_once(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    route(asked, both)
    assert impressions(asked) == [(1, 1, "requested")]
    writing(asked, Writer()).step()
    route(asked, both)
    assert impressions(asked) == [(1, 1, "succeeded")]


def test_an_amended_study_has_an_impression_of_its_own_and_what_waits_for_the_older_is_cancelled(
    asked: Bench, both: Registry
) -> None:
    run_models(asked, both)
    more = replace(SMALL, slices=5).datasets()[4]
    asked.receive([more])
    assert not writing(asked, Writer()).step(), "an older one waits until it is known what the study wants"
    route(asked, both)
    run_models(asked, both)
    assert impressions(asked) == [(1, 1, "cancelled"), (2, 2, "requested")]
    writing(asked, Writer()).step()
    assert impressions(asked)[1] == (2, 2, "succeeded")


def test_what_waits_for_a_revision_that_a_newer_one_left_without_findings_is_cancelled(
    asked: Bench, both: Registry
) -> None:
    run_models(asked, both)
    asked.receive([replace(SMALL, slices=5).datasets()[4]])
    route(asked, both)
    run_models(asked, both, [NotSuitable("a phantom"), NotSuitable("a phantom")])
    assert impressions(asked) == [(1, 1, "cancelled")]


def test_the_same_findings_are_the_same_impression_whatever_the_revision(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    writing(asked, Writer()).step()
    other = replace(SMALL, series="2", slices=1).datasets()[0]
    other.Modality = "SR"
    asked.receive([other])
    route(asked, both)
    assert [row[0] for row in asked.ask("SELECT DISTINCT revision FROM dicom_node.jobs")] == [2]
    assert impressions(asked) == [(1, 2, "succeeded")]


def test_a_model_that_is_tried_again_and_has_findings_then_brings_another_impression(
    asked: Bench, both: Registry
) -> None:
    run_models(asked, both, [UnusableInput("slices are missing"), None])
    asked.as_owner("UPDATE dicom_node.studies SET state = 'complete'")
    writing(asked, Writer()).step()
    retry(asked.ledger, study_id(asked), [*both.packages.values()], asked.clock.now())
    run_models(asked, both)
    assert impressions(asked) == [(1, 1, "succeeded"), (2, 1, "requested")]


def test_one_that_was_overtaken_while_it_was_written_is_cancelled_and_writes_nothing(
    asked: Bench, both: Registry
) -> None:
    run_models(asked, both)
    writer = Writer()

    def amended(study: StudyId, found: StudiedStudy) -> Written:
        asked.receive([replace(SMALL, slices=5).datasets()[4]])
        route(asked, both)
        return writer(study, found)

    ledger = asked.as_process("summarise")
    work = Summarising(ledger.database, amended, POLICY, asked.clock)
    LeasedLoop(ledger, work, Holder("s1", asked.life()), LEASE).step()
    assert impressions(asked) == [(1, 1, "cancelled")]
    assert the_newest(asked).impression is None
    assert not events(asked, "summary.completed")


def test_a_holder_that_lost_it_writes_nothing_and_another_writes_it_once(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    second = Writer()

    def slow(study: StudyId, found: StudiedStudy) -> Written:
        asked.pass_time(LEASE + 1)
        loop = writing(asked, second, "s2")
        assert loop.step()
        return Writer()(study, found)

    ledger = asked.as_process("summarise")
    work = Summarising(ledger.database, slow, POLICY, asked.clock)
    LeasedLoop(ledger, work, Holder("s1", asked.life()), LEASE).step()
    assert len(second.asked) == 1
    assert len(events(asked, "summary.completed")) == 1
    assert impressions(asked) == [(1, 1, "succeeded")]


def test_what_may_pass_is_tried_again_and_the_study_goes_on_without_what_does_not(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    writer = Writer([Retryable("the provider is overloaded"), Permanent("the facts cannot be said")])
    loop = writing(asked, writer)
    assert loop.step() and not loop.step()
    asked.pass_time(2)
    assert loop.step()
    assert impressions(asked) == [(1, 1, "failed")]
    assert study(asked)[0] == "complete"
    (event,) = events(asked, "summary.failed")
    assert event.of(SummaryFailed).attempts == 2
    assert "the facts cannot be said" in run(asked, "show", str(study_id(asked))).stdout
    run(asked, "again", str(study_id(asked)))
    assert loop.step()
    assert impressions(asked) == [(1, 1, "succeeded")], "what never came is no other impression"


def test_a_defect_of_what_writes_ends_that_impression_and_no_process(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    assert writing(asked, Writer([ZeroDivisionError()])).step()  # type: ignore[list-item]
    assert impressions(asked) == [(1, 1, "failed")]


def test_a_person_has_another_one_written_of_the_same_findings(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    with pytest.raises(Permanent, match="is being written"):
        summarise_again(asked.ledger, study_id(asked), "alice")
    writing(asked, Writer()).step()
    assert summarise_again(asked.ledger, study_id(asked), "alice") == 2
    writing(asked, Writer()).step()
    route(asked, both)
    assert impressions(asked) == [(1, 1, "succeeded"), (2, 1, "succeeded")]
    asked_for = [one for one in newest_entries(asked.database, 50).rows if one.action == "impression requested"]
    assert [one.details.get("user") for one in asked_for] == [None, "alice"]


def test_a_cancelled_study_has_none_and_one_whose_results_are_withdrawn_has_none_that_counts(
    asked: Bench, both: Registry
) -> None:
    run_models(asked, both)
    ended = cancel(asked.ledger, study_id(asked), "a test", "alice", asked.clock.now(), ["PACS"])
    assert (ended.jobs, ended.impressions) == (0, 1)
    assert impressions(asked) == [(1, 1, "cancelled")]
    summarise_again(asked.ledger, study_id(asked), "alice")
    writing(asked, Writer()).step()
    withdraw_results(asked.ledger, study_id(asked), "left and right", "alice", asked.clock.now())
    assert the_newest(asked).withdrawn_at is not None
    assert "withdrawn" in run(asked, "show", str(study_id(asked))).stdout
    with pytest.raises(Permanent, match="no model has findings"):
        summarise_again(asked.ledger, study_id(asked), "alice")


def test_what_an_impression_says_goes_with_the_files_of_results_and_nothing_goes_while_it_is_written(
    asked: Bench, both: Registry
) -> None:
    run_models(asked, both)
    asked.as_owner("DELETE FROM dicom_node.outbox")
    retain = asked.as_process("retain")
    with retain.transaction() as transaction:
        (kept,) = candidates(transaction.connection, What.IMAGES, {}, study=study_id(asked))
    assert kept.kept == "its impression is being written"
    writing(asked, Writer()).step()
    with retain.transaction() as transaction:
        drop_results(transaction.connection, study_id(asked))
    made = the_newest(asked)
    assert (made.state, made.facts, made.impression, made.sources) == ("succeeded", None, None, ())
    assert "removed by retention" in run(asked, "show", str(study_id(asked))).stdout


def test_each_sentence_is_shown_with_its_facts_in_words(asked: Bench, both: Registry) -> None:
    run_models(asked, both)
    assert "requested" in run(asked, "show", str(study_id(asked))).stdout
    writing(asked, Writer()).step()
    shown = run(asked, "show", str(study_id(asked))).stdout
    assert "1. The lungs were measured." in shown
    assert "F1  Lung, measured (" in shown
    said = json.loads(run(asked, "show", str(study_id(asked)), "--json").stdout)
    assert said["impression"]["sentences"][0]["facts"] == ["F1", "F2"]
    assert said["state"] == "succeeded"
