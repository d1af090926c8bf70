"""A person ends what is not yet done of a study, or wants another result of the same images."""

import json

import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.trail import newest_entries
from console.cli.app import app
from console.cli.user import user
from consumers.steps.cancel import Cancelled, cancel
from consumers.steps.retry import retry
from domain.errors import Permanent
from models.registry import Registry
from store.deliveries import of_study
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.working import ARCHIVE, SMALL, FakeChild, job, route, study, study_id, worker, write_and_plan

WHY = "a test of the scanner"


def run(bench: Bench, *words: str, code: int = 0) -> Result:
    url = bench.database._engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(app, [words[0], str(study_id(bench)), *words[1:], "--database", url])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def asked(bench: Bench, registry: Registry) -> Bench:
    """A study of which a model was asked."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    return bench


def states(bench: Bench, table: str) -> list[str]:
    return [row[0] for row in bench.ask(f"SELECT state FROM dicom_node.{table} ORDER BY state")]


def test_what_waits_is_ended_with_its_reason_and_retry_sets_it_going_again(asked: Bench, registry: Registry) -> None:
    assert run(asked, "cancel", "--reason", WHY).stdout == "ended: 1 inference\n"
    assert job(asked) == ("cancelled", f"cancelled by {user()}: {WHY}")
    assert study(asked) == ("complete", f"cancelled by {user()}: {WHY}")
    assert not worker(asked, FakeChild(registry)).step()
    (entry,) = [one for one in newest_entries(asked.database, 50).rows if one.action == Action.CANCELLED]
    run_id = f"run {asked.ask('SELECT id FROM dicom_node.jobs')[0][0]}"
    assert entry.details == {
        "revision": 1,
        "reason": WHY,
        "user": user(),
        "jobs": 1,
        "deliveries": 0,
        "impressions": 0,
        "before": {run_id: "requested"},
        "after": {run_id: "cancelled, accepted"},
    }
    assert "nothing to cancel" in run(asked, "cancel", "--reason", WHY, code=1).stderr
    assert retry(asked.ledger, study_id(asked), [*registry.packages.values()], asked.clock.now()).jobs == 1
    assert worker(asked, FakeChild(registry)).step()
    assert job(asked)[0] == "succeeded"
    assert asked.chain_holds()


def test_what_runs_writes_no_outcome_once_its_study_was_cancelled(asked: Bench, registry: Registry) -> None:
    child = FakeChild(registry, during=lambda: run(asked, "cancel", "--reason", WHY))
    assert worker(asked, child).step()
    assert job(asked)[0] == "cancelled"
    assert asked.ask("SELECT findings IS NULL FROM dicom_node.jobs") == [(True,)]


@pytest.mark.parametrize("planned", [True, False], ids=["on its way", "not planned yet"])
def test_results_of_a_cancelled_study_go_nowhere_until_it_is_tried_again(
    asked: Bench, registry: Registry, planned: bool
) -> None:
    assert worker(asked, FakeChild(registry)).step()
    if planned:
        write_and_plan(asked, [ARCHIVE])
    ident, now = study_id(asked), asked.clock.now()
    assert cancel(asked.ledger, ident, WHY, "alice", now, ["PACS"]) == Cancelled(0, 1, 0, goes_on=True)
    write_and_plan(asked, [ARCHIVE])
    assert states(asked, "deliveries") == ["cancelled"]
    assert study(asked)[1].startswith("cancelled by alice")
    retry(asked.ledger, ident, [*registry.packages.values()], now, ["PACS"])
    write_and_plan(asked, [ARCHIVE])
    assert states(asked, "deliveries") == ["pending"]
    with asked.database.transaction() as connection:
        (one,) = of_study(connection, ident)
    assert [choice.kind for choice in one.choices if choice.sop_class] == ["SEG", "SR"]


def test_a_study_that_still_comes_in_or_was_never_asked_is_not_cancelled(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    with pytest.raises(Permanent, match="its instances still come in"):
        cancel(bench.ledger, study_id(bench), WHY, "alice", bench.clock.now())
    bench.settle()
    with pytest.raises(Permanent, match="its models are being asked at this moment"):
        cancel(bench.ledger, study_id(bench), WHY, "alice", bench.clock.now())


def test_a_model_that_runs_again_gives_a_new_result_that_supersedes_the_earlier(
    asked: Bench, registry: Registry
) -> None:
    assert worker(asked, FakeChild(registry)).step()
    write_and_plan(asked, [ARCHIVE])
    folder = str(asked.root / "models")
    words = ("--model", "body_and_bone", "--reason", "the GPU was faulty", "--models", folder)
    for times in (1, 2):
        said = json.loads(run(asked, "reprocess", *words, "--json").stdout)
        assert said == {"model": "body_and_bone", "runs": times}
        asked.settle()
        route(asked, registry)
        route(asked, registry)  # an event may come twice
        asked.pass_time(3600)  # from the third revision on a run waits a while
        assert worker(asked, FakeChild(registry)).step()
        assert not worker(asked, FakeChild(registry)).step()
        write_and_plan(asked, [ARCHIVE])
    found = asked.ask("SELECT revision, result_number, count(*) OVER () FROM dicom_node.jobs ORDER BY revision")
    assert found == [(1, 1, 3), (2, 2, 3), (3, 3, 3)]
    uids = asked.ask("SELECT sop_uid, job_id FROM dicom_node.results")
    assert len({one for one, _ in uids}) == len(uids) == 6
    (entry, _) = [one for one in newest_entries(asked.database, 100).rows if one.action == Action.REPROCESSED]
    assert (entry.details["model"], entry.details["user"], entry.details["runs"]) == ("body_and_bone", user(), 1)


def test_a_model_that_is_not_here_or_never_ran_is_not_asked_again(asked: Bench) -> None:
    folder = str(asked.root / "models")
    said = run(asked, "reprocess", "--model", "other", "--reason", WHY, "--models", folder, code=1)
    assert "there is no model 'other'" in said.stderr
    asked.as_owner("UPDATE dicom_node.jobs SET model = 'another'")
    said = run(asked, "reprocess", "--model", "body_and_bone", "--reason", WHY, "--models", folder, code=1)
    assert "body_and_bone never ran on it" in said.stderr
