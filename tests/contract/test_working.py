"""The worker on a real PostgreSQL: jobs, retries, and reasons that a person can read."""

import copy
import json
import logging
import shutil
import zlib
from dataclasses import replace

import pytest
import sqlalchemy
from sqlalchemy import text
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import newest_entries
from config.settings import Http
from console.cli.app import app
from consumers.bus.dead_letters import set_aside
from consumers.bus.protocol import Message
from consumers.steps.assemble import Assembler
from consumers.steps.retry import Retried, intended, retry
from domain.completeness import SettlePolicy
from domain.errors import ConfigurationError, IntegrityError, NotSuitable, Permanent, Retryable, UnusableInput
from domain.events import InferenceFailed, InferenceNotSuitable
from domain.ids import new_id, new_study_id, set_digest
from domain.progress import progress
from domain.states import StudyState
from inference_worker.model_process import Answer, Task, TimedOut, mask_file
from models.registry import Registry
from roles.health import Health, HealthServer
from roles.run_files import Facts
from store.queries.path import study_path
from store.queries.studies import StudyFilter, how_many_studies, latest_studies
from tests.support.bench import Bench
from tests.support.ingest import send
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

STUCK = StudyFilter((StudyState.STUCK,))


def test_a_worker_is_ready_while_it_is_at_the_first_study_of_its_life(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    health, ready = Health(), []
    child = FakeChild(registry, during=lambda: ready.append(health.report().ready))
    assert worker(bench, child, alive=health.beat).step()
    assert ready == [True]


def test_input_that_cannot_be_used_ends_the_job_with_its_reason(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("slices are missing: 2 in all")])).step()
    assert job(bench) == ("failed", "slices are missing: 2 in all")
    assert study(bench) == ("stuck", "body_and_bone: slices are missing: 2 in all")
    assert [one.study.id for one in latest_studies(bench.database, 9, STUCK)] == [study_id(bench)]
    assert events(bench, "inference.failed")[0].of(InferenceFailed).state == "failed"


def test_a_series_of_which_an_image_came_cut_short_is_not_read_without_it_until_it_comes_whole(
    bench: Bench, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    *others, last = SMALL.datasets()
    cut = copy.deepcopy(last)
    cut.PixelData = last.PixelData[:100]
    bench.receive([*others, cut])
    route(bench, registry)
    child = FakeChild(registry)
    with caplog.at_level(logging.INFO):
        worker(bench, child).step()
    assert job(bench)[1].startswith("1 image of the series came and cannot be read: have it sent again")
    assert study(bench)[0] == "stuck" and not child.tasks
    (told,) = [one for one in caplog.records if "inference" in one.message]
    assert (told.levelname, vars(told)["reason"]) == ("WARNING", "the images cannot be used")
    bench.receive([last])
    route(bench, registry)
    worker(bench, child).step()
    assert len(child.tasks) == 1
    assert study(bench)[0] == "complete"


def test_images_that_a_guard_refuses_are_an_answer_and_no_failure(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [NotSuitable("the volume is a phantom")])).step()
    assert job(bench) == ("not_suitable", "the volume is a phantom")
    assert study(bench) == ("complete", "body_and_bone: not suitable: the volume is a phantom")
    assert [one.of(InferenceNotSuitable).model for one in events(bench, "inference.not_suitable")] == ["body_and_bone"]
    assert not events(bench, "inference.failed") and not events(bench, "study.stuck")
    (said,) = bench.ask("SELECT entry FROM dicom_node.audit_entries WHERE entry LIKE '%inference not suitable%'")
    assert "the volume is a phantom" in said[0]
    path = study_path(bench.database, study_id(bench))
    place = progress(path.study, path.jobs, path.results, path.deliveries)
    assert (place.where, place.why) == ("body_and_bone: not suitable", "the volume is a phantom")
    assert latest_studies(bench.database, 9, STUCK) == ()
    assert how_many_studies(bench.database, STUCK) == 0 != how_many_studies(bench.database)


def test_what_is_not_suitable_is_not_run_again_on_the_same_images(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    child = FakeChild(registry, [NotSuitable("a phantom")])
    worker(bench, child).step()
    packages = list(registry.packages.values())
    assert "nothing failed" in intended(bench.database, study_id(bench), packages)[0]
    assert retry(bench.ledger, study_id(bench), packages, bench.clock.now()) == Retried(0, 0, 0)
    route(bench, registry)
    assert not worker(bench, child).step()
    assert job(bench)[0] == "not_suitable" and study(bench)[0] == "complete"


def test_what_one_model_finds_not_suitable_another_has_results_for(bench: Bench, registry: Registry) -> None:
    both = with_another(registry)
    bench.receive(SMALL.datasets())
    route(bench, both)
    worker(bench, FakeChild(both, [NotSuitable("a phantom"), None])).step()
    worker(bench, FakeChild(both)).step()
    assert sorted(state for (state,) in bench.ask("SELECT state FROM dicom_node.jobs")) == ["not_suitable", "succeeded"]
    write_and_plan(bench, [ARCHIVE])
    path = study_path(bench.database, study_id(bench))
    assert progress(path.study, path.jobs, path.results, path.deliveries).where.startswith("delivery to PACS pending; ")


def with_another(registry: Registry) -> Registry:
    """The package twice, once under the name "other"."""
    folder = registry.get("body_and_bone").folder
    shutil.copytree(folder, folder.with_name("other"))
    manifest = folder.with_name("other") / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('name = "body_and_bone"', 'name = "other"', 1))
    return Registry.load(folder.parent)


def test_a_failure_that_may_pass_is_tried_again_later_and_ends_after_its_attempts(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    one = worker(bench, FakeChild(registry, [Retryable("out of memory"), TimedOut("too slow"), Retryable("again")]))
    assert one.step()
    assert job(bench) == ("requested", "out of memory; attempt 1, next in 1 s")
    assert not one.step()
    for _ in range(2):
        bench.pass_time(10)
        assert one.step()
    assert job(bench) == ("failed", "again")
    assert study(bench)[0] == "stuck"


def test_a_time_out_after_the_last_attempt_is_called_so(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    one = worker(bench, FakeChild(registry, [TimedOut("too slow")] * 3))
    for _ in range(3):
        one.step()
        bench.pass_time(100)
    assert job(bench) == ("timed_out", "too slow")


def test_a_package_that_changed_after_the_request_is_not_passed_off_as_the_old_one(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    other = Registry({"body_and_bone": changed(registry.get("body_and_bone"))})
    worker(bench, FakeChild(other)).step()
    assert job(bench)[0] == "failed"
    assert "was changed since this job was requested" in job(bench)[1]


def test_a_mask_that_was_changed_in_the_store_is_not_written_as_a_result(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    ((key,),) = bench.ask("SELECT findings -> 'mask' ->> 'key' FROM dicom_node.jobs")
    bench.objects.put(key, [zlib.compress(bytes(4 * 16 * 16))])
    with pytest.raises(Permanent, match="not the one that the model made"):
        write_and_plan(bench, [ARCHIVE])


@pytest.mark.parametrize("broken_first", [True, False])
@pytest.mark.parametrize("error", [ConfigurationError("no engine reads it"), IntegrityError("it was changed")])
def test_a_broken_package_stops_no_study_that_another_model_has_results_for(
    bench: Bench, registry: Registry, broken_first: bool, error: Exception
) -> None:
    both = with_another(registry)
    bench.receive(SMALL.datasets())
    route(bench, both)
    worker(bench, FakeChild(both, [error, None] if broken_first else [None, error])).step()
    worker(bench, FakeChild(both, [None] if broken_first else [error])).step()
    assert sorted(state for (state,) in bench.ask("SELECT state FROM dicom_node.jobs")) == ["failed", "succeeded"]
    assert study(bench)[0] == "complete"
    path = study_path(bench.database, study_id(bench))
    assert "failed" in progress(path.study, path.jobs, path.results, path.deliveries).where
    sentences = intended(bench.database, study_id(bench), list(both.packages.values()))
    assert any(one.endswith("1.0.0: run it again") for one in sentences)


def test_a_study_whose_packages_are_all_broken_is_stuck(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [ConfigurationError("no engine reads it")])).step()
    assert study(bench) == ("stuck", "body_and_bone: no engine reads it")


def test_what_a_model_writes_beyond_its_mask_s_shape_is_not_kept(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)

    class Lavish(FakeChild):
        def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer:
            answer = super().run(task, timeout, upcoming)
            mask_file(task.scratch).write_bytes(bytes(1 << 20))
            return answer

    worker(bench, Lavish(registry)).step()
    assert job(bench)[0] == "failed" and "wrote more into masks" in job(bench)[1]


def test_what_a_model_read_by_which_weights_and_thresholds_is_on_the_trail(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    entries = {one.action: one.details for one in newest_entries(bench.database, 50).rows}
    package = registry.get("body_and_bone")
    said = {"model": package.name, "version": package.release[1], "model_digest": package.digest}
    weights = package.digests[package.manifest.network.file]
    assert entries[Action.INFERRED].items() >= {**said, "weights_digest": weights, "thresholds": []}.items()
    assert entries[Action.MODEL_ADDED] == {**said, "weights_digest": weights}
    received = [digest for _, digest in bench.ask("SELECT sop_uid, digest FROM dicom_node.instances")]
    assert entries[Action.INFERRED]["input_set"] == set_digest(received)


def test_a_person_tries_a_failed_study_again(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("not today")])).step()
    packages = list(registry.packages.values())
    assert retry(bench.ledger, study_id(bench), packages, bench.clock.now()) == Retried(0, 1, 0)
    assert job(bench)[0] == "requested"
    route(bench, registry)
    assert bench.count("jobs") == 1
    assert worker(bench, FakeChild(registry)).step()
    assert job(bench)[0] == "succeeded"
    assert study(bench)[0] == "complete"
    assert bench.chain_holds()


def test_a_persons_retry_reads_the_dead_letters_of_its_study_alone(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    (event,) = events(bench, "study.completed")
    for about in (event, replace(event, id=new_id(), study_id=new_study_id())):
        if about is not event:
            with bench.as_process("assemble").transaction() as transaction:
                transaction.emit(about)
                transaction.record(Action.STUDY_COMPLETED, about.study_id)
        message = Message(json.dumps(about.envelope()).encode(), str(about.study_id), 0, 1)
        set_aside(bench.as_process("assemble"), "routing", message, Permanent("not today"), 1, bench.clock.now())
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.extend([statement] if "FROM dicom_node.dead_letters" in statement else [])

    sqlalchemy.event.listen(bench.ledger.database._engine, "before_cursor_execute", note)
    assert retry(bench.ledger, event.study_id, [], bench.clock.now()).events == 1
    assert {" ".join(one.split()) for one in asked if "study_id = " not in one and "id = " not in one} == set()
    found = bench.ask("SELECT study_id, replayed_at IS NOT NULL FROM dicom_node.dead_letters ORDER BY id")
    assert [replayed for _, replayed in found] == [True, False]
    with bench.database.transaction() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(text("EXPLAIN " + asked[0] % {"study_id_1": f"'{event.study_id}'"})).scalars()
        assert "ix_dead_letters_open" in " ".join(plan)


def test_a_package_that_was_mended_under_a_new_version_gets_a_job_of_its_own_on_a_retry(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("not with this one")])).step()
    mended = Registry({"body_and_bone": changed(registry.get("body_and_bone"), version="2")})
    packages = list(mended.packages.values())
    assert retry(bench.ledger, study_id(bench), packages, bench.clock.now()) == Retried(0, 0, 0)
    assert study(bench)[0] == "stuck"
    route(bench, mended)
    assert sorted(bench.ask("SELECT state FROM dicom_node.jobs")) == [("failed",), ("requested",)]
    assert study(bench) == ("complete", "waits for body_and_bone")


@pytest.mark.parametrize("known", [[], ["changed"]], ids=["no package of that name", "another release of it"])
def test_a_retry_that_sets_nothing_going_leaves_a_failed_study_stuck(
    bench: Bench, registry: Registry, known: list[str]
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("not today")])).step()
    before = study(bench)
    packages = [changed(registry.get("body_and_bone"), version="2") for _ in known]
    done = retry(bench.ledger, study_id(bench), packages, bench.clock.now())
    assert done == Retried(0, 0, 0, () if known else (f"body_and_bone {registry.get('body_and_bone').release[1]}",))
    assert study(bench) == before
    route(bench, registry)
    assert (study(bench), job(bench)[0]) == (before, "failed")


def test_the_retry_command_says_that_it_lacks_the_nodes_packages_and_takes_them_from_the_running_node(
    bench: Bench, registry: Registry, database_url: str
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("not today")])).step()
    asked = ["retry", str(study_id(bench)), "--database", database_url, "--data", str(bench.root)]
    refused = CliRunner().invoke(app, asked)
    assert refused.exit_code == 1
    assert "the study stays as it is: body_and_bone" in refused.stderr and "--models DIR" in refused.stderr
    assert study(bench)[0] == "stuck"
    folder = registry.get("body_and_bone").folder.parent
    with HealthServer(Health(), Http(), bench.root, "work", Facts(models=str(folder))):
        assert "set going again: 1 inference" in CliRunner().invoke(app, asked).stdout
    assert (study(bench)[0], job(bench)[0]) == ("complete", "requested")


def test_a_study_that_still_comes_in_is_not_tried_again(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    with pytest.raises(Permanent, match="goes on by itself"):
        retry(bench.ledger, study_id(bench), [], bench.clock.now())


def test_the_job_that_is_due_next_is_read_ahead_and_left_where_it_is(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    bench.receive(replace(SMALL, study="2").datasets())
    route(bench, registry)
    child = FakeChild(registry)
    one = worker(bench, child)
    assert one.step()
    (first,), (ahead,) = child.tasks, child.upcoming
    assert ahead and ahead.files != first.files
    assert bench.ask("SELECT state, count(*) FROM dicom_node.jobs GROUP BY state ORDER BY state") == [
        ("requested", 1),
        ("succeeded", 1),
    ]
    assert one.step()
    assert (child.tasks[1].files, child.upcoming[1]) == (ahead.files, None)


def test_jobs_of_a_model_that_reads_images_run_together_and_each_ends_by_itself(
    bench: Bench, registry: Registry
) -> None:
    for name in "123":
        bench.receive(replace(SMALL, study=name).datasets())
    route(bench, registry)
    child = FakeChild(registry, [None, UnusableInput("no chest"), None])
    assert worker(bench, child, together=8).step()
    assert child.together == [3]
    assert bench.ask("SELECT state, count(*) FROM dicom_node.jobs GROUP BY state ORDER BY state") == [
        ("failed", 1),
        ("succeeded", 2),
    ]


def test_what_is_known_to_be_missing_of_a_study_its_results_say(bench: Bench, registry: Registry) -> None:
    datasets = list(SMALL.datasets())
    for one in datasets:
        one.NumberOfStudyRelatedInstances = len(datasets) + 2
    bench.receive(datasets)
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(5, {}, missing=5), bench.clock)
    assembler.step()
    bench.clock.sleep(5)
    assembler.step()
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    ((remarks,),) = bench.ask("SELECT findings -> 'remarks' FROM dicom_node.jobs")
    came = len(datasets)
    said = f"not all of the study had come when it was read: {came} of {came + 2} images came (the sender says)"
    assert [one for one in remarks if one.startswith(said)]


def test_of_a_study_that_lacks_nothing_nothing_is_said(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    ((remarks,),) = bench.ask("SELECT findings -> 'remarks' FROM dicom_node.jobs")
    assert not [one for one in remarks if "not all of the study" in one]
