"""A destination or a model that a person holds back: what waits for it waits, says so, and loses nothing."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.trail import newest_entries
from config.settings import Settings
from console.cli import database_looks
from console.cli.app import app
from console.cli.looks import Mark
from console.cli.user import user
from consumers.leased import LeasedLoop
from consumers.steps import deliver as delivery_module
from consumers.steps.deliver import DeliveryTo, Sent
from consumers.steps.pause import pause
from consumers.steps.resume import resume
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.errors import Permanent
from domain.pauses import Held
from domain.retry import RetryPolicy
from models.registry import Registry
from store.deliveries import Delivery
from store.holders import Holder
from tests.support.bench import Bench
from tests.support.working import ARCHIVE, LEASE, SMALL, FakeChild, job, route, study_id, worker, write_and_plan

WHY = "the archive moves"
TWO_DAYS = RetryPolicy(first=1, factor=4, longest=60, total=timedelta(days=2))


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def planned(bench: Bench, registry: Registry) -> Bench:
    """A study whose results wait for PACS."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    return bench


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """What PACS says to each object; by default it stores it."""
    said: list[Verdict] = []

    def sending(objects: list[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        for one in objects:
            verdict = said.pop(0) if said else Verdict.STORED
            yield Outcome(one, verdict, "out of resources", 0 if verdict is Verdict.STORED else 0xA700)

    monkeypatch.setattr(delivery_module, "send", sending)
    return said


def deliver(bench: Bench) -> bool:
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, ARCHIVE, "NODE", TWO_DAYS, 30, bench.clock)
    loop: LeasedLoop[Delivery, Sent] = LeasedLoop(bench.as_process("deliver"), work, Holder("d", bench.life()), LEASE)
    return loop.step()


def delivery(bench: Bench) -> str:
    ((state,),) = bench.ask("SELECT state FROM dicom_node.deliveries")
    return str(state)


def status(bench: Bench, url: str) -> dict[str, str]:
    (found,) = json.loads(run("status", "--database", url, "--json").stdout)["studies"]
    return dict(found)


def test_a_paused_destination_gets_nothing_and_all_of_it_when_it_goes_on(
    planned: Bench, answers: list[Verdict], database_url: str
) -> None:
    said = run("destinations", "pause", "PACS", "--reason", WHY, "--database", database_url).stdout
    assert said.startswith("PACS is paused; results for it wait until: dicom-node destinations resume ")
    assert not deliver(planned)
    assert delivery(planned) == "pending"
    assert f"PACS is paused by {user()}: {WHY}" in status(planned, database_url)["why"]
    assert WHY in run("status", "--database", database_url).stdout
    (paused,) = json.loads(run("status", "--database", database_url, "--json").stdout)["paused"]
    assert (paused["kind"], paused["name"], paused["reason"]) == ("destination", "PACS", WHY)
    looks = database_looks.kept(Settings.model_validate({"database": {"url": database_url}}))
    assert ("destination PACS", Mark.NOTED) in [(one.what, one.mark) for one in looks]
    listed = run("destinations", "list", "--database", database_url).stdout
    assert WHY in listed
    again = run("destinations", "pause", "PACS", "--reason", "x", "--database", database_url, code=1)
    assert WHY in again.stderr
    assert "goes on" in run("destinations", "resume", "PACS", "--database", database_url).stdout
    assert deliver(planned)
    assert delivery(planned) == "stored"
    entries = [
        one for one in newest_entries(planned.database, 100).rows if one.action in (Action.PAUSED, Action.RESUMED)
    ]
    assert [(one.action, one.details["name"], one.details["user"]) for one in entries] == [
        ("work paused", "PACS", user()),
        ("work resumed", "PACS", user()),
    ]
    assert planned.chain_holds()


def test_the_time_of_a_pause_takes_nothing_of_the_patience_with_a_destination(
    planned: Bench, answers: list[Verdict]
) -> None:
    answers.append(Verdict.RETRY)
    assert deliver(planned)
    pause(planned.ledger, Held.DESTINATION, "PACS", WHY, "alice")
    planned.pass_time(3 * 86400)
    planned.as_owner("UPDATE dicom_node.paused SET since = since - interval '3 days'")
    resume(planned.ledger, Held.DESTINATION, "PACS", "alice")
    answers.append(Verdict.RETRY)
    assert deliver(planned)
    assert delivery(planned) == "pending"  # and not given up


def test_a_paused_model_runs_on_nothing_and_the_other_studies_work_goes_on(
    bench: Bench, registry: Registry, database_url: str
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    run("models", "pause", "body_and_bone", "--reason", "under review", "--database", database_url)
    child = FakeChild(registry)
    assert not worker(bench, child).step()
    assert (job(bench)[0], child.tasks) == ("requested", [])
    assert "under review" in status(bench, database_url)["why"]
    assert "under review" in run("status", str(study_id(bench)), "--database", database_url).stdout.splitlines()[0]
    run("models", "resume", "body_and_bone", "--database", database_url)
    assert worker(bench, child).step()
    assert job(bench)[0] == "succeeded"


def test_what_is_not_there_or_not_paused_is_said(planned: Bench, database_url: str) -> None:
    for words, complaint in (
        (("destinations", "pause", "NOBODY", "--reason", WHY), "there is no destination 'NOBODY'"),
        (("models", "pause", "nothing", "--reason", WHY), "there is no model 'nothing'"),
        (("destinations", "resume", "PACS"), "no destination PACS is paused"),
        (("destinations", "pause", "PACS", "--reason", " "), "say in words why the destination is paused"),
    ):
        assert complaint in run(*words, "--database", database_url, code=1).stderr
    with pytest.raises(Permanent, match="no model x is paused"):
        resume(planned.ledger, Held.MODEL, "x", "alice")


def test_a_retry_of_a_study_says_that_its_destination_is_paused(planned: Bench, database_url: str) -> None:
    where = ["--database", database_url, "--data", str(planned.root)]
    asked = ["retry", str(study_id(planned)), *where]
    assert "waits all the same" not in run(*asked).stderr
    pause(planned.ledger, Held.DESTINATION, "PACS", WHY, user())
    assert f"it waits all the same: PACS is paused by {user()}: {WHY}" in " ".join(run(*asked).stderr.split())
