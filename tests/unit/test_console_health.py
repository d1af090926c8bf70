"""Live while the main loop beats, ready while nothing is missing."""

import json
import os
import signal
from pathlib import Path

import pytest

from config.settings import Database, Http, Settings
from console.actions.index_state import stopped
from domain.errors import ConfigurationError
from roles.health import Health, HealthServer
from roles.reports import Report
from roles.run_files import Facts, run_file, running
from tests.support.http import fetch
from tests.support.processes import wait_for


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_role_is_ready_once_its_main_loop_has_begun() -> None:
    health = Health()
    assert health.report() == Report(ready=False, waiting_for=("its main loop",))
    health.beat()
    assert health.report() == Report(ready=True)


def test_a_role_says_what_it_waits_for_in_the_order_of_the_waits() -> None:
    health = Health()
    health.beat()
    for what in ("PostgreSQL", "Kafka", "PostgreSQL"):
        health.waiting(what)
    assert health.report().waiting_for == ("PostgreSQL", "Kafka")
    health.ready("PostgreSQL")
    assert health.report() == Report(ready=False, waiting_for=("Kafka",))


def test_a_wait_is_told_with_its_cause_and_ends_whatever_that_was_last() -> None:
    health = Health()
    health.beat()
    health.waiting("PostgreSQL", "no connection")
    health.waiting("PostgreSQL", "the password is wrong")
    assert health.report().waiting_for == ("PostgreSQL: the password is wrong",)
    health.ready("PostgreSQL")
    assert health.report() == Report(ready=True)


def test_published_facts_stand_in_the_report() -> None:
    health = Health()
    health.publish(dicom_port=104, aet="NODE")
    assert health.report().as_json() == {
        "ready": False,
        "waiting_for": ("its main loop",),
        "dicom_port": 104,
        "aet": "NODE",
    }


def test_language_models_that_are_away_are_told_and_make_nothing_unready() -> None:
    health = Health()
    health.beat()
    health.tell_language_models(lambda: {"house": "rests after errors: no connection"})
    assert health.report().as_json() == {
        "ready": True,
        "waiting_for": (),
        "language_models": {"house": "rests after errors: no connection"},
    }


def test_a_loop_that_no_longer_comes_round_is_not_live() -> None:
    seconds = Seconds()
    health = Health(limit=60, now=seconds)
    seconds.now = 59
    assert health.alive()
    seconds.now = 61
    assert not health.alive()
    health.beat()
    assert health.alive()


def test_a_thread_that_hangs_takes_the_life_of_its_role_however_often_the_main_loop_comes_round() -> None:
    seconds = Seconds()
    health = Health(limit=60, now=seconds)
    consuming, sending = health.expect("routing", 600), health.expect("delivery to PACS", 600)
    for _ in range(20):
        seconds.now += 50
        health.beat()
        sending()
    assert health.hanging() == ["routing"]
    assert not health.alive()
    consuming()
    assert health.alive()
    seconds.now += 50
    health.dismiss("routing")
    for _ in range(20):
        seconds.now += 50
        health.beat()
        sending()
    assert health.alive()


def test_waiting_for_a_server_is_life_too() -> None:
    seconds = Seconds()
    health = Health(limit=60, now=seconds)
    seconds.now = 61
    health.waiting("PostgreSQL")
    assert health.alive()


def test_the_door_answers_by_the_health_and_leaves_its_address(tmp_path: Path) -> None:
    health = Health()
    facts = Facts(("PACS",), "packages", "somewhere", "elsewhere")
    with HealthServer(health, Http(), tmp_path, "work", facts) as server:
        said = running(tmp_path, "work")
        assert said is not None
        assert (said.pid, said.port, said.role, said.facts) == (os.getpid(), server.port, "work", facts)
        address = f"http://127.0.0.1:{server.port}"
        assert fetch(f"{address}/health/ready")[0] == 503
        assert json.loads(fetch(f"{address}/health/ready")[1])["waiting_for"] == ["its main loop"]
        health.beat()
        assert fetch(f"{address}/health/ready")[0] == 200
        assert fetch(f"{address}/health/live") == (200, b'{"alive": true}')
        assert b"dicom_node_role_ready" in fetch(f"{address}/metrics")[1]
        assert fetch(f"{address}/elsewhere")[0] == 404
    assert not run_file(tmp_path, "work").exists()
    assert running(tmp_path, "work") is None


def test_a_hanging_role_answers_that_it_is_not_live_and_what_hangs(tmp_path: Path) -> None:
    with HealthServer(Health(limit=-1), Http(), tmp_path, "work") as server:
        said = fetch(f"http://127.0.0.1:{server.port}/health/live")
    assert said == (503, b'{"alive": false, "hanging": ["its main loop"]}')


def test_a_living_process_that_has_the_number_of_one_that_ended_is_not_the_role(tmp_path: Path) -> None:
    with HealthServer(Health(), Http(), tmp_path, "work"):
        left = run_file(tmp_path, "work").read_text()
        assert json.loads(left)["pid"] == os.getpid()
    run_file(tmp_path, "work").write_text(left)
    assert running(tmp_path, "work") is None


def test_a_process_that_was_killed_is_seen_to_be_gone(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        HealthServer(Health(), Http(), tmp_path, "work").__enter__()
        signal.pause()
    wait_for(lambda: running(tmp_path, "work"), 30, "the role")
    assert all(running(tmp_path, "work") for _ in range(3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert running(tmp_path, "work") is None
    assert run_file(tmp_path, "work").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": 999999999}', '{"pid": 1}', "not JSON"])
def test_a_file_that_outlived_its_process_counts_for_nothing(tmp_path: Path, content: str) -> None:
    run_file(tmp_path, "work").parent.mkdir()
    run_file(tmp_path, "work").write_text(content)
    assert running(tmp_path, "work") is None


def test_a_health_door_that_a_role_of_the_same_folder_has_says_which_process_that_is(tmp_path: Path) -> None:
    with HealthServer(Health(), Http(), tmp_path, "index") as server:
        taken = Http(port=server.port)
        with pytest.raises(ConfigurationError, match=rf"index of this data folder .*kill {os.getpid()}\)"):
            HealthServer(Health(), taken, tmp_path, "assemble").__enter__()
        with pytest.raises(ConfigurationError, match=r"cannot be opened: Address already in use$"):
            HealthServer(Health(), taken, tmp_path / "another", "assemble").__enter__()


def test_that_no_role_runs_is_told_where_the_database_is_the_nodes_own_and_nowhere_else(tmp_path: Path) -> None:
    own = Settings(data=tmp_path)
    elsewhere = own.model_copy(update={"database": Database.model_validate({"url": "postgresql+psycopg://a@b/c"})})
    assert "no node runs on" in stopped(own) and str(tmp_path) in stopped(own)
    assert stopped(elsewhere) == ""
    with HealthServer(Health(), Http(), tmp_path, "database"):
        assert "no node runs on" in stopped(own)  # a command keeps the database, too
        with HealthServer(Health(), Http(), tmp_path, "index"):
            assert stopped(own) == ""
