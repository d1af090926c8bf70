"""A server is stopped while studies arrive: nothing that was acknowledged is lost, and results come after."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.senders import scan
from tests.support.servers import KafkaBroker, Orthanc, Postgres, Server
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow

# A minute is what operators see, and what `make faults` has; the build server has not three of them for this.
SECONDS = float(os.environ.get("DICOM_NODE_OUTAGE_SECONDS", "3"))
_PAUSE = 1.5  # s between two studies


@pytest.fixture(scope="module")
def trial(
    tmp_path_factory: pytest.TempPathFactory,
    thresholds: Path,
    archive: Orthanc,
    broker: KafkaBroker,
    postgres: Postgres,
) -> Iterator[Trial]:
    """A node whose servers are all its neighbours."""
    data, name = tmp_path_factory.mktemp("outages") / "node", postgres.fresh_database()
    node = Node(
        data,
        destinations=[archive.destination],
        kafka=broker.bootstrap,
        database=postgres.url("dicom_node_app", name),
        owner=postgres.url("postgres", name),
        models=thresholds,
        env=QUICK,
    )
    with node:
        yield Trial(node, archive)


def test_studies_that_arrive_while_postgresql_is_stopped_come_home_after(
    trial: Trial, postgres: Postgres, tmp_path: Path
) -> None:
    _send_while_stopped(trial, postgres, "postgresql", tmp_path)


def test_studies_that_arrive_while_kafka_is_stopped_come_home_after(
    trial: Trial, broker: KafkaBroker, tmp_path: Path
) -> None:
    _send_while_stopped(trial, broker, "kafka", tmp_path)


def test_studies_that_arrive_while_the_archive_is_stopped_come_home_after(
    trial: Trial, archive: Orthanc, tmp_path: Path
) -> None:
    _send_while_stopped(trial, archive, "orthanc", tmp_path)


def test_an_inference_that_ends_while_postgresql_is_stopped_is_done_again(
    trial: Trial, postgres: Postgres, tmp_path: Path
) -> None:
    phantom = small("postgresql away at the end")
    model = trial.model_process()
    os.kill(model, signal.SIGSTOP)
    scan(trial.node, phantom.datasets(), tmp_path / "study")
    running = "SELECT 1 FROM jobs WHERE state = 'running'"
    trial.wait_for(lambda: trial.rows(running), "the model to run")
    with _stopped(postgres):
        os.kill(model, signal.SIGCONT)
        trial.wait_for(lambda: "PostgreSQL" in trial.node.unready("work").get("work", ""), "the worker to say so")
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_a_role_says_what_it_waits_for_and_goes_on_by_itself(trial: Trial, postgres: Postgres) -> None:
    pids = {role: trial.node.pid(role) for role in trial.node.roles}
    with _stopped(postgres):
        trial.wait_for(lambda: "PostgreSQL" in trial.node.unready("work").get("work", ""), "the worker to say so")
        assert trial.node.unready("listen") == {}
    trial.node.wait_ready(timeout=120)
    assert {role: trial.node.pid(role) for role in trial.node.roles} == pids


def test_the_trail_of_a_node_that_lost_its_servers_is_whole(trial: Trial) -> None:
    assert trial.node.cli("audit", "verify")["intact"] is True


def _send_while_stopped(trial: Trial, server: Server, name: str, folder: Path) -> None:
    """Send studies throughout the outage. Every instance must be answered with success: storescu fails otherwise."""
    phantoms: list[Phantom] = []
    with _stopped(server):
        end = time.monotonic() + SECONDS
        while not phantoms or time.monotonic() < end:
            phantoms.append(small(f"{name} {len(phantoms)}"))
            scan(trial.node, phantoms[-1].datasets(), folder / str(len(phantoms)))
            assert trial.node.unready("listen") == {}
            time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))
    uids = [phantom.uid("study") for phantom in phantoms]
    for uid in uids:
        trial.await_home(uid)
    trial.assert_one_set(*uids)


@contextmanager
def _stopped(server: Server) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()
