"""Models that start on a series that is whole while others of its study arrive, on a real PostgreSQL.

The series arrive over one association that stays open, moved by the test's clock.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from pydicom import Dataset

from config.rules import Rule
from consumers.steps.adopt import adopt
from consumers.steps.request_summary import request_when_ended
from consumers.steps.retry import retry
from consumers.steps.route import Router
from consumers.steps.start_early import EarlyStarter
from dicom_node.spool import AssociationWriter, Close
from domain.early import LEFT_BEHIND
from domain.errors import NotSuitable, Permanent, Retryable, UnusableInput
from domain.progress import progress
from domain.routing import Conditions
from models.manifest import Priors
from models.registry import Registry
from store.jobs import JOBS
from store.queries.path import study_path
from tests.contract.test_working import with_another
from tests.support.bench import Bench
from tests.support.ingest import SCANNER, encoded, send, store
from tests.support.working import (
    ARCHIVE,
    SMALL,
    FakeChild,
    events,
    route,
    study,
    study_id,
    worker,
    write_and_plan,
)

FIRST = SMALL.datasets()


def localizer(count: int = 3) -> list[Dataset]:
    """A series of the same study that no model wants."""
    made = replace(SMALL, slices=count, series="2").datasets()
    for one in made:
        one.Modality = "MR"
    return made


THINNER = replace(SMALL, spacing=(2.5, 3.0, 3.0), series="3")


def thinner() -> list[Dataset]:
    """A series that a model of volumes wants as well, and likes better."""
    return THINNER.datasets()


@dataclass
class Scanner:
    """A sender that takes its time, and the step that watches what comes of it."""

    bench: Bench
    association: AssociationWriter
    starter: EarlyStarter

    def brings(self, datasets: list[Dataset]) -> None:
        for one in datasets:
            store(self.association, encoded(one), one.SOPClassUID, one.SOPInstanceUID)
        self.bench.index()
        self.starter.step()

    def waits(self, seconds: float = LEFT_BEHIND) -> None:
        self.bench.clock.sleep(seconds)
        self.starter.step()

    def goes_on_to(self, datasets: list[Dataset]) -> None:
        """Another series begins, and comes for a while."""
        self.bench.clock.sleep(LEFT_BEHIND)
        self.brings(datasets)
        self.waits()

    def ends(self) -> None:
        self.bench.writer.close_association(self.association, Close.RELEASED, "")
        self.bench.index()
        self.bench.settle()


@pytest.fixture
def scanner(bench: Bench, registry: Registry) -> Iterator[Scanner]:
    yield scanner_of(bench, registry)


def scanner_of(bench: Bench, registry: Registry, rules: list[Rule] | None = None, most: int = 8) -> Scanner:
    router = Router(registry.packages.values, lambda: rules, bench.clock)
    starter = EarlyStarter(bench.as_process("assemble"), router, bench.clock, most)
    return Scanner(bench, bench.writer.open_association(SCANNER, {}), starter)


def jobs(bench: Bench) -> list[tuple[int, str, bool]]:
    return bench.ask("SELECT revision, state, early FROM dicom_node.jobs ORDER BY requested_at")


def sets_of_results(bench: Bench) -> int:
    return int(bench.ask("SELECT count(DISTINCT job_id) FROM dicom_node.results")[0][0])


def started(bench: Bench, registry: Registry, scanner: Scanner, child: FakeChild | None = None) -> FakeChild:
    """The first series was left behind, and the model has run on it while the other comes."""
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    made = child or FakeChild(registry)
    assert worker(bench, made).step()
    return made


def test_a_model_runs_on_a_series_that_is_whole_while_another_comes_and_once_for_the_complete_study(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    child = started(bench, registry, scanner)
    assert study(bench)[0] == "receiving"
    assert jobs(bench) == [(1, "found_early", True)]
    assert events(bench, "inference.completed") == []
    scanner.brings(localizer()[1:])
    scanner.ends()
    route(bench, registry)
    assert jobs(bench) == [(1, "succeeded", False)]
    assert study(bench) == ("complete", "body_and_bone done early; results are being written")
    assert not worker(bench, child).step()
    write_and_plan(bench, [ARCHIVE])
    route(bench, registry)
    write_and_plan(bench, [ARCHIVE])
    assert (len(child.tasks), sets_of_results(bench), bench.count("deliveries")) == (1, 1, 1)
    assert [len(events(bench, f"inference.{one}")) for one in ("requested", "completed")] == [1, 1]
    early = [one for one in bench.actions() if "inference" in one or one.startswith(("study", "models"))]
    assert early == [
        "inference started early", "inference leased", "inference done", "study completed",
        "early inference taken over", "models chosen", "models chosen",
    ]  # fmt: skip
    assert bench.chain_holds()


def test_status_says_that_a_model_was_started_early_and_why(bench: Bench, registry: Registry, scanner: Scanner) -> None:
    started(bench, registry, scanner)
    path = study_path(bench.database, study_id(bench))
    place = progress(path.study, path.jobs, path.results, path.deliveries)
    assert place.where == "receiving"
    said = "body_and_bone found early (started early: a series was whole while others were arriving)"
    assert place.why.endswith(said.replace("a series", "series 1")), place.why
    assert path.jobs[0].findings is None


def test_the_first_series_is_not_started_while_it_comes_nor_where_it_lacks_a_slice(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    scanner.brings([*FIRST[:1], *FIRST[2:]])
    scanner.waits(60)
    assert bench.count("jobs") == 0
    scanner.goes_on_to(localizer())
    assert bench.count("jobs") == 0


def test_series_that_come_side_by_side_are_not_left_behind(bench: Bench, scanner: Scanner) -> None:
    for one, other in zip(FIRST, localizer(4), strict=True):
        scanner.brings([one, other])
        scanner.waits(LEFT_BEHIND / 2)
    assert bench.count("jobs") == 0


def test_a_series_that_another_association_is_still_bringing_is_not_left_behind(bench: Bench, scanner: Scanner) -> None:
    stalled = replace(scanner, association=bench.writer.open_association(SCANNER, {}))
    stalled.brings(FIRST)
    scanner.goes_on_to(localizer())
    assert bench.count("jobs") == 0
    bench.writer.close_association(stalled.association, Close.RELEASED, "")
    bench.index()
    scanner.waits()
    assert jobs(bench) == [(1, "requested", True)]


def test_a_series_waits_for_the_images_that_its_sender_says_it_has(bench: Bench, scanner: Scanner) -> None:
    said = SMALL.datasets()
    for one in said:
        one.NumberOfSeriesRelatedInstances = 5
    scanner.brings(said)
    scanner.goes_on_to(localizer())
    assert bench.count("jobs") == 0


def test_the_impression_is_asked_for_when_the_complete_study_wants_what_was_found_early(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    assert worker(bench, FakeChild(registry), when_ended=request_when_ended).step()
    assert bench.count("summaries") == 0
    scanner.ends()
    router = Router(registry.packages.values, lambda: None, bench.clock, when_asked=request_when_ended)
    with bench.as_process("assemble").transaction() as transaction:
        router(transaction, events(bench, "study.completed")[0])
    assert bench.count("summaries") == 1


def test_a_late_slice_of_the_series_throws_the_early_run_away_and_there_is_one_set_of_results(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    scanner.brings(FIRST[:3])
    scanner.goes_on_to(localizer()[:1])
    assert worker(bench, FakeChild(registry)).step()
    assert jobs(bench) == [(1, "found_early", True)]
    scanner.brings(FIRST[3:])
    scanner.goes_on_to(localizer()[1:])
    assert jobs(bench) == [(1, "found_early", True)], "a second guess of one model on one revision"
    scanner.ends()
    route(bench, registry)
    assert jobs(bench) == [(1, "cancelled", True), (1, "requested", False)]
    child = FakeChild(registry)
    while worker(bench, child).step():
        pass
    assert [len(task.files["ct"]) for task in child.tasks] == [4]
    write_and_plan(bench, [ARCHIVE])
    assert sets_of_results(bench) == 1


@pytest.mark.parametrize("ran", [False, True])
def test_a_late_slice_before_or_while_an_early_job_runs_ends_it_at_once(
    bench: Bench, registry: Registry, scanner: Scanner, ran: bool
) -> None:
    scanner.brings(FIRST[:3])
    scanner.goes_on_to(localizer()[:1])

    def late() -> None:
        scanner.brings(FIRST[3:])

    if not ran:
        late()
    child = FakeChild(registry, during=late)
    assert worker(bench, child).step() is ran
    assert (jobs(bench), len(child.tasks)) == ([(1, "cancelled", True)], int(ran))
    assert study(bench)[0] == "receiving"


def test_after_completion_a_late_slice_runs_only_its_own_model_again_and_supersedes(
    bench: Bench, registry: Registry
) -> None:
    both = with_another(registry)
    rules = [
        Rule("a", "body_and_bone", Conditions(series_description="first")),
        Rule("b", "other", Conditions(not_series_description="first")),
    ]
    scanner = scanner_of(bench, both, rules)
    first = replace(SMALL, slices=5, series_description="first").datasets()
    scanner.brings(first[:4])
    scanner.goes_on_to(thinner())
    scanner.ends()
    child = FakeChild(both)
    while worker(bench, child).step():
        pass
    route(bench, both, rules)
    while worker(bench, child).step():
        pass
    assert [task.package for task in child.tasks] == ["body_and_bone", "other"]
    handled: set[uuid.UUID] = set()
    write_and_plan(bench, [ARCHIVE], handled)
    bench.receive(first[4:])
    route(bench, both, rules)
    while worker(bench, child).step():
        pass
    assert [(task.package, len(task.files["ct"])) for task in child.tasks[2:]] == [("body_and_bone", 5)]
    write_and_plan(bench, [ARCHIVE], handled)
    numbers = "SELECT result_number FROM dicom_node.jobs WHERE model = 'body_and_bone' ORDER BY 1"
    assert bench.ask(numbers) == [(1,), (2,)]


def test_an_early_result_never_goes_out_where_the_model_prefers_a_series_that_came_later(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    child = started(bench, registry, scanner)
    scanner.brings(thinner())
    scanner.ends()
    route(bench, registry)
    assert jobs(bench) == [(1, "cancelled", True), (1, "requested", False)]
    child.phantom = THINNER
    assert worker(bench, child).step() and not worker(bench, child).step()
    assert set(child.tasks[0].files["ct"]).isdisjoint(child.tasks[1].files["ct"])
    write_and_plan(bench, [ARCHIVE])
    assert (sets_of_results(bench), len(events(bench, "inference.completed"))) == (1, 1)
    cancelled = bench.ask("SELECT reason FROM dicom_node.jobs WHERE early")
    assert cancelled == [("started early in vain: the complete study wants another input for the model, or none",)]
    assert retry(bench.ledger, study_id(bench), list(registry.packages.values()), bench.clock.now()).jobs == 0
    write_and_plan(bench, [ARCHIVE])
    assert sets_of_results(bench) == 1


def test_a_model_waits_while_a_series_comes_that_it_might_prefer(bench: Bench, scanner: Scanner) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(thinner()[:1])
    assert bench.count("jobs") == 0
    scanner.goes_on_to(localizer()[:1])
    assert bench.ask("SELECT started_early FROM dicom_node.jobs") == [
        ("series 1 was whole while others were arriving",)
    ]


@pytest.mark.parametrize("state", ["requested", "running"])
def test_the_study_is_complete_before_its_early_run_has_ended_and_takes_it_over(
    bench: Bench, registry: Registry, scanner: Scanner, state: str
) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])

    def complete() -> None:
        scanner.ends()
        route(bench, registry)

    if state == "requested":
        complete()
        assert bench.ask("SELECT state, started_early <> '' FROM dicom_node.jobs") == [("requested", True)]
    child = FakeChild(registry, during=complete if state == "running" else None)
    assert worker(bench, child).step()
    assert jobs(bench) == [(1, "succeeded", False)]
    write_and_plan(bench, [ARCHIVE])
    assert (len(child.tasks), sets_of_results(bench)) == (1, 1)


@pytest.mark.parametrize(
    "error", [UnusableInput("no use"), NotSuitable("a phantom"), Permanent("no"), ValueError("a defect")]
)
def test_what_ends_an_early_run_stops_no_study_and_the_complete_one_asks_again(
    bench: Bench, registry: Registry, scanner: Scanner, error: Exception
) -> None:
    started(bench, registry, scanner, FakeChild(registry, [error]))
    assert jobs(bench) == [(1, "cancelled", True)]
    assert study(bench)[0] == "receiving"
    assert not any(events(bench, f"inference.{one}") for one in ("failed", "not_suitable", "completed"))
    scanner.ends()
    route(bench, registry)
    assert jobs(bench) == [(1, "requested", False)]
    assert bench.ask("SELECT started_early FROM dicom_node.jobs") == [("",)], "this run begins after completion"
    assert worker(bench, FakeChild(registry)).step()
    assert jobs(bench) == [(1, "succeeded", False)]


def test_what_is_started_early_for_a_revision_is_left_alone_by_those_before_it(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    bench.receive(FIRST[:3])
    scanner.brings(FIRST[3:])
    scanner.goes_on_to(localizer()[:1])
    route(bench, registry)
    assert jobs(bench) == [(2, "requested", True), (1, "requested", False)]
    scanner.ends()
    route(bench, registry)
    assert sorted(jobs(bench)) == [(1, "cancelled", False), (2, "requested", False)]


def test_early_jobs_are_no_backlog(bench: Bench, registry: Registry, scanner: Scanner) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    with bench.database.transaction() as connection:
        assert (bench.count("jobs"), JOBS.backlog(connection).count) == (1, 0)


def test_a_worker_that_is_lost_in_an_early_run_loses_it_to_another(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    with pytest.raises(KeyboardInterrupt):
        worker(bench, FakeChild(registry, [KeyboardInterrupt()])).step()  # type: ignore[list-item]
    assert jobs(bench) == [(1, "running", True)]
    bench.pass_time(700)
    child = FakeChild(registry)
    assert worker(bench, child, "w2").step()
    assert jobs(bench) == [(1, "found_early", True)]


def test_an_assembler_that_begins_anew_starts_nothing_twice_and_forgets_nothing(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    started(bench, registry, scanner)
    again = replace(scanner, starter=scanner_of(bench, registry).starter)
    again.waits()
    again.goes_on_to(localizer()[1:])
    assert jobs(bench) == [(1, "found_early", True)]
    again.ends()
    route(bench, registry)
    assert jobs(bench) == [(1, "succeeded", False)]


def test_nothing_goes_out_of_a_study_that_turned_out_to_be_two_patients(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    started(bench, registry, scanner)
    stranger = localizer()[1:]
    for one in stranger:
        one.PatientID, one.PatientName = "PHANTOM-2", "Other^Body"
    scanner.brings(stranger)
    scanner.ends()
    route(bench, registry)
    assert study(bench)[0] == "stuck"
    write_and_plan(bench, [ARCHIVE])
    assert (jobs(bench), bench.count("results")) == ([(1, "found_early", True)], 0)
    assert not worker(bench, FakeChild(registry)).step()


def test_no_early_job_of_two_patients_is_run(bench: Bench, registry: Registry, scanner: Scanner) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    stranger = localizer()[1:]
    for one in stranger:
        one.PatientID, one.PatientName = "PHANTOM-2", "Other^Body"
    scanner.brings(stranger)
    assert not worker(bench, FakeChild(registry)).step()


def test_an_image_that_is_corrected_after_the_early_run_is_read_again(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    started(bench, registry, scanner)
    scanner.ends()
    corrected = SMALL.datasets()[0]
    corrected.ReferringPhysicianName = "Corrected^Name"
    send(bench.writer, [corrected])
    bench.index()
    ((number,),) = bench.ask("SELECT max(id) FROM dicom_node.conflicts")
    adopt(bench.ledger, bench.objects, number, bench.clock.now())
    bench.receive([])
    route(bench, registry)
    assert [(state, early) for _, state, early in jobs(bench)] == [("cancelled", True), ("requested", False)]


def test_an_early_run_does_not_read_a_file_that_a_loss_of_power_left_half_written(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    ((key,),) = bench.ask("SELECT object_key FROM dicom_node.instances ORDER BY sop_uid LIMIT 1")
    whole = bench.objects.get(key)
    bench.objects.put(key, [whole[:200], bytes(len(whole) - 200)])
    child = FakeChild(registry)
    assert worker(bench, child).step()
    assert (jobs(bench), child.tasks) == ([(1, "requested", True)], [])
    bench.objects.put(key, [whole])
    bench.pass_time(10)
    assert worker(bench, child).step()
    assert jobs(bench) == [(1, "found_early", True)]


def test_jobs_of_complete_studies_go_first_whoever_began_to_wait_first(
    bench: Bench, registry: Registry, scanner: Scanner
) -> None:
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    complete = replace(SMALL, study="2", slices=5)
    bench.receive(complete.datasets())
    route(bench, registry)
    child = FakeChild(registry)
    assert worker(bench, child).step() and worker(bench, child).step()
    assert [len(task.files["ct"]) for task in child.tasks] == [5, 4]


def test_no_more_early_jobs_wait_than_the_bound(bench: Bench, registry: Registry) -> None:
    scanner = scanner_of(bench, with_another(registry), most=1)
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    assert jobs(bench) == [(1, "requested", True)]


def test_a_model_that_compares_with_an_earlier_study_waits_for_the_complete_one(
    bench: Bench, registry: Registry
) -> None:
    package = registry.get("body_and_bone")
    comparing = replace(package, manifest=replace(package.manifest, priors=Priors()))
    scanner = scanner_of(bench, Registry({"body_and_bone": comparing}))
    scanner.brings(FIRST)
    scanner.goes_on_to(localizer()[:1])
    assert bench.count("jobs") == 0


def test_an_early_run_that_may_succeed_later_is_tried_again(bench: Bench, registry: Registry, scanner: Scanner) -> None:
    child = started(bench, registry, scanner, FakeChild(registry, [Retryable("out of memory")]))
    assert jobs(bench) == [(1, "requested", True)]
    bench.pass_time(10)
    assert worker(bench, child).step()
    assert jobs(bench) == [(1, "found_early", True)]
