"""The whole node with its own template: the impression of a study is at the archive beside the results of its model."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from domain.profiles import ENHANCED_SR
from tests.support import judges
from tests.support.node import Node
from tests.support.phantoms import Phantom, Points, chest, write
from tests.support.senders import storescu
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow

ONE = small("an impression")
_AT_HOME = """
SELECT r.sop_uid FROM results r JOIN summaries m ON m.id = r.summary_id JOIN studies s ON s.id = m.study_id
JOIN deliveries d ON d.summary_id = m.id AND d.state IN ('stored', 'committed') WHERE s.study_uid = %s AND m.number = %s
"""
EARLIER, NOW = "20250309", "20260102"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, thresholds: Path) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("impressions")
    (folder / "archive").mkdir()
    with Orthanc(folder / "archive") as archive:
        destinations = [archive.destination]
        with Node(folder / "node", destinations=destinations, models=thresholds, env=QUICK, impressions=True) as node:
            yield Trial(node, archive)


def sent(trial: Trial, datasets: Sequence[Dataset], folder: Path, number: int = 1) -> Dataset:
    """The impression of this number, as the archive holds it once the images are sent."""
    folder.mkdir()
    write(datasets, folder)
    storescu(trial.node, folder)
    uid = str(datasets[0].StudyInstanceUID)
    trial.wait_for(lambda: trial.rows(_AT_HOME, uid, number), f"impression {number} to be at the archive")
    (row,) = trial.rows(_AT_HOME, uid, number)
    every = (trial.result(one["ID"]) for one in trial.archive.instances(StudyInstanceUID=uid))
    return next(one for one in every if one.SOPInstanceUID == row["sop_uid"])


def dated(phantom: Phantom, day: str) -> list[Dataset]:
    images = phantom.datasets()
    for one in images:
        one.StudyDate = day
    return images


def grown(points: Points) -> NDArray[np.int16]:
    """The chest, a ninth wider and deeper."""
    return chest(points * (0.9, 0.9, 1.0))


def test_a_later_study_of_the_same_patient_says_how_it_differs_and_no_date_leaves(trial: Trial, tmp_path: Path) -> None:
    person = {"patient_name": "Grown^Gretel", "patient_id": "GROWN-1"}
    before = small("before it", **person)
    # The later study comes first: there is nothing that it can be compared with.
    alone = sent(trial, dated(replace(before, study="long after"), "20300101"), tmp_path / "long after")
    first = sent(trial, dated(before, EARLIER), tmp_path / "before")
    assert "ompared" not in f"{alone} {first}"
    now = sent(trial, dated(small("after it", body=grown, **person), NOW), tmp_path / "now")
    texts = [str(one.value) for one in now.iterall() if one.keyword == "TextValue"]
    (said,) = [one for one in texts if one.startswith("Compared with an earlier study")]
    assert re.search(r"\(within a year\): body \+[0-9]+ ml in volume", said), said
    now.save_as(file := tmp_path / "impression.dcm")
    assert judges.complaints(file, next((tmp_path / "now").iterdir())) == []
    assert trial.rows("SELECT words FROM model_packages WHERE words IS NOT NULL")
    kept = trial.rows("SELECT s.named, m.facts, m.sources FROM summaries m JOIN studies s ON s.id = m.study_id")
    told = f"{kept} {texts}"
    assert not [day for day in (EARLIER, NOW, "2025-03-09") if day in told]


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
