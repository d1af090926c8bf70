"""A chest CT and one of the year before in the archive: the report says how each lung's volume has changed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from config.peers import parse_destination
from dicom_node.scu.store import Verdict, outgoing, send
from inference_worker.phantom import ChestPhantom
from tests.support import phantoms
from tests.support.node import Node
from tests.support.scripted import at
from tests.support.senders import scan
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial

pytestmark = pytest.mark.slow

SMALL = ChestPhantom(slices=60, size=128, spacing=5.0, pixel=3.0)


def uid(*parts: object) -> str:
    """Of no result: those are derived."""
    return str(generate_uid(entropy_srcs=["earlier", *map(str, parts)]))


def of(day: str, folder: Path, less: int = 0) -> Sequence[Dataset]:
    """The phantom on that day, `less` slices of its lungs full of tissue."""
    made = [dcmread(path) for path in SMALL.write(folder)]
    for number, one in enumerate(made):
        one.StudyDate, one.PatientBirthDate = day, "19500101"
        one.StudyInstanceUID, one.SeriesInstanceUID = (
            uid(day),
            uid(day, "series"),
        )
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=["earlier", day, str(number)]
        )
        one.FrameOfReferenceUID = uid(day, "frame")
        if 10 <= number < 10 + less:
            values = one.pixel_array
            one.PixelData = values.clip(40, None).tobytes()
    return made


@pytest.fixture
def trial(tmp_path: Path, archive: Orthanc, lungs: Path) -> Iterator[Trial]:
    peer = parse_destination(archive.destination)
    env = {
        **QUICK,
        "DICOM_NODE_DESTINATIONS": json.dumps([peer]),
        "DICOM_NODE_SOURCES": json.dumps([{**peer, "priors": True}]),
    }
    with Node(tmp_path / "node", models=lungs, env=env) as node:
        archive.add_modality(node.aet, node.port)
        yield Trial(node, archive)


def test_a_report_says_how_the_lungs_have_changed_since_the_study_that_the_archive_has(
    trial: Trial, archive: Orthanc, tmp_path: Path
) -> None:
    before = phantoms.write(of("20250101", tmp_path / "made", less=14), tmp_path / "before")
    outcomes = send([outgoing(path) for path in before], at(archive.aet, archive.dicom_port), "SCANNER")
    assert {one.verdict for one in outcomes} == {Verdict.STORED}
    now = of("20260101", tmp_path / "made")
    study = str(now[0].StudyInstanceUID)
    scan(trial.node, now, tmp_path / "sent")
    trial.await_home(study)
    reports = [one.to_json() for one in trial.results(study) if one.Modality == "SR"]
    assert reports and all("compared with an earlier study of the patient (within a year)" in text for text in reports)
    assert sum(text.count('"Change in volume"') for text in reports) == 2
    (found,) = trial.rows("SELECT findings -> 'segments' AS segments FROM jobs WHERE findings IS NOT NULL")
    compared = [[one["value"] for one in segment["compared"]] for segment in found["segments"]]
    assert [before > 0 and change > 0 and percent > 0 for before, change, percent in compared] == [True, True]
    states = {row["study_uid"]: row["state"] for row in trial.rows("SELECT study_uid, state FROM studies")}
    assert states[uid("20250101")] == "archived"
    assert {one.Modality for one in trial.results(uid("20250101"))} == {"CT"}, "no results of it"
