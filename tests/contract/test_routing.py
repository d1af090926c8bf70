"""Routing on a real PostgreSQL: which models run on which input, once each, and what a newer revision changes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from config.rules import Rule
from consumers.bus.dead_letters import set_aside
from consumers.bus.protocol import Message
from consumers.steps.retry import retry
from domain.errors import Permanent, Retryable, UnusableInput
from domain.routing import Conditions
from inference_worker.model_process import TimedOut
from models.registry import Registry
from roles.table import GROUPS
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.packages import NAME, write_package
from tests.support.working import (
    ARCHIVE,
    SMALL,
    FakeChild,
    changed,
    events,
    job,
    route,
    study,
    study_id,
    worker,
    write_and_plan,
)


def test_a_job_is_requested_once_however_often_the_news_comes(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    route(bench, registry)
    assert job(bench)[0] == "requested"
    assert len(events(bench, "inference.requested")) == 1
    assert bench.ask("SELECT reason FROM dicom_node.decisions") == [("a series meets its intended use",)]


def test_a_model_that_no_rule_names_does_not_run_and_the_study_says_where_to_look(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry, rules=[Rule("r", "another", Conditions())])
    assert bench.count("jobs") == 0
    assert bench.ask("SELECT reason FROM dicom_node.decisions") == [("no rule names this model",)]
    assert study(bench) == ("complete", "no model wants it; `explain` says why")


def test_a_rule_narrows_what_the_package_allows(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    rule = Rule("thin", "body_and_bone", Conditions(max_spacing_mm=1))
    route(bench, registry, rules=[rule])
    ((reason, refusals),) = bench.ask("SELECT reason, refusals FROM dicom_node.decisions")
    assert reason == "no series meets both its intended use and rule 'thin'"
    assert list(refusals.values()) == [["slices lie 5 mm apart, farther than 1 mm"]]


def test_a_revision_that_was_overtaken_is_left_to_the_next(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets()[:3])
    bench.receive(SMALL.datasets()[3:])
    route(bench, registry)
    assert bench.ask("SELECT revision FROM dicom_node.jobs") == [(2,)]


def test_a_model_with_two_inputs_gets_a_series_for_each_or_does_not_run(bench: Bench, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "two")
    second = '[[inputs]]\nname = "late"\n[inputs.conditions]\nseries_description = "late"\n\n'
    second += '[[preprocessing]]\nstep = "stack"\n'
    manifest = (folder / "manifest.toml").read_text()
    first = manifest.replace('modality = ["CT"]\n', 'modality = ["CT"]\nnot_series_description = "late"\n')
    (folder / "manifest.toml").write_text(first.replace("[[preprocessing]]\n", second + "\n[[preprocessing]]\n", 1))
    registry = Registry.load(tmp_path / "two")
    late = replace(SMALL, series="2", series_description="late phase")
    bench.receive([*SMALL.datasets(), *late.datasets()])
    bench.receive(replace(SMALL, study="alone").datasets())
    route(bench, registry)
    child = FakeChild(registry)
    assert worker(bench, child).step()
    assert {name: len(files) for name, files in child.tasks[0].files.items()} == {"ct": 4, "late": 4}
    assert len({*child.tasks[0].files["ct"], *child.tasks[0].files["late"]}) == 8
    assert not worker(bench, child).step()
    refused = bench.ask("SELECT refusals FROM dicom_node.decisions WHERE series_id IS NULL")
    assert "would do, but the study has no series for late" in str(refused)
    write_and_plan(bench, [ARCHIVE])
    assert bench.count("results") == 2


def test_a_late_image_has_only_the_model_run_again_whose_series_it_is_of(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name, asked in ((NAME, "not_series_description"), ("of_late", "series_description")):
        folder = write_package(tmp_path).rename(tmp_path / "models" / name)
        manifest = (folder / "manifest.toml").read_text().replace(f'"{NAME}"', f'"{name}"')
        only = f'modality = ["CT"]\n{asked} = "late"\n'
        (folder / "manifest.toml").write_text(manifest.replace('modality = ["CT"]\n', only))
    registry = Registry.load(tmp_path / "models")
    late = replace(SMALL, slices=5, series="2", series_description="late phase").datasets()
    ran = []
    for images in ([*SMALL.datasets(), *late[:-1]], late[-1:]):
        bench.receive(images)
        route(bench, registry)
        child = FakeChild(registry)
        while worker(bench, child).step():
            pass
        ran.append(sorted(one.package for one in child.tasks))
    assert ran == [[NAME, "of_late"], ["of_late"]]
    kept = bench.ask("SELECT model, revision, state FROM dicom_node.jobs ORDER BY model, revision")
    assert kept == [(NAME, 2, "succeeded"), ("of_late", 1, "succeeded"), ("of_late", 2, "succeeded")]


def dose_report() -> list[Dataset]:
    """An instance that no model wants."""
    one = replace(SMALL, series="9").datasets()[0]
    one.Modality = "SR"
    return [one]


def jobs(bench: Bench) -> list[tuple[int, str]]:
    return bench.ask("SELECT revision, state FROM dicom_node.jobs ORDER BY requested_at, revision")


def test_a_run_that_a_newer_revision_does_not_want_is_cancelled_where_it_waits(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets()[:3])
    route(bench, registry)
    bench.receive(SMALL.datasets()[3:])
    route(bench, registry)
    assert jobs(bench) == [(1, "cancelled"), (2, "requested")]
    assert bench.actions().count("inference cancelled") == 1
    child = FakeChild(registry)
    while worker(bench, child).step():
        pass
    assert [len(task.files["ct"]) for task in child.tasks] == [4]
    assert bench.chain_holds()


@pytest.mark.parametrize("ending", [None, UnusableInput("no use"), Retryable("again")])
def test_the_outcome_of_a_run_that_was_overtaken_while_it_ran_counts_for_nothing(
    bench: Bench, registry: Registry, ending: Exception | None
) -> None:
    bench.receive(SMALL.datasets()[:3])
    route(bench, registry)

    def overtake() -> None:
        bench.receive(SMALL.datasets()[3:])
        route(bench, registry)

    assert worker(bench, FakeChild(registry, [ending], during=overtake)).step()
    assert jobs(bench) == [(1, "cancelled"), (2, "requested")]
    assert events(bench, "inference.completed") == []
    assert events(bench, "inference.failed") == []
    assert study(bench)[0] == "complete"


def test_a_run_that_a_newer_revision_wants_as_it_is_becomes_that_revisions_own(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    bench.receive(dose_report())
    route(bench, registry)
    assert jobs(bench) == [(2, "requested")]
    assert len(events(bench, "inference.requested")) == 1
    assert worker(bench, FakeChild(registry)).step()
    bench.receive([replace(SMALL, series="8").datasets()[0]])
    route(bench, registry)
    assert jobs(bench) == [(3, "succeeded")]
    assert study(bench) == ("complete", "nothing new for the models that want it")


@pytest.mark.parametrize("ending", [UnusableInput("a slice is missing"), TimedOut("too slow")])
def test_what_failed_for_an_earlier_revision_is_asked_for_again_by_one_that_wants_the_same(
    bench: Bench, registry: Registry, ending: Exception
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    one = worker(bench, FakeChild(registry, [ending] * 3))
    while one.step():
        bench.pass_time(100)
    assert study(bench)[0] == "stuck"
    route(bench, registry)
    assert not one.step()
    bench.receive(dose_report())
    route(bench, registry)
    assert jobs(bench) == [(2, "requested")]
    assert len(events(bench, "inference.requested")) == 2
    assert worker(bench, FakeChild(registry)).step()
    assert bench.ask("SELECT state, attempts FROM dicom_node.jobs") == [("succeeded", 1)]
    assert study(bench)[0] == "complete"


def test_a_failed_study_that_any_other_instance_completes_again_runs_again_and_can_be_retried(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry, [UnusableInput("a slice is missing")])).step()
    assert study(bench)[0] == "stuck"
    bench.receive(dose_report())
    packages = list(registry.packages.values())
    # By a person, before models are chosen anew, and after the run for the new revision failed as well.
    assert retry(bench.ledger, study_id(bench), packages, bench.clock.now()).events == 0
    route(bench, registry)
    assert worker(bench, FakeChild(registry, [UnusableInput("a slice is missing")])).step()
    assert study(bench)[0] == "stuck"
    assert retry(bench.ledger, study_id(bench), packages, bench.clock.now()).jobs == 1
    assert worker(bench, FakeChild(registry)).step()
    assert jobs(bench) == [(2, "succeeded")]
    assert study(bench)[0] == "complete"


@pytest.mark.parametrize(("kind", "group"), [("inference.completed", "results"), ("results.written", "delivery")])
def test_results_whose_event_was_set_aside_are_no_answer_to_a_revision_that_wants_them_too(
    bench: Bench, registry: Registry, kind: str, group: str
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    if kind == "results.written":
        write_and_plan(bench, [])
    (event,) = events(bench, kind)
    message = Message(json.dumps(event.envelope()).encode(), str(event.study_id), 0, 1)
    set_aside(bench.as_process(GROUPS[group].role), group, message, Permanent("not today"), 1, bench.clock.now())
    assert study(bench)[0] == "stuck"
    bench.receive(dose_report())
    route(bench, registry)
    assert study(bench) == ("complete", "waits for body_and_bone")
    write_and_plan(bench, [ARCHIVE], handled={one.id for one in (*events(bench, "inference.completed"), event)})
    assert bench.ask("SELECT destination, state FROM dicom_node.deliveries") == [("PACS", "pending")]


def test_a_study_that_receives_again_is_not_run_before_it_is_complete(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets()[:3])
    route(bench, registry)
    send(bench.writer, SMALL.datasets()[3:])
    bench.index()
    one = worker(bench, FakeChild(registry))
    assert not one.step()
    assert one.seconds_until_due() is None


def test_a_slow_sender_does_not_cause_a_run_for_each_batch(bench: Bench, registry: Registry) -> None:
    child = FakeChild(registry)
    one = worker(bench, child)
    slices = replace(SMALL, slices=8).datasets()
    for slow in [slices[:2], *([one] for one in slices[2:])]:
        bench.receive(slow)
        bench.pass_time(5)
        route(bench, registry)
        one.step()
    bench.pass_time(300)
    assert one.step()
    assert not one.step()
    assert len(child.tasks) == 3
    assert len(child.tasks[-1].files["ct"]) == len(slices)


def test_a_changed_package_under_a_version_that_is_known_does_not_run_and_says_what_to_do(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    bench.receive(replace(SMALL, study="2").datasets())
    other = Registry({"body_and_bone": changed(registry.get("body_and_bone"))})
    route(bench, other)
    assert bench.count("jobs") == 1
    said = "version 1.0.0 is known with other contents: give what was changed a new version"
    assert (said,) in bench.ask("SELECT reason FROM dicom_node.decisions")
    route(bench, Registry({"body_and_bone": changed(registry.get("body_and_bone"), version="2")}))
    versions = bench.ask("SELECT version, state FROM dicom_node.jobs ORDER BY 1")
    assert versions == [("1.0.0", "succeeded"), ("2", "requested"), ("2", "requested")]
