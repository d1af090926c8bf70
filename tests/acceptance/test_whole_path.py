"""A CT study comes in by C-STORE and goes home as a set of results: over either bus, on real parts.

One node for each bus: it gets all slices but ten, the same again, and then the whole study. What was there after each
step is looked at in its own tests. Over PostgreSQL goes a real CT with the shipped model of the lungs; over Kafka,
whose events hold no images, a small phantom with a model that needs no network.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from config.peers import parse_destination
from domain.profiles import BUILT_IN
from roles.rights import rights
from tests.support import counterparts, judges
from tests.support.forging import without_triggers
from tests.support.node import Node
from tests.support.phantoms import write
from tests.support.secured_kafka import SecuredKafka
from tests.support.senders import storescu
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, SEGMENTED, Trial, save, small

pytestmark = pytest.mark.slow

LATE = 10


@dataclass(frozen=True)
class Step:
    """What the archive and the database held when everything had come to rest."""

    results: list[Dataset]
    kinds: list[str]
    study: dict[str, Any]
    jobs: list[dict[str, Any]]

    def of(self, modality: str) -> list[Dataset]:
        return [one for one in self.results if one.Modality == modality]

    def uids(self) -> set[str]:
        return {one.SOPInstanceUID for one in self.results}


@pytest.fixture(scope="module", params=["postgres", "kafka"])
def bus(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def slices(bus: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A chest CT, from its lowest slice to its highest."""
    if bus == "kafka":
        files = write(small("over kafka").datasets(), tmp_path_factory.mktemp("phantom"))
    else:
        files = list(counterparts.data("ct_chest_lidc0001").glob("*.dcm"))
    return sorted(files, key=lambda file: float(dcmread(file, stop_before_pixels=True).ImagePositionPatient[2]))


@pytest.fixture(scope="module")
def study_uid(slices: Sequence[Path]) -> str:
    return str(dcmread(slices[0], stop_before_pixels=True).StudyInstanceUID)


@pytest.fixture(scope="module")
def trial(bus: str, tmp_path_factory: pytest.TempPathFactory, lungs: Path, thresholds: Path) -> Iterator[Trial]:
    folder, models = tmp_path_factory.mktemp(bus), thresholds if bus == "kafka" else lungs
    with ExitStack() as stack:
        archive = stack.enter_context(Orthanc(_made(folder / "archive")))
        kafka = stack.enter_context(SecuredKafka(_made(folder / "broker"))) if bus == "kafka" else None
        env = {**QUICK, **_told(archive), **(_as_a_user(kafka) if kafka else {})}
        node = Node(folder / "node", kafka=kafka.bootstrap if kafka else None, models=models, env=env)
        yield Trial(stack.enter_context(node), archive)


def _as_a_user(broker: SecuredKafka) -> dict[str, str]:
    """The variables of a node whose roles are one user, which may do what all of them need."""
    broker.grant(rights(broker.settings(), lambda _: "tests"))
    return broker.environment("tests")


@pytest.fixture(scope="module")
def first(trial: Trial, slices: Sequence[Path], study_uid: str, tmp_path_factory: pytest.TempPathFactory) -> Step:
    """All slices but the ten highest."""
    storescu(trial.node, _folder(slices[:-LATE], tmp_path_factory))
    trial.await_home(study_uid)
    return _step(trial, study_uid)


@pytest.fixture(scope="module")
def again(
    trial: Trial, first: Step, slices: Sequence[Path], study_uid: str, tmp_path_factory: pytest.TempPathFactory
) -> Step:
    """The same once more."""
    assert first.results
    storescu(trial.node, _folder(slices[:-LATE], tmp_path_factory))
    trial.await_closed(2)
    return _step(trial, study_uid)


@pytest.fixture(scope="module")
def amended(
    trial: Trial, again: Step, slices: Sequence[Path], study_uid: str, tmp_path_factory: pytest.TempPathFactory
) -> Step:
    """The whole study, of which ten slices are new."""
    assert again.results
    storescu(trial.node, _folder(slices, tmp_path_factory))
    trial.await_home(study_uid, revision=2)
    return _step(trial, study_uid)


def test_a_ct_study_by_storescu_comes_home_as_exactly_one_object_of_each_kind(first: Step) -> None:
    assert first.kinds == SEGMENTED
    assert first.study["state"] == "complete"


def test_results_carry_the_patient_and_the_study_of_their_source(first: Step, slices: Sequence[Path]) -> None:
    source = dcmread(slices[0], stop_before_pixels=True)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyInstanceUID", "StudyID"):
        assert {one.get(keyword) or None for one in first.results} == {source.get(keyword) or None}


def test_no_validator_finds_an_error_in_the_results(first: Step, slices: Sequence[Path], tmp_path: Path) -> None:
    files = save(first.results, tmp_path)
    assert {file.name: judges.complaints(file, slices[0]) for file in files} == {file.name: [] for file in files}
    assert judges.dcentvfy([*files, *slices[:3]]) == []


def test_a_study_that_is_sent_again_adds_nothing(first: Step, again: Step) -> None:
    assert again.study == first.study
    assert again.jobs == first.jobs
    assert again.uids() == first.uids()


def test_ten_more_slices_lead_to_results_that_supersede_the_earlier_ones(first: Step, amended: Step) -> None:
    assert (amended.study["state"], amended.study["revision"]) == ("complete", 2)
    assert amended.kinds == sorted([*SEGMENTED * 2, "NOTE"])
    assert first.uids() < amended.uids()
    reports = [one for one in amended.of("SR") if one.SOPInstanceUID not in first.uids()]
    assert all(one.SeriesDescription.startswith("Result 2, ") for one in reports)
    superseded = [_predecessors(one) for one in reports]
    earlier = {one.SOPInstanceUID for one in first.of("SR")}
    assert set().union(*superseded) == earlier
    assert [len(one) for one in superseded] == [1] * len(earlier)


def test_the_archive_is_told_that_the_earlier_results_are_superseded(first: Step, amended: Step) -> None:
    ((title, named),) = _notes(amended)
    assert (title, named) == ("113039", first.uids())


def _notes(step: Step) -> list[tuple[str, set[str]]]:
    """The code of each rejection note's title, and what it names."""
    documents = [(one.ConceptNameCodeSequence[0].CodeValue, one) for one in step.of("KO")]
    return sorted((title, _named(one)) for title, one in documents if title in ("113037", "113039"))


def _named(document: Dataset) -> set[str]:
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    objects = (one for series in study.ReferencedSeriesSequence for one in series.ReferencedSOPSequence)
    return {one.ReferencedSOPInstanceUID for one in objects}


def _predecessors(report: Dataset) -> set[str]:
    return {
        instance.ReferencedSOPInstanceUID
        for study in report.PredecessorDocumentsSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }


def test_no_validator_finds_an_error_in_superseding_results(
    first: Step, amended: Step, slices: Sequence[Path], tmp_path: Path
) -> None:
    files = save((one for one in amended.results if one.SOPInstanceUID not in first.uids()), tmp_path)
    assert {file.name: judges.complaints(file, slices[0]) for file in files} == {file.name: [] for file in files}


def test_each_further_slice_is_in_the_superseding_segmentation(
    first: Step, amended: Step, slices: Sequence[Path]
) -> None:
    (segmentation,) = [one for one in amended.of("SEG") if one.SOPInstanceUID not in first.uids()]
    (series,) = segmentation.ReferencedSeriesSequence
    assert len(series.ReferencedInstanceSequence) == len(slices)


def test_the_audit_chain_verifies_and_tells_the_whole_story_of_the_study(
    trial: Trial, amended: Step, study_uid: str
) -> None:
    assert amended.study["study_uid"] == study_uid
    assert trial.node.cli("audit", "verify")["intact"] is True
    told = [entry["action"] for entry in trial.node.cli("audit", "show", "--study", study_uid)["entries"]]
    story = [
        "instances received",
        "study completed",
        "models chosen",
        "inference leased",
        "inference done",
        "results written",
        "delivery planned",
        "delivery started",
        "results delivered",
    ]
    once = list(dict.fromkeys(told))
    assert [action for action in once if action in story] == story
    assert told.count("study amended") == 1
    assert told.count("results delivered") == 2
    assert told.count("rejection note delivered") == 1


# Any byte of any entry is for tests/unit/test_audit_chain.py; here lies the chain in the node's own table.
@pytest.mark.parametrize(("column", "place"), [("number", "first"), ("entry", "middle"), ("hash", "last")])
def test_one_byte_that_a_superuser_changes_in_any_audit_row_is_found_and_named(
    trial: Trial, amended: Step, column: str, place: str
) -> None:
    assert amended.results
    kept = trial.rows("SELECT number, entry, hash FROM audit_entries ORDER BY number")
    number = {"first": 1, "middle": len(kept) // 2, "last": len(kept)}[place]
    try:
        _forge(trial, f"UPDATE audit_entries SET {column} = {FORGED[column]} WHERE number = {number}")
        verdict = trial.node.cli("audit", "verify", code=1)
        assert (verdict["intact"], verdict["bad"], verdict["checked"]) == (False, number, number - 1)
    finally:
        _put_back(trial, kept)


def test_results_that_a_person_withdraws_are_taken_back_where_they_are(
    trial: Trial, first: Step, amended: Step, study_uid: str, slices: Sequence[Path], tmp_path: Path
) -> None:
    done = trial.node.cli("results", "withdraw", study_uid, "--reason", "of another patient")
    assert (done["runs"], len(done["destinations"])) == (2, 1)
    after = _step(trial, study_uid)
    second = {one.SOPInstanceUID for one in amended.results if one.SeriesDescription.startswith("Result 2, ")}
    found = _notes(after)
    assert [title for title, _ in found] == ["113037", "113037", "113039"]
    wrong = {frozenset(named) for title, named in found if title == "113037"}
    assert wrong == {frozenset(first.uids()), frozenset(second)}
    new = save((one for one in after.results if one.SOPInstanceUID not in amended.uids()), tmp_path)
    assert {file.name: judges.complaints(file, slices[0]) for file in new} == {file.name: [] for file in new}
    place = trial.status(study_uid)
    assert "withdrawn" in place["where"] and place["why"].startswith("of another patient; rejection note to ")
    assert trial.node.cli("audit", "verify")["intact"] is True


# Each changes one byte. What is no JSON any more would not get past the table's index, so of an entry it is the year.
FORGED = {
    "number": "number # (1::bigint << 40)",
    "entry": """overlay(entry placing '3' from position('"at":"' in entry) + 6)""",
    "hash": "set_byte(hash, 16, get_byte(hash, 16) # 1)",
}


def _forge(trial: Trial, statement: str) -> None:
    """Change the trail as nobody but a superuser can: with every trigger off."""
    with trial.superuser() as connection, without_triggers(connection):
        assert connection.execute(statement.encode()).rowcount == 1


def _put_back(trial: Trial, kept: Sequence[dict[str, Any]]) -> None:
    """The trail as it was before; entries that were added to a forged one go with the forgery."""
    with trial.superuser() as connection, without_triggers(connection):
        connection.execute("DELETE FROM audit_entries")
        add = "INSERT INTO audit_entries (number, entry, hash) VALUES (%(number)s, %(entry)s, %(hash)s)"
        connection.cursor().executemany(add, kept)


def _told(archive: Orthanc) -> dict[str, str]:
    """Settings by which the archive gets what the default profile sends, and is told what is superseded."""
    destination = {**parse_destination(archive.destination), "profile": "told"}
    told = {"objects": list(BUILT_IN["default"].objects), "supersede": "iocm"}
    return {
        "DICOM_NODE_DESTINATIONS": json.dumps([destination]),
        "DICOM_NODE_PROFILES": json.dumps({"told": told}),
    }


def _step(trial: Trial, uid: str) -> Step:
    trial.await_rest()
    study = trial.study(uid)
    return Step(
        trial.results(uid), trial.kinds(uid), study, trial.rows("SELECT * FROM jobs WHERE study_id = %s", study["id"])
    )


def _folder(files: Sequence[Path], factory: pytest.TempPathFactory) -> Path:
    folder = factory.mktemp("study")
    for file in files:
        (folder / file.name).symlink_to(file)
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
