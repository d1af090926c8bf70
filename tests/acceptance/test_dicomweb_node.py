"""A whole node whose studies come by STOW-RS beside C-STORE, and whose results go home by STOW-RS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.peers import Destination
from dicom_node.elements import file_meta
from dicom_node.scu.kinds import send
from dicom_node.scu.store import Verdict
from tests.support.node import Node
from tests.support.processes import free_port
from tests.support.scripted import at
from tests.support.senders import acknowledged, instance
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def door() -> Destination:
    return Destination.model_validate({"kind": "dicomweb", "url": f"http://127.0.0.1:{free_port()}/dicom-web"})


@pytest.fixture(scope="module")
def trial(
    tmp_path_factory: pytest.TempPathFactory, archive: Orthanc, door: Destination, thresholds: Path
) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("web")
    env = {**QUICK, "DICOM_NODE_WEB__ENABLED": "true", "DICOM_NODE_WEB__PORT": str(door.endpoint[1])}
    with Node(folder / "node", models=thresholds, destinations=[f"ARCHIVE={archive.dicomweb}"], env=env) as node:
        node.wait_ready("web")
        yield Trial(node, archive)


def test_a_study_that_comes_by_both_doors_is_one_study_and_its_results_go_home_by_stow(
    trial: Trial, door: Destination
) -> None:
    study = small("both doors")
    instances = [instance(one) for one in study.datasets()]
    outcomes = [
        *send(instances[::2], door, "TEST", 60),
        *send(instances[1::2], at("NODE", trial.node.port), "SCANNER", 60),
    ]
    assert {one.verdict for one in outcomes} == {Verdict.STORED}
    trial.await_home(study.uid("study"))
    assert len(trial.indexed(study.uid("study"))) == study.slices
    assert len(trial.rows("SELECT 1 FROM studies")) == 1
    callers = trial.rows("SELECT DISTINCT calling_ae FROM associations ORDER BY calling_ae")
    assert [one["calling_ae"] for one in callers] == ["DICOMWEB", "SCANNER"]
    written = trial.rows("SELECT sop_uid, object_key FROM results")
    sent = {row["sop_uid"]: (trial.node.data / "objects" / row["object_key"]).read_bytes() for row in written}
    home = [trial.archive.file(one) for one in trial.archive.get("/instances")]
    assert home
    assert {data_set(one) for one in home} <= {data_set(one) for one in sent.values()}


def test_what_was_answered_is_indexed_though_the_door_was_killed_in_the_middle(trial: Trial, door: Destination) -> None:
    study = small("killed")
    instances = [instance(one) for one in study.datasets()]
    told = acknowledged(send(instances[:8], door, "TEST", 60))
    dead = trial.node.kill("web")
    list(send(instances[8:], door, "TEST", 60))
    trial.node.wait_restarted("web", dead)
    again = list(send(instances[8:], door, "TEST", 60))
    assert {one.verdict for one in again} == {Verdict.STORED}
    assert set(told) < {one.sop_instance for one in instances}
    indexed = lambda: len(trial.indexed(study.uid("study"))) == study.slices  # noqa: E731
    trial.wait_for(indexed, "what was answered to be indexed")


def data_set(file: bytes) -> bytes:
    """What follows the file meta."""
    return file[file_meta(file)[1] :]
