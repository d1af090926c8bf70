"""Routing, the worker and delivery on a real PostgreSQL: leases, retries, and reasons that a person can read."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from config.rules import Rule
from config.settings import Destination
from consumers.destinations import ProfiledDestination
from consumers.steps import deliver as delivery_module
from consumers.steps.deliver import Deliverer
from consumers.steps.retry import Retried, retry
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.errors import Permanent, Retryable, UnusableInput
from domain.events import DeliveryFailed, InferenceFailed
from domain.ids import StudyId
from domain.profiles import Profile, Report, ResultKind
from domain.retry import RetryPolicy
from domain.routing import Conditions
from inference_worker.model_process import TimedOut
from models.registry import Registry
from tests.support.bench import Bench, open_bench
from tests.support.ingest import send
from tests.support.packages import write_package
from tests.support.result_files import usual
from tests.support.working import SMALL, FakeChild, events, route, worker
from tests.support.working import write_and_plan as write_and_plan_for

PLAIN = Profile("plain", (ResultKind.SEG, ResultKind.SR), reports=(Report.COMPREHENSIVE_3D,))
ARCHIVE = ProfiledDestination(Destination(name="PACS", aet="PACS", host="127.0.0.1", port=104), PLAIN)


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def write_and_plan(bench: Bench, destinations: Sequence[ProfiledDestination] = (ARCHIVE,)) -> None:
    write_and_plan_for(bench, destinations)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    write_package(tmp_path / "models")
    return Registry.load(tmp_path / "models")


def study(bench: Bench) -> tuple[str, str]:
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.studies")
    return state, reason


def job(bench: Bench) -> tuple[str, str]:
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.jobs")
    return state, reason


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


def test_findings_become_objects_once_and_are_delivered(
    bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    write_and_plan(bench)
    write_and_plan(bench)
    written = sorted(bench.ask("SELECT kind, refers FROM dicom_node.results"))
    assert written == [("SEG", ""), ("SR", usual(ResultKind.SEG).name)]
    assert bench.count("deliveries") == 1
    deliver(bench, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("stored",)]
    assert study(bench) == ("complete", "results delivered to PACS")
    assert bench.chain_holds()
    actions = bench.actions()
    order = ["instances received", "study completed", "models chosen", "inference leased", "inference done"]
    order += ["results written", "delivery planned", "delivery started", "results delivered"]
    assert [action for action in order if action in actions] == order
    assert [actions.index(action) for action in order] == sorted(actions.index(action) for action in order)


def test_input_that_cannot_be_used_ends_the_job_with_its_reason(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("slices are missing: 2 in all")])).step()
    assert job(bench) == ("failed", "slices are missing: 2 in all")
    assert study(bench) == ("stuck", "body_and_bone: slices are missing: 2 in all")
    assert events(bench, "inference.failed")[0].of(InferenceFailed).state == "failed"


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
        bench.clock.sleep(10)
        assert one.step()
    assert job(bench) == ("failed", "again")
    assert study(bench)[0] == "stuck"


def test_a_time_out_after_the_last_attempt_is_called_so(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    one = worker(bench, FakeChild(registry, [TimedOut("too slow")] * 3))
    for _ in range(3):
        one.step()
        bench.clock.sleep(100)
    assert job(bench) == ("timed_out", "too slow")


def test_a_worker_that_died_loses_its_job_when_its_lease_ends_or_when_it_comes_back(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    dead = worker(bench, FakeChild(registry))
    assert dead._claim() is not None
    other = worker(bench, FakeChild(registry), "w2")
    other.take_back(own=True)
    assert not other.step()
    dead.take_back(own=True)
    assert job(bench)[0] == "requested"
    assert dead._claim() is not None
    bench.clock.sleep(31)
    other.take_back()
    assert other.step()
    assert job(bench)[0] == "succeeded"


def test_a_job_that_kills_every_worker_ends(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    one = worker(bench, FakeChild(registry))
    for _ in range(3):
        assert one._claim() is not None
        one.take_back(own=True)
    assert job(bench) == ("failed", "its worker died 3 times")


def test_an_answer_that_comes_after_the_lease_went_to_another_is_dropped(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    fast = worker(bench, FakeChild(registry), "fast")

    def overtake() -> None:
        bench.clock.sleep(31)
        fast.take_back()
        assert fast.step()

    assert worker(bench, FakeChild(registry, during=overtake), "slow").step()
    assert job(bench)[0] == "succeeded"
    assert len(events(bench, "inference.completed")) == 1


def test_a_package_that_changed_after_the_request_is_not_passed_off_as_the_old_one(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    package = registry.get("body_and_bone")
    changed = Registry({"body_and_bone": replace(package, digests={**package.digests, "card.md": "0" * 64})})
    worker(bench, FakeChild(changed)).step()
    assert job(bench)[0] == "failed"
    assert "was changed since this job was requested" in job(bench)[1]


def deliver(bench: Bench, monkeypatch: pytest.MonkeyPatch, verdicts: Sequence[Verdict], reason: str = "") -> list[str]:
    """One attempt against an archive that gives these verdicts in turn; what it was sent."""
    sent: list[str] = []

    def send(objects: Sequence[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        assert together
        for one, verdict in zip(objects, verdicts, strict=False):
            sent.append(one.sop_class)
            yield Outcome(one, verdict, reason, 0)

    monkeypatch.setattr(delivery_module, "send", send)
    sender(bench).step()
    return sent


def sender(bench: Bench, destinations: Sequence[ProfiledDestination] = (ARCHIVE,)) -> Deliverer:
    policy = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))
    return Deliverer(bench.ledger, bench.objects, destinations, "NODE", policy, 30, "d1", bench.clock)


@pytest.fixture
def written(bench: Bench, registry: Registry) -> Bench:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench)
    return bench


def delivery(bench: Bench) -> tuple[str, str]:
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.deliveries")
    return state, reason


def test_only_what_was_not_stored_is_sent_again(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.RETRY], "the archive is full")
    assert delivery(written) == ("pending", "the archive is full; attempt 1, next in 2 s")
    assert deliver(written, monkeypatch, [Verdict.STORED]) == []
    written.clock.sleep(2)
    assert len(deliver(written, monkeypatch, [Verdict.STORED])) == 1
    assert delivery(written)[0] == "stored"


def test_a_refusal_for_good_ends_the_delivery_and_says_so(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.REFUSED], "SOP class not supported")
    assert delivery(written) == ("refused", "SOP class not supported")
    assert study(written) == ("stuck", "PACS: SOP class not supported")
    assert events(written, "delivery.failed")[0].of(DeliveryFailed).state == "refused"


def test_delivery_goes_on_for_days_and_then_asks_for_a_person(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.RETRY, Verdict.RETRY], "no answer")
    written.clock.sleep(6 * 86400)
    deliver(written, monkeypatch, [Verdict.RETRY, Verdict.RETRY], "no answer")
    assert delivery(written)[0] == "pending"
    written.clock.sleep(86400 + 1000)
    deliver(written, monkeypatch, [Verdict.RETRY, Verdict.RETRY], "no answer")
    assert delivery(written) == ("failed", "no answer; given up after 7 days")
    assert study(written)[0] == "stuck"


def test_a_sender_that_died_is_followed_by_another_attempt(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sender(written)._claim() is not None
    sender(written).take_back(own=True)
    assert delivery(written)[0] == "pending"
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert delivery(written)[0] == "stored"


def test_a_destination_that_is_no_longer_configured_is_named(written: Bench) -> None:
    sender(written, []).step()
    assert delivery(written) == ("refused", "is no longer configured")


def test_results_without_a_destination_are_kept_and_the_study_says_so(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [])
    assert study(bench) == ("complete", "results kept; no destination is configured")


def test_a_mask_that_was_changed_in_the_store_is_not_written_as_a_result(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    ((key,),) = bench.ask("SELECT findings -> 'mask' ->> 'key' FROM dicom_node.jobs")
    bench.objects.put(key, [zlib.compress(bytes(4 * 16 * 16))])
    with pytest.raises(Permanent, match="not the one that the model made"):
        write_and_plan(bench)


def test_a_person_tries_a_failed_study_again(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("not today")])).step()
    digests = [package.digest for package in registry.packages.values()]
    assert retry(bench.ledger, _study_id(bench), digests, bench.clock.now()) == Retried(0, 1, 0)
    assert job(bench)[0] == "requested"
    route(bench, registry)
    assert bench.count("jobs") == 1
    assert worker(bench, FakeChild(registry)).step()
    assert job(bench)[0] == "succeeded"
    assert study(bench)[0] == "complete"
    assert bench.chain_holds()


def test_a_package_that_was_mended_gets_a_job_of_its_own_on_a_retry(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("not with this one")])).step()
    package = registry.get("body_and_bone")
    mended = Registry({"body_and_bone": replace(package, digests={**package.digests, "card.md": "0" * 64})})
    digests = [one.digest for one in mended.packages.values()]
    assert retry(bench.ledger, _study_id(bench), digests, bench.clock.now()) == Retried(0, 0, 0)
    route(bench, mended)
    assert sorted(bench.ask("SELECT state FROM dicom_node.jobs")) == [("failed",), ("requested",)]


def test_a_person_sends_refused_results_again(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.REFUSED, Verdict.REFUSED], "SOP class not supported")
    assert retry(written.ledger, _study_id(written), [], written.clock.now()).deliveries == 1
    assert study(written)[0] == "complete"
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert delivery(written)[0] == "stored"


def test_a_study_that_still_comes_in_is_not_tried_again(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    with pytest.raises(Permanent, match="goes on by itself"):
        retry(bench.ledger, _study_id(bench), [], bench.clock.now())


def _study_id(bench: Bench) -> StudyId:
    ((found,),) = bench.ask("SELECT id FROM dicom_node.studies")
    return StudyId(found)


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
    write_and_plan(bench)
    assert bench.count("results") == 2
