"""Many studies are tried again at once, each by itself: what stands in the way of one stops no other."""

import json

import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.trail import newest_entries
from console.cli.app import app
from console.cli.user import user
from domain.errors import ConfigurationError
from models.registry import Registry
from tests.support.bench import Bench
from tests.support.phantoms import Phantom
from tests.support.working import ARCHIVE, FakeChild, route, worker, write_and_plan

STUDIES = [Phantom(size=(16, 16), slices=4, study=str(number)) for number in (1, 2, 3)]


@pytest.fixture
def two_stuck(bench: Bench, registry: Registry) -> Bench:
    """Three studies: of two the model failed, of the third PACS refused the results."""
    for phantom in STUDIES:
        bench.receive(phantom.datasets())
    route(bench, registry)
    gone = ConfigurationError("its package is gone")
    loop = worker(bench, FakeChild(registry, [gone, gone], phantom=STUDIES[2]))
    assert [loop.step() for _ in STUDIES] == [True] * 3
    write_and_plan(bench, [ARCHIVE])
    bench.ask("UPDATE dicom_node.deliveries SET state = 'refused', reason = 'full' RETURNING 1")
    return bench


def run(bench: Bench, *words: str, code: int = 0) -> Result:
    url = bench.database._engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(app, ["retry", *words, "--database", url, "--models", str(bench.root / "models")])
    assert result.exit_code == code, result.output
    return result


def states(bench: Bench, table: str) -> list[str]:
    return [row[0] for row in bench.ask(f"SELECT state FROM dicom_node.{table} ORDER BY state")]


def test_every_stuck_study_is_tried_again_and_one_that_cannot_be_stops_no_other(two_stuck: Bench) -> None:
    before = states(two_stuck, "jobs")
    assert before == ["failed", "failed", "succeeded"]
    planned = run(two_stuck, "--stuck", "--dry-run").stdout
    assert planned.count("run it again") == 2 and planned.endswith("2 studies; nothing was done\n")
    assert (states(two_stuck, "jobs"), states(two_stuck, "studies")) == (before, ["complete", "stuck", "stuck"])
    ((first,),) = two_stuck.ask(
        "SELECT id FROM dicom_node.studies WHERE state = 'stuck' ORDER BY last_received LIMIT 1"
    )
    two_stuck.as_owner(f"UPDATE dicom_node.studies SET two_patients = true WHERE id = '{first}'")
    said = run(two_stuck, "--stuck", code=1)
    assert said.stdout == "set going again of 1 study: 1 inference\n"
    assert f"{str(first)[:8]} stays as it is: its images name two patients" in said.stderr
    assert states(two_stuck, "jobs") == ["failed", "requested", "succeeded"]


def test_what_is_not_there_is_neither_counted_nor_announced(two_stuck: Bench) -> None:
    ((sound,),) = two_stuck.ask("SELECT study_id FROM dicom_node.deliveries")
    assert "will send what was refused or waits" in run(two_stuck, str(sound), "--dry-run").stdout
    two_stuck.ask("UPDATE dicom_node.deliveries SET state = 'stored' RETURNING 1")
    assert run(two_stuck, str(sound)).stdout.splitlines() == [
        "will ask again which models want the study",
        "set going again: nothing; nothing failed or waits",
    ]


def test_all_takes_what_failed_of_studies_that_go_on_as_well(two_stuck: Bench) -> None:
    done = json.loads(run(two_stuck, "--all", "--json").stdout)
    assert (done["studies"], done["jobs"], done["deliveries"]) == (3, 2, 1)
    assert states(two_stuck, "deliveries") == ["pending"]


def test_a_destination_gets_what_it_did_not_and_nothing_else_is_touched(two_stuck: Bench) -> None:
    assert "of 1 study; nothing was done" in run(two_stuck, "--destination", "PACS", "--dry-run").stdout
    assert states(two_stuck, "deliveries") == ["refused"]
    said = run(two_stuck, "--destination", "PACS").stdout
    assert said == "to PACS at once: 1 delivery of 1 study\n"
    assert (states(two_stuck, "deliveries"), states(two_stuck, "jobs")) == (
        ["pending"],
        ["failed", "failed", "succeeded"],
    )
    (entry,) = [one for one in newest_entries(two_stuck.database, 50).rows if one.action == Action.RETRIED]
    delivery = f"delivery {two_stuck.ask('SELECT id FROM dicom_node.deliveries')[0][0]}"
    assert entry.details == {
        "destination": "PACS",
        "deliveries": 1,
        "notes": 0,
        "user": user(),
        "before": {delivery: "refused"},
        "after": {delivery: "pending"},
    }


def test_what_is_to_be_tried_again_is_said_once(two_stuck: Bench) -> None:
    for words in ((), ("--stuck", "--all"), ("abc", "--stuck")):
        assert "say what to try again" in run(two_stuck, *words, code=1).stderr
    assert "nothing was ever to go to RIS" in run(two_stuck, "--destination", "RIS", code=1).stderr
