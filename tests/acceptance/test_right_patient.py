"""The right patient, by the commands of a person: what is wrong is taken back, and what is right goes home."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.node import Node
from tests.support.senders import scan
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow

SAFETY = "113037"  # Rejected for Patient Safety Reasons (CID 7010)
RIGHT = {"patient_name": "Quistgaard^Ilse", "patient_id": "INV-7723", "birth_date": "19880917"}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("right-patient") / "node"
    with Node(folder, destinations=[archive.destination], models=thresholds, env=QUICK) as node:
        yield Trial(node, archive)


def await_stuck(trial: Trial, uid: str, why: str) -> None:
    trial.wait_for(lambda: why in str(trial.study(uid).get("reason")), f"{uid} to be stuck: {why}")


def test_a_study_sent_again_after_a_correction_takes_the_former_results_back(trial: Trial, tmp_path: Path) -> None:
    wrong = small("wrong").datasets()
    right = replace(small("right"), **RIGHT).datasets()  # type: ignore[arg-type]
    for one, former in zip(right, wrong, strict=True):
        one.SOPInstanceUID = former.SOPInstanceUID
    old, new = str(wrong[0].StudyInstanceUID), str(right[0].StudyInstanceUID)
    scan(trial.node, wrong, tmp_path / "wrong")
    trial.await_home(old)
    taken_back = {one.SOPInstanceUID for one in trial.results(old)}
    scan(trial.node, right, tmp_path / "right")
    await_stuck(trial, new, "it is a correction of another study")
    first = trial.status(old)["conflicts"][0]
    assert {first["kind"]} == {one["kind"] for one in trial.status(new)["conflicts"]} == {"other study"}

    said = trial.node.run("conflicts", "adopt", str(first["id"]))
    assert said.startswith(f"{len(right)} instances are what came at ")
    trial.await_home(new)
    trial.await_rest()
    assert {one.PatientID for one in trial.results(new)} == {RIGHT["patient_id"]}
    (note,) = [one for one in trial.results(old) if one.SOPInstanceUID not in taken_back]
    assert note.ConceptNameCodeSequence[0].CodeValue == SAFETY
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    rejected = {
        one.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert rejected == taken_back
    assert trial.indexed(old) == set()
    assert trial.status(old)["where"].endswith("withdrawn")


def test_a_person_keeps_the_images_of_one_of_two_patients(trial: Trial, tmp_path: Path) -> None:
    mixed = small("mixed").datasets()
    mixed[20:] = replace(small("mixed"), **RIGHT).datasets()[20:]  # type: ignore[arg-type]
    uid = str(mixed[0].StudyInstanceUID)
    scan(trial.node, mixed, tmp_path / "mixed")
    await_stuck(trial, uid, "its images name two patients")
    groups = trial.node.cli("patients", "list", uid)["patients"]
    (kept,) = [one["number"] for one in groups if one["instances"] == 20]
    trial.node.run("patients", "keep", uid, str(kept))
    trial.await_home(uid)
    assert {one.PatientID for one in trial.results(uid)} == {mixed[0].PatientID}
    shown = trial.node.run("status", uid) + trial.node.run("patients", "list", uid)
    assert not [one for one in (*RIGHT.values(), str(mixed[0].PatientID)) if one in shown]
