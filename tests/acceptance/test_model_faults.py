"""Packages that do what no package should: each costs its own job, which says why, and the next job comes home.

One node with all of them; a study for each, followed by a study for a sound package on the same worker.
"""

import os
import pickle
import re
import select
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import fault_packages, packages
from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.processes import kill_pid
from tests.support.senders import acknowledged, instance, paced
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (find_spec("torch") and find_spec("monai")), reason="needs torch and monai, for pickles"),
]

RULE = """
[[rule]]
name = "{0}"
model = "{0}"

[rule.when]
study_description = "^{0}$"
"""

FAULTS = {
    "hangs": ("timed_out", r"running the model took longer than 12 s and was stopped"),
    "eats_memory": (
        "failed",
        r"Failed to allocate \d+ bytes of memory; smaller windows would change results, which the manifest does not",
    ),
    "not_a_number": ("failed", r"the network's output logits is not finite"),
    "misshapen": ("failed", r"its network gives \(3, 79, 128, 128\) for an input of \(80, 128, 128\)"),
    "pickled": ("failed", r"network\.pt: is no TorchScript; a pickle is never read"),
    "pickled_archive": ("failed", r"network\.pt: .*cannot load it"),
    "pickled_bundle": ("failed", r"models/model\.pt: is a pickle that calls \w+\.system: a program and no weights"),
}
ENV = {
    **QUICK,
    "DICOM_NODE_ASSEMBLY__SETTLE": "0.3",
    "DICOM_NODE_MODELS__TIMEOUT": "12",
    "DICOM_NODE_MODELS__ATTEMPTS": "1",
    "DICOM_NODE_MODELS__MEMORY_GB": "4",
    "DICOM_NODE_MODELS__THREADS": "1",
}


@dataclass(frozen=True)
class Site:
    """The node, its packages, and the folder in which a pickle that was run would leave a file."""

    trial: Trial
    models: Path
    marks: Path

    def send(self, model: str, study: str) -> str:
        """Send a study that `model` wants; its UID."""
        phantom = _phantom(model, study)
        whole = [instance(one) for one in phantom.datasets()]
        assert len(acknowledged(paced(self.trial.node, whole))) == len(whole)
        return phantom.uid("study")

    def job(self, uid: str) -> dict[str, object]:
        """The row of the one job of a study, empty while there is none."""
        query = "SELECT jobs.* FROM jobs JOIN studies ON studies.id = study_id WHERE study_uid = %s"
        found = self.trial.rows(query, uid)
        return found[0] if found else {}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, archive: Orthanc) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("model-faults")
    models, marks, rules = root / "models", root / "marks", root / "rules.toml"
    models.mkdir()
    marks.mkdir()
    _write_packages(models, marks)
    rules.write_text("".join(RULE.format(one.name) for one in sorted(models.iterdir())))
    env = {**ENV, "DICOM_NODE_MODELS__RULES": str(rules)}
    with Node(root / "node", destinations=[archive.destination], models=models, env=env) as node:
        yield Site(Trial(node, archive), models, marks)


@pytest.fixture(scope="module")
def ended(site: Site) -> Mapping[str, tuple[str, str]]:
    """The study of each fault and the sound one that was sent after it, once the node has come to rest."""
    sent = {}
    for name in FAULTS:
        faulty = site.send(name, name)
        site.trial.wait_for(lambda uid=faulty: site.job(uid), f"the job of {name}")
        sent[name] = faulty, site.send(packages.NAME, f"after {name}")
    site.trial.await_closed(2 * len(sent))
    site.trial.await_rest()
    return sent


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_a_failed_job_with_its_reason(site: Site, ended: Mapping[str, tuple[str, str]], name: str) -> None:
    state, reason = FAULTS[name]
    faulty, _ = ended[name]
    job = site.job(faulty)
    assert job["state"] == state
    assert re.search(reason, str(job["reason"]))
    status = site.trial.status(faulty)
    assert status["study"]["state"] == "stuck"
    assert status["why"].startswith(f"{name}: ")
    assert site.trial.home(faulty) == {}


@pytest.mark.parametrize("name", FAULTS)
def test_the_next_job_comes_home(site: Site, ended: Mapping[str, tuple[str, str]], name: str) -> None:
    faulty, sound = ended[name]
    site.trial.await_home(sound)
    site.trial.assert_one_set(sound)
    assert str(site.job(sound)["finished_at"]) > str(site.job(faulty)["finished_at"])


@pytest.mark.usefixtures("ended")
def test_no_code_in_a_pickle_has_run(site: Site) -> None:
    assert list(site.marks.iterdir()) == []


def test_the_pickles_would_leave_a_file_where_they_are_read(tmp_path: Path) -> None:
    """Otherwise the test above would show nothing."""
    pickle.loads(fault_packages.pickle_that_runs(_command(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


def test_a_byte_that_was_changed_since_the_job_was_requested_fails_it_with_the_file_s_name(site: Site) -> None:
    """The process that has loaded the package goes on with what it has verified; the next one does not start it."""
    site.trial.node.pause("work")
    try:
        faulty = site.send("changed", "changed")
        site.trial.wait_for(lambda: site.job(faulty), "the job")
        fault_packages.change_a_byte(site.models / "changed" / "network.onnx")
        _kill(site.trial.model_process())
    finally:
        site.trial.node.resume("work")
    site.trial.wait_for(
        lambda: site.job(faulty)["state"] == "failed", "the job to fail", report=lambda: site.job(faulty)
    )
    assert re.search(r"network\.onnx: is not the file that the manifest describes", str(site.job(faulty)["reason"]))
    sound = site.send(packages.NAME, "after changed")
    site.trial.await_home(sound)
    site.trial.assert_one_set(sound)


def _write_packages(models: Path, marks: Path) -> None:
    onnx = {
        "hangs": fault_packages.hanging(),
        "eats_memory": fault_packages.eating(),
        "not_a_number": fault_packages.not_a_number(),
        "misshapen": fault_packages.misshapen(),
        "changed": packages.network(),
    }
    pickles = {
        "pickled": fault_packages.pickle_that_runs(_command(marks / "pickled")),
        "pickled_archive": fault_packages.torch_archive(_command(marks / "archive")),
    }
    for name, network in onnx.items():
        fault_packages.write_package(models, name, network)
    for name, network in pickles.items():
        fault_packages.write_package(models, name, network, "torchscript")
    fault_packages.write_bundle(models, "pickled_bundle", fault_packages.checkpoint(_command(marks / "bundle")))
    packages.write_package(models)


def _kill(pid: int) -> None:
    """End a process and wait until all of its threads are gone, as whoever waits for it does."""
    watched = os.pidfd_open(pid)
    kill_pid(pid)
    ended, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    assert ended, f"process {pid} did not end"


def _command(mark: Path) -> str:
    return f"touch '{mark}'"


def _phantom(model: str, study: str) -> Phantom:
    return small(study, study_description=model)
