"""An Orthanc that is asked by REST alone: its new images are read, and the results of these are there, and labelled."""

import json
from pathlib import Path

import pytest

from tests.support.node import Node
from tests.support.orthanc import a_file
from tests.support.phantoms import write
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, SEGMENTED, Trial, small

STUDY = small("by REST alone")
UID = STUDY.uid("study")

pytestmark = pytest.mark.slow


def test_a_study_that_is_stored_in_an_orthanc_has_its_results_there_and_none_of_them_comes_back(
    archive: Orthanc, thresholds: Path, tmp_path: Path
) -> None:
    archive.store(a_file(1))  # there before: it is no business of the node's
    peer = {"kind": "orthanc", "name": "archive", "url": archive.rest}
    env = QUICK | {
        "DICOM_NODE_ASSEMBLY__SETTLE": "15",  # by silence it shall not be complete: the archive is asked for its number
        "DICOM_NODE_SOURCES": json.dumps([{**peer, "changes": True}]),
        "DICOM_NODE_DESTINATIONS": json.dumps([{**peer, "label": "AI", "label_metadata": 1024}]),
    }
    paths = write(STUDY.datasets(), tmp_path / "images")
    with Node(tmp_path / "node", models=thresholds, env=env) as node:
        trial = Trial(node, archive)
        node.wait_ready("follow")
        node.wait_for(lambda: list((tmp_path / "node/spool/follow").glob("*.json")), 60, "the archive to be followed")
        archive.store_together(paths)
        trial.await_home(UID)
        assert trial.kinds(UID) == sorted([*SEGMENTED, *["unknown"] * len(paths)])  # and its images
        # Another study behind the results: once that is here, they were looked at.
        behind = write(small("behind").datasets()[:1], tmp_path / "behind")
        archive.store(*(path.read_bytes() for path in behind))
        trial.wait_for(lambda: trial.indexed(small("behind").uid("study")), "what came behind the results")
        assert len(trial.indexed(UID)) == len(paths)
        assert {row["calling_ae"] for row in trial.rows("SELECT calling_ae FROM associations")} == {"archive"}
    (study,) = (one["ID"] for one in archive.studies() if one["MainDicomTags"]["StudyInstanceUID"] == UID)
    assert archive.get(f"/studies/{study}/metadata?expand")["1024"] == "AI"
