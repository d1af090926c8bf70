"""What a person may decide where the node cannot go on: without a model's result, without a host that is lost."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.trail import newest_entries
from console.cli.app import app
from console.cli.user import user
from consumers.steps.accept import Accepted, accept
from consumers.steps.assemble import Assembler
from consumers.steps.forget_host import forget_host
from consumers.steps.retry import Retried, retry
from dicom_node.spool import known_identity
from domain.completeness import SettlePolicy
from domain.errors import ConfigurationError, Permanent
from domain.progress import progress
from models.registry import Registry
from store import outbox
from store.holders import Life
from store.queries.path import study_path
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.working import SMALL, FakeChild, job, route, study, study_id, worker

REASON = "the model was withdrawn"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def stuck(bench: Bench, registry: Registry) -> Bench:
    """A study on which its one model failed for good."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry, [ConfigurationError("its package is gone")])).step()
    assert study(bench)[0] == "stuck"
    return bench


def details(bench: Bench, action: Action) -> list[dict[str, object]]:
    return [dict(one.details) for one in newest_entries(bench.database, 1000).rows if one.action == action]


def one(bench: Bench, table: str) -> str:
    """The id of its only row."""
    return str(bench.ask(f"SELECT id FROM dicom_node.{table}")[0][0])


def test_a_study_goes_on_without_a_model_that_failed_for_good_and_says_who_and_why(
    stuck: Bench, registry: Registry, database_url: str
) -> None:
    ident = str(study_id(stuck))
    said = run("accept", ident, "--reason", f"{REASON}\x1b", "--database", database_url).stdout
    kept = f"{REASON}<U+001B>"
    assert said == "nobody waits for body_and_bone 1.0.0 any more\n"
    path = study_path(stuck.database, study_id(stuck))
    place = progress(path.study, path.jobs, path.results, path.deliveries)
    assert (place.where, place.why) == ("complete", f"goes on without body_and_bone 1.0.0: {kept}")
    (entry,) = details(stuck, Action.ACCEPTED)
    before, after = entry.pop("before"), entry.pop("after")
    assert entry == {"revision": 1, "models": ["body_and_bone 1.0.0"], "reason": kept, "user": user()}
    assert before == {f"run {one(stuck, 'jobs')}": "failed", f"study {ident}": "stuck"}
    assert after == {f"run {one(stuck, 'jobs')}": "cancelled, accepted", f"study {ident}": "complete"}
    assert job(stuck) == ("cancelled", f"nobody waits for it: {kept}")
    again = run("accept", ident, "--reason", REASON, "--database", database_url, code=1)
    assert "no model failed on it" in again.stderr
    assert stuck.chain_holds()


def test_what_was_accepted_holds_nothing_up_later_and_runs_again_where_its_package_is_back(
    stuck: Bench, registry: Registry
) -> None:
    now, ident = stuck.clock.now(), study_id(stuck)
    assert accept(stuck.ledger, ident, REASON, "somebody", now) == Accepted(("body_and_bone 1.0.0",), goes_on=True)
    assert retry(stuck.ledger, ident, [], now) == Retried(0, 0, 0)
    route(stuck, registry)
    assert study(stuck) == ("complete", "nothing new for the models that want it")
    assert retry(stuck.ledger, ident, list(registry.packages.values()), now) == Retried(0, 1, 0)
    assert worker(stuck, FakeChild(registry)).step()
    assert job(stuck) == ("succeeded", "done")


def test_what_was_cancelled_for_another_reason_is_not_run_by_a_retry(stuck: Bench, registry: Registry) -> None:
    stuck.ask("UPDATE dicom_node.jobs SET state = 'cancelled' RETURNING id")
    packages = list(registry.packages.values())
    assert retry(stuck.ledger, study_id(stuck), packages, stuck.clock.now()).jobs == 0
    assert job(stuck)[0] == "cancelled"


def test_a_study_that_is_held_up_by_something_else_as_well_stays_stuck(stuck: Bench, database_url: str) -> None:
    with stuck.database.transaction() as connection:
        letter = {"reader": "results", "message": "{}", "event_id": None, "error": "no", "attempts": 1}
        outbox.add_dead_letter(connection, **letter, study_id=study_id(stuck))
    said = run("accept", str(study_id(stuck)), "--reason", REASON, "--database", database_url, code=1)
    assert "stays stuck for another reason" in said.stderr
    assert (study(stuck)[0], job(stuck)[0]) == ("stuck", "cancelled")


def test_a_result_is_given_up_with_a_reason_and_for_a_complete_study_alone(bench: Bench, database_url: str) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    with pytest.raises(Permanent, match="its instances still come in"):
        accept(bench.ledger, study_id(bench), REASON, "somebody", bench.clock.now())
    asked = ["accept", str(study_id(bench)), "--database", database_url]
    assert "say in words" in run(*asked, "--reason", " \n", code=1).stderr
    run(*asked, code=2)


def test_a_host_that_is_lost_with_its_spool_is_forgotten_and_its_studies_go_on(bench: Bench, database_url: str) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    bench.ask("UPDATE dicom_node.studies SET unsynced = ARRAY['abc-lost', 'abd-here'] RETURNING id")
    found = json.loads(run("hosts", "list", "--database", database_url, "--json").stdout)["spools"]
    assert [(one["spool"], one["studies"], one["is_read"]) for one in found] == [
        ("abc-lost", 1, False),
        ("abd-here", 1, False),
    ]
    assert "does not run" in run("hosts", "list", "--database", database_url).stdout
    assert "2 spools" in run("hosts", "forget", "ab", "--database", database_url, code=1).stderr
    forgotten = run("hosts", "forget", "abc", "--database", database_url).stdout
    assert forgotten.startswith("1 study held back no longer\n")
    assert "have the senders send again" in forgotten
    assert details(bench, Action.HOST_FORGOTTEN) == [{"spool": "abc-lost", "user": user()}]
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(0.0, {}, 0.0), bench.clock)
    assembler.step()
    assert study(bench)[0] == "receiving"  # the other host has not let go
    assert forget_host(bench.ledger, "abd-here", "somebody") == 1
    assembler.step()
    assert study(bench)[0] == "complete"


def test_a_spool_that_lies_here_with_records_unread_is_not_forgotten(bench: Bench, database_url: str) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    spool = known_identity(bench.root / "spool")
    held = f"UPDATE dicom_node.studies SET unsynced = ARRAY['{spool}'] RETURNING id"
    bench.ask(held)
    asked = ["hosts", "forget", spool[:8], "--database", database_url, "--data", str(bench.root)]
    send(bench.writer, replace(SMALL, study="unread").datasets())
    assert "not indexed yet" in run(*asked, code=1).stderr
    bench.index()
    bench.ask(held)
    assert run(*asked).stdout.startswith("2 studies")


def test_a_host_whose_index_lives_is_not_forgotten(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    bench.index()
    bench.ask("UPDATE dicom_node.studies SET unsynced = ARRAY['here'] RETURNING id")
    life = Life(bench.database, reads="here")
    life.prove()
    with pytest.raises(Permanent, match="works"):
        forget_host(bench.ledger, "here", "somebody")
    life.close()
    assert forget_host(bench.ledger, "here", "somebody") == 1
    with pytest.raises(Permanent, match="no study is held back"):
        forget_host(bench.ledger, "here", "somebody")
