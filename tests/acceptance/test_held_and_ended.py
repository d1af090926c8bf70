"""What a person holds back, ends or asks for again, on a whole node: over a restart too, and nothing is lost."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from pydicom import dcmread

from tests.support.node import Node
from tests.support.processes import free_port
from tests.support.senders import scan
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, SEGMENTED, Trial, small

pytestmark = pytest.mark.slow

MODEL = "body_and_bone"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("held") / "node"
    api = {"DICOM_NODE_CONSOLE__ENABLED": "true", "DICOM_NODE_CONSOLE__PORT": str(free_port())}
    with Node(folder, destinations=[archive.destination], models=thresholds, env={**QUICK, **api}) as node:
        yield Trial(node, archive)


def sent(trial: Trial, name: str, folder: Path, **differences: str) -> str:
    """The UID of a study that a scanner has sent."""
    datasets = small(name, **differences).datasets()
    scan(trial.node, datasets, folder)
    return str(datasets[0].StudyInstanceUID)


def await_place(trial: Trial, uid: str, why: str) -> None:
    trial.wait_for(lambda: trial.study(uid) and why in trial.status(uid)["why"], f"{uid} to wait: {why}")


def test_a_paused_destination_gets_nothing_over_a_restart_and_all_of_it_after(trial: Trial, tmp_path: Path) -> None:
    (name,) = [one["name"] for one in trial.node.cli("destinations", "list")["destinations"]]
    trial.node.run("destinations", "pause", name, "--reason", "the archive moves")
    uid = sent(trial, "paused", tmp_path, accession_number="HELD 1")
    await_place(trial, uid, f"{name} is paused")
    trial.node.wait_restarted("deliver", trial.node.kill("deliver"))
    assert f"destination {name} is paused" in trial.node.run("status")
    assert trial.kinds(uid) == []
    (row,) = trial.rows("SELECT state, attempts FROM deliveries")
    assert row == {"state": "pending", "attempts": 0}
    trial.node.run("destinations", "resume", name)
    trial.await_home(uid)
    trial.assert_one_set(uid)
    assert [one["study_uid"] for one in trial.node.cli("status", "--accession", "held 1")["studies"]] == [uid]


def test_a_cancelled_study_goes_nowhere_until_it_is_tried_again(trial: Trial, tmp_path: Path) -> None:
    trial.node.run("models", "pause", MODEL, "--reason", "under review")
    uid = sent(trial, "cancelled", tmp_path)
    await_place(trial, uid, f"{MODEL} is paused")
    assert trial.node.cli("cancel", uid, "--reason", "a test of the scanner")["jobs"] == 1
    trial.node.run("models", "resume", MODEL)
    trial.await_rest()
    assert "a test of the scanner" in trial.status(uid)["why"]
    assert trial.kinds(uid) == []
    trial.node.run("retry", uid)
    trial.await_home(uid)
    trial.assert_one_set(uid)


def test_a_model_that_runs_again_gives_the_archive_a_second_result_that_names_the_first(
    trial: Trial, tmp_path: Path
) -> None:
    uid = sent(trial, "again", tmp_path)
    trial.await_home(uid)
    trial.await_rest()
    first = {one.SOPInstanceUID for one in trial.results(uid)}
    trial.node.run("reprocess", uid, "--model", MODEL, "--reason", "the GPU was faulty")
    trial.await_home(uid, revision=2)
    trial.await_rest()
    assert trial.kinds(uid) == sorted(SEGMENTED * 2)
    (report,) = [
        one
        for one in trial.results(uid)
        if one.SOPInstanceUID not in first and one.Modality == "SR" and "PredecessorDocumentsSequence" in one
    ][:1]
    (study,) = report.PredecessorDocumentsSequence
    named = {one.ReferencedSOPInstanceUID for one in study.ReferencedSeriesSequence[0].ReferencedSOPSequence}
    assert named and named <= first
    assert [job["result_number"] for job in trial.status(uid)["jobs"]] == [1, 2]


def asked(trial: Trial, method: str, path: str, key: str, body: object = None) -> tuple[int, bytes]:
    """Status and answer of the API, as a program has them."""
    url = f"http://127.0.0.1:{trial.node.env['DICOM_NODE_CONSOLE__PORT']}/api/v1{path}"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    said = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, said, headers, method=method), timeout=60) as answer:
            return int(answer.status), bytes(answer.read())
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_a_program_with_a_key_asks_by_the_api_what_a_person_asks_by_commands(trial: Trial, tmp_path: Path) -> None:
    scopes = ("studies:read", "studies:change", "results:read")
    made = trial.node.cli("keys", "make", "worklist", *(word for one in scopes for word in ("--scope", one)))
    trial.node.wait_ready("serve")
    uid = sent(trial, "by the API", tmp_path)
    trial.await_home(uid)
    status, body = asked(trial, "GET", f"/studies/{uid}", made["key"])
    assert (status, json.loads(body)) == (200, trial.status(uid))
    listed = json.loads(asked(trial, "GET", f"/studies/{uid}/results", made["key"])[1])["results"]
    (seg,) = (one for one in listed if one["kind"] == "SEG")
    status, whole = asked(trial, "GET", f"/results/{seg['sop_uid']}/object", made["key"])
    assert dcmread(BytesIO(whole)).SOPInstanceUID == seg["sop_uid"]
    assert asked(trial, "GET", f"/results/{seg['sop_uid']}/picture", made["key"])[1].startswith(b"\x89PNG")
    assert asked(trial, "GET", "/studies", "no such key")[0] == 401
    # A server that is killed comes back, and what it was asked before counts.
    trial.node.wait_restarted("serve", trial.node.kill("serve"))
    assert asked(trial, "PUT", f"/studies/{uid}/hold", made["key"], {"reason": "complaint 12"})[0] == 200
    assert trial.status(uid)["hold"]["reason"] == "complaint 12"
    said = trial.node.cli("audit", "show", "--study", uid)["entries"]
    assert [one["details"]["user"] for one in said if one["action"] == "study held"] == ["key worklist"]
    trial.node.run("keys", "revoke", "worklist")
    assert asked(trial, "GET", f"/studies/{uid}", made["key"])[0] == 401
