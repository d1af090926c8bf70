"""The figures of an evaluation, each against counting by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import metrics

SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9])), min_size=1, max_size=30)


def arrays(scored: list[tuple[bool, float]]) -> tuple[metrics.Bool, metrics.Scores]:
    return np.array([truth for truth, _ in scored]), np.array([score for _, score in scored])


@given(SCORED)
def test_auroc_is_the_share_of_pairs_in_the_right_order_with_ties_for_half(scored: list[tuple[bool, float]]) -> None:
    positives = [score for truth, score in scored if truth]
    negatives = [score for truth, score in scored if not truth]
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    value = metrics.auroc(*arrays(scored))
    assert value == pytest.approx(np.mean(pairs)) if pairs else math.isnan(value)


def test_auroc_of_known_labels_leaves_the_unknown_out() -> None:
    labels = np.array([1, 0, math.nan, 0])
    assert metrics.known_auroc(labels, np.array([0.8, 0.3, 0.0, 0.9])) == 0.5


def test_sensitivity_and_specificity_count_the_threshold_itself_as_positive() -> None:
    truth, scores = np.array([True, True, False, False]), np.array([0.5, 0.4, 0.5, 0.1])
    assert metrics.sensitivity(truth, scores, 0.5) == 0.5
    assert metrics.specificity(truth, scores, 0.5) == 0.5
    assert math.isnan(metrics.sensitivity(np.array([False]), np.array([0.5]), 0.5))
    assert math.isnan(metrics.specificity(np.array([True]), np.array([0.5]), 0.5))


@given(SCORED.filter(lambda scored: len({truth for truth, _ in scored}) == 2))
def test_no_threshold_beats_youdens(scored: list[tuple[bool, float]]) -> None:
    truth, scores = arrays(scored)

    def index(threshold: float) -> float:
        return metrics.sensitivity(truth, scores, threshold) + metrics.specificity(truth, scores, threshold)

    best = metrics.youden_threshold(truth, scores)
    assert index(best) == pytest.approx(max(index(level) for level in scores))


def test_dice_of_two_empty_masks_is_one() -> None:
    one = np.array([True, True, False, False])
    assert metrics.dice(one, np.array([True, False, True, False])) == 0.5
    assert metrics.dice(one & False, one & False) == 1


def test_calibration_is_the_gap_between_what_is_expected_and_what_is_seen() -> None:
    probabilities = np.array([0.05, 0.05, 0.95, 1.0])
    found = metrics.calibration(np.array([False, True, True, True]), probabilities)
    assert [(one.count, one.observed) for one in found.bins] == [(2, 0.5), (2, 1.0)]
    assert [one.expected for one in found.bins] == pytest.approx([0.05, 0.975])
    assert found.error == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)


@pytest.mark.parametrize(
    ("years", "band"), [(17, "0-17"), (18, "18-39"), (40, "40-64"), (65, "65+"), (math.nan, "unknown")]
)
def test_ages_fall_into_bands(years: float, band: str) -> None:
    assert metrics.age_band(years) == band


def test_strata_measure_each_group_by_itself() -> None:
    groups = {"sex": ["F", "M", "F"], "vendor": ["A", "A", "A"]}
    counted = metrics.strata(groups, lambda inside: int(inside.sum()))
    assert counted == {"sex": {"F": 2, "M": 1}, "vendor": {"A": 3}}
