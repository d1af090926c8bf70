"""The whole node with its own template: the impression of a study is at the archive beside the results of its model."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import Dataset

from domain.profiles import ENHANCED_SR
from tests.support.node import Node
from tests.support.phantoms import write
from tests.support.senders import storescu
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow

ONE = small("an impression")
_AT_HOME = """
SELECT m.number FROM summaries m JOIN deliveries d ON d.summary_id = m.id AND d.state = 'stored' WHERE m.number = %s
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, thresholds: Path) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("impressions")
    (folder / "archive").mkdir()
    with Orthanc(folder / "archive") as archive:
        destinations = [archive.destination]
        with Node(folder / "node", destinations=destinations, models=thresholds, env=QUICK, impressions=True) as node:
            yield Trial(node, archive)


def sent(trial: Trial, datasets: Sequence[Dataset], folder: Path, number: int) -> Dataset:
    """The impression of this number, as the archive holds it once the images are sent."""
    folder.mkdir()
    write(datasets, folder)
    storescu(trial.node, folder)
    uid = str(datasets[0].StudyInstanceUID)
    trial.wait_for(lambda: trial.rows(_AT_HOME, number), f"impression {number} to be at the archive")
    (row,) = trial.rows(
        "SELECT sop_uid FROM results r JOIN summaries m ON m.id = r.summary_id WHERE m.number = %s", number
    )
    (found,) = [
        one
        for one in (trial.result(each["ID"]) for each in trial.archive.instances(StudyInstanceUID=uid))
        if row["sop_uid"] == one.SOPInstanceUID
    ]
    return found


def test_an_impression_comes_home_after_its_results_and_that_of_more_images_names_it(
    trial: Trial, tmp_path: Path
) -> None:
    every = ONE.datasets()
    first = sent(trial, every[:-2], tmp_path / "first", 1)
    assert first.SOPClassUID == ENHANCED_SR
    assert first.VerificationFlag == "UNVERIFIED"
    study = str(every[0].StudyInstanceUID)
    shown = trial.node.cli("summary", "show", study)
    assert all(one["facts"] for one in shown["impression"]["sentences"] if one["topic"] == "finding")
    said = {str(one.value) for one in first.iterall() if one.keyword == "TextValue"}
    assert {one["text"] for one in shown["impression"]["sentences"]} <= said
    assert trial.status(study)["impression"]["sentences"] == len(shown["impression"]["sentences"])
    second = sent(trial, every, tmp_path / "second", 2)
    (named,) = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert trial.node.cli("audit", "verify")["intact"]
