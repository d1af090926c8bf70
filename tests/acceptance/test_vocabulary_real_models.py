"""Networks that others trained give on real series what they gave in their authors' own programs.

The one of most segments does so through a whole node, in test_brain_models.py.
"""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference_worker import images, volume
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.model_protocol import Outcome
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume
from models.registry import load_package
from tests.support import brain_packages
from tests.support.brain_packages import DEEPBRAIN, MESHNET_3, MODEL5
from tests.support.counterparts import data


@pytest.fixture(scope="module")
def t1() -> Volume:
    return volume.build(sorted(data("mr_t1_siemens_trio").iterdir()), missing_slices=1)


def run(name: str, source: Volume, folder: Path) -> Outcome:
    package = load_package(brain_packages.write_brain(folder, name))
    return Pipeline(package, OpenVinoEngine()).run({"t1": source})


def volumes(outcome: Outcome) -> dict[str, float]:
    return {segment.label: segment.measurements[0].value for segment in outcome.findings.segments}


def brain(outcome: Outcome) -> NDArray[np.bool_]:
    assert outcome.mask is not None
    return outcome.mask > 0


@pytest.mark.slow
def test_a_segmenter_of_tissues_finds_the_volumes_of_its_authors(t1: Volume, tmp_path: Path) -> None:
    found = volumes(run(MODEL5, t1, tmp_path))
    assert sum(found.values()) == pytest.approx(1181, rel=0.03)
    assert found["White matter"] == pytest.approx(509, rel=0.03)
    assert found["Grey matter"] == pytest.approx(672, rel=0.03)


@pytest.mark.slow
def test_two_strangers_agree_about_the_brain(t1: Volume, tmp_path: Path) -> None:
    tissues, stripped = run(MESHNET_3, t1, tmp_path), run(DEEPBRAIN, t1, tmp_path)
    found = volumes(tissues)
    assert sum(found.values()) == pytest.approx(1231, rel=0.03)
    assert found["White matter"] == pytest.approx(640, rel=0.03)
    assert found["Grey matter"] == pytest.approx(591, rel=0.03)
    assert volumes(stripped)["Brain"] == pytest.approx(1422, rel=0.03)
    one, other = brain(tissues), brain(stripped)
    assert 2 * (one & other).sum() / (one.sum() + other.sum()) >= 0.92


def test_a_classifier_gives_the_probabilities_of_its_authors(tmp_path: Path) -> None:
    folder = data("cxr_paediatric_cr")
    with data("MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        notes = [(row["file"], re.search(r"p\(pneumonia\)=([\d.]+)", row["note"])) for row in csv.DictReader(file)]
    expected = {name: float(note[1]) for name, note in notes if note and Path(name).parent.name == folder.name}
    pipeline = Pipeline(load_package(brain_packages.write_pneumonia(tmp_path)), OpenVinoEngine())
    found = {
        name: pipeline.run({"radiograph": images.build([data(name)])}).findings.likelihoods[0].probability
        for name in expected
    }
    assert len(found) == 12
    assert found == pytest.approx(expected, abs=1e-3)
