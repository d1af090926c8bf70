"""What evaluation.json says, from scores and labels that are counted by hand."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="tqdm is not installed; `uv sync --extra training` installs it")

from training.chest import evaluate
from training.chest.radiographs import Person
from training.metrics import Calibration

UNKNOWN = math.nan


def test_unknown_labels_are_left_out_of_every_figure() -> None:
    labels = np.array([1, 0, UNKNOWN, 1, 0], np.float32)
    found = evaluate.measures(labels, np.array([0.9, 0.2, 0.99, 0.4, 0.6], np.float32), 0.5)
    assert (found.positives, found.negatives) == (2, 2)
    assert (found.auroc, found.sensitivity, found.specificity) == (0.75, 0.5, 0.5)
    assert found.calibration_error == pytest.approx((0.1 + 0.2 + 0.6 + 0.6) / 4)


def test_a_finding_that_is_never_known_has_no_threshold() -> None:
    labels = np.array([[1, UNKNOWN], [0, UNKNOWN]], np.float32)
    known, never = evaluate.thresholds(labels, np.array([[0.8, 0.1], [0.3, 0.9]], np.float32))
    assert known == pytest.approx(0.8)
    assert math.isnan(never)


def test_people_are_grouped_by_age_sex_vendor_and_view() -> None:
    people = [Person("1", 30, "F", "Vendor A", "PA"), Person("2")]
    assert evaluate.groups(people) == {
        "age": ["18-39", "unknown"],
        "sex": ["F", "unknown"],
        "vendor": ["Vendor A", "unknown"],
        "view": ["PA", "unknown"],
    }


def test_json_knows_no_nan() -> None:
    given = {"a": (math.nan, 0.1234567), "b": asdict(Calibration(0.5, ())), "c": 3}
    assert json.dumps(evaluate.jsonable(given)) == '{"a": [null, 0.12346], "b": {"error": 0.5, "bins": []}, "c": 3}'
