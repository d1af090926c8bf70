"""kill -9 on every role at its worst moment, and on everything at once: what was acknowledged comes home, once."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.scu.store import Outcome
from tests.support.gate import Gate
from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.processes import alive, kill_pid, wait_for
from tests.support.senders import acknowledged, instance, paced, scan
from tests.support.servers import KafkaBroker, Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gate(archive: Orthanc) -> Iterator[Gate]:
    with Gate(archive.dicom_port) as gate:
        yield gate


@pytest.fixture(scope="module")
def trial(
    tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc, gate: Gate, broker: KafkaBroker
) -> Iterator[Trial]:
    """A node with every role that there is; the way to its archive leads through the gate."""
    data = tmp_path_factory.mktemp("kills") / "node"
    door = f"{archive.aet}@127.0.0.1:{gate.port}"
    with Node(data, destinations=[door], kafka=broker.bootstrap, models=thresholds, env=QUICK) as node:
        yield Trial(node, archive)


def test_a_listener_killed_in_mid_association_has_kept_all_that_it_acknowledged(trial: Trial) -> None:
    """The sender does not come back: the study is what was acknowledged."""
    phantom = small("listener killed")
    done = _kill_while_sending(trial, phantom, "listen", after=10)
    trial.await_home(phantom.uid("study"))
    assert set(done) <= trial.indexed(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_a_sender_that_sends_the_rest_after_a_listener_was_killed_gets_one_set_of_results(trial: Trial) -> None:
    phantom = small("listener killed, rest sent")
    with _held(trial.node, "assemble"):  # so that the silence between the two associations completes nothing
        done = set(_kill_while_sending(trial, phantom, "listen", after=10))
        rest = [one for one in phantom.datasets() if one.SOPInstanceUID not in done]
        assert len(acknowledged(paced(trial.node, [instance(one) for one in rest]))) == len(rest)
        trial.wait_for(lambda: len(trial.indexed(phantom.uid("study"))) == phantom.slices, "all slices to be indexed")
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_an_indexer_killed_again_and_again_files_every_instance_once(trial: Trial) -> None:
    phantom = small("indexer killed")
    outcomes = []
    for number, outcome in enumerate(paced(trial.node, [instance(one) for one in phantom.datasets()])):
        outcomes.append(outcome)
        if number in {5, 12, 19}:
            trial.wait_for(lambda: not trial.node.unready("index"), "the indexer to be back")
            trial.node.kill("index")
    sent = acknowledged(outcomes)
    assert len(sent) == phantom.slices
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))
    assert sorted(_received(trial, phantom)) == sorted(sent)


def test_an_assembler_killed_while_a_study_settles_completes_it_after_its_restart(trial: Trial, tmp_path: Path) -> None:
    phantom = small("assembler killed")
    trial.node.pause("assemble")
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    trial.wait_for(lambda: len(trial.indexed(phantom.uid("study"))) == phantom.slices, "all slices to be indexed")
    trial.node.wait_restarted("assemble", trial.node.kill("assemble"))
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_a_relay_killed_before_it_has_carried_an_event_carries_it_after_its_restart(
    trial: Trial, tmp_path: Path
) -> None:
    phantom = small("relay killed")
    trial.node.pause("relay")
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    trial.wait_for(lambda: trial.study(phantom.uid("study")).get("state") == "complete", "the study to be complete")
    dead = trial.node.kill("relay")
    trial.node.wait_restarted("relay", dead)
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_events_that_a_killed_relay_carries_a_second_time_change_nothing(trial: Trial, tmp_path: Path) -> None:
    """As where it dies between the broker's answer and the note of its place."""
    phantom = small("relay killed late")
    before = trial.rows("SELECT * FROM offsets WHERE reader = 'relay'")[0]["seq"]
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    trial.await_home(phantom.uid("study"))
    trial.await_rest()
    repeated = _repeated(trial)
    trial.node.pause("relay")
    trial.rows("UPDATE offsets SET seq = %s WHERE reader = 'relay'", before)
    trial.node.wait_restarted("relay", trial.node.kill("relay"))
    trial.wait_for(lambda: _repeated(trial) > repeated, "the events to come a second time")
    trial.assert_one_set(phantom.uid("study"))


def test_a_worker_killed_in_mid_inference_takes_its_model_along_and_runs_the_job_again(
    trial: Trial, tmp_path: Path
) -> None:
    phantom = small("worker killed")
    model = _freeze_model(trial)
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    _await_job(trial, phantom, "running")
    dead = trial.node.kill("work")
    wait_for(lambda: not alive(model), 60, "the model process to be dead")
    trial.node.wait_restarted("work", dead)
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))
    assert _await_job(trial, phantom, "succeeded")["attempts"] == 2


def test_a_worker_that_a_restart_cuts_off_in_mid_inference_says_so_and_costs_no_attempt(
    trial: Trial, tmp_path: Path
) -> None:
    phantom = small("worker stopped")
    model = _freeze_model(trial)
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    _await_job(trial, phantom, "running")
    kill_pid(trial.node.pid("work"), signal.SIGTERM)
    trial.wait_for(
        lambda: "was told to stop" in str(_await_job(trial, phantom, "running")["reason"]), "the stop to be noted"
    )
    dead = trial.node.kill("work")  # as its supervisor does once it has waited long enough
    wait_for(lambda: not alive(model), 60, "the model process to be dead")
    trial.node.wait_restarted("work", dead)
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))
    assert _await_job(trial, phantom, "succeeded")["attempts"] == 1


def test_a_model_killed_in_mid_inference_costs_one_attempt(trial: Trial, tmp_path: Path) -> None:
    phantom = small("model killed")
    model = _freeze_model(trial)
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    _await_job(trial, phantom, "running")
    kill_pid(model)
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))
    assert _await_job(trial, phantom, "succeeded")["attempts"] == 2


def test_a_writer_killed_while_it_writes_results_writes_them_once(trial: Trial, tmp_path: Path) -> None:
    phantom = small("writer killed")
    folder = trial.node.data / "objects" / "results"
    before = len(list(folder.rglob("*.dcm")))
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    # Files come first and their rows a moment later.
    wait_for(lambda: len(list(folder.rglob("*.dcm"))) > before, 120, "the first result to be written", interval=0.001)
    dead = trial.node.kill("write")
    trial.node.wait_restarted("write", dead)
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_a_delivery_killed_in_mid_association_leaves_one_set_at_the_archive(
    trial: Trial, gate: Gate, tmp_path: Path
) -> None:
    phantom = small("delivery killed")
    gate.withhold()
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    trial.wait_for(gate.withheld.is_set, "the archive to have stored an object")
    dead = trial.node.kill("deliver")
    gate.release()
    trial.node.wait_restarted("deliver", dead)
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_after_a_power_cut_everything_acknowledged_comes_home_once(trial: Trial, gate: Gate, tmp_path: Path) -> None:
    _cut_power(trial, gate, tmp_path)


def test_after_a_power_cut_everything_acknowledged_comes_home_once_over_the_postgresql_bus(
    tmp_path: Path, thresholds: Path, archive: Orthanc, gate: Gate
) -> None:
    door = f"{archive.aet}@127.0.0.1:{gate.port}"
    with Node(tmp_path / "node", destinations=[door], models=thresholds, env=QUICK) as node:
        _cut_power(Trial(node, archive), gate, tmp_path)


def _cut_power(trial: Trial, gate: Gate, folder: Path) -> None:
    """With one study on its way to the archive, one in a model, and one that a scanner is sending."""
    name = trial.node.data.parent.name
    sending, inferring, arriving = (small(f"{what} at the power cut of {name}") for what in ("sent", "run", "arriving"))
    gate.withhold()
    scan(trial.node, sending.datasets(), folder / "sending")
    trial.wait_for(gate.withheld.is_set, "the archive to have stored an object")
    _freeze_model(trial)
    scan(trial.node, inferring.datasets(), folder / "inferring")
    _await_job(trial, inferring, "running")

    scanner = _Scanner(trial.node, replace(arriving, slices=240, spacing=(1.0, 6.0, 6.0)))
    wait_for(lambda: len(scanner.outcomes) > 40, 60, "forty slices to have been acknowledged", interval=0.001)
    trial.node.kill_all()
    scanner.join()
    gate.release()

    trial.node.start()
    for phantom in (sending, inferring, arriving):
        trial.await_home(phantom.uid("study"))
    uids = [phantom.uid("study") for phantom in (sending, inferring, arriving)]
    assert set(acknowledged(scanner.outcomes)) <= trial.indexed(arriving.uid("study"))
    trial.assert_one_set(*uids)
    assert trial.node.cli("audit", "verify")["intact"] is True


class _Scanner:
    """Sends a study from a thread, as fast as it is taken, until the node is gone."""

    def __init__(self, node: Node, phantom: Phantom) -> None:
        self.outcomes: list[Outcome] = []
        self._instances = [instance(one) for one in phantom.datasets()]
        self._node = node
        self._thread = threading.Thread(target=self._send, name="scanner", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(90)
        assert not self._thread.is_alive()

    def _send(self) -> None:
        for outcome in paced(self._node, self._instances):
            self.outcomes.append(outcome)


def _kill_while_sending(trial: Trial, phantom: Phantom, role: str, after: int) -> list[str]:
    """Kill `role` when so many slices were acknowledged; those that were, once the role is back."""
    outcomes = []
    dead = 0
    for outcome in paced(trial.node, [instance(one) for one in phantom.datasets()]):
        outcomes.append(outcome)
        if len(outcomes) == after:
            dead = trial.node.kill(role)
    done = acknowledged(outcomes)
    assert after <= len(done) < phantom.slices
    trial.node.wait_restarted(role, dead)
    return done


@contextmanager
def _held(node: Node, role: str) -> Iterator[None]:
    node.pause(role)
    try:
        yield
    finally:
        node.resume(role)


def _freeze_model(trial: Trial) -> int:
    """Stop the model's process, so that the next inference begins and does not end; its process id."""
    model = trial.model_process()
    kill_pid(model, signal.SIGSTOP)
    return model


def _await_job(trial: Trial, phantom: Phantom, state: str) -> dict[str, object]:
    query = "SELECT jobs.* FROM jobs JOIN studies ON studies.id = study_id WHERE study_uid = %s AND jobs.state = %s"
    rows = trial.wait_for(lambda: trial.rows(query, phantom.uid("study"), state), f"the job to be {state}")
    return dict(rows[0])


def _received(trial: Trial, phantom: Phantom) -> list[str]:
    """Every instance that the trail says was received for a study, as often as it says so."""
    study = str(trial.study(phantom.uid("study"))["id"])
    query = "SELECT entry FROM audit_entries WHERE entry::jsonb ->> 'study' = %s"
    entries = [json.loads(row["entry"]) for row in trial.rows(query, study)]
    return [
        uid for entry in entries if entry["action"] == "instances received" for uid, _ in entry["details"]["instances"]
    ]


def _repeated(trial: Trial) -> float:
    """How many events the roles have met a second time since they started."""
    figures = "".join(trial.node.get(role, "/metrics") for role in ("assemble", "write", "deliver"))
    events = (line for line in figures.splitlines() if line.startswith("dicom_node_events_total"))
    return sum(float(line.split()[-1]) for line in events if 'outcome="duplicate"' in line)
