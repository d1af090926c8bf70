"""How well scores and masks fit the truth. numpy in, numbers out; nothing here knows a network."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats

Bool: TypeAlias = npt.NDArray[np.bool_]
Scores: TypeAlias = npt.NDArray[np.floating[Any]]
T = TypeVar("T")

_AGE_BANDS = ((18, "0-17"), (40, "18-39"), (65, "40-64"))


def auroc(truth: Bool, scores: Scores) -> float:
    """Chance that a random positive scores above a random negative, ties counting half; NaN where one is missing.

    The Mann-Whitney statistic over its maximum (Hanley and McNeil, Radiology 143:29, 1982).
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return math.nan
    ranks = float(stats.rankdata(scores)[truth].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def known_auroc(labels: Scores, scores: Scores) -> float:
    """`auroc` of the samples whose label is known: 1 present, 0 absent, NaN unknown."""
    known = ~np.isnan(labels)
    return auroc(labels[known] > 0.5, scores[known])


def sensitivity(truth: Bool, scores: Scores, threshold: float) -> float:
    """Share of the positives that score `threshold` or more; NaN where there are none."""
    return float((scores[truth] >= threshold).mean()) if truth.any() else math.nan


def specificity(truth: Bool, scores: Scores, threshold: float) -> float:
    """Share of the negatives that score below `threshold`; NaN where there are none."""
    return float((scores[~truth] < threshold).mean()) if (~truth).any() else math.nan


def youden_threshold(truth: Bool, scores: Scores) -> float:
    """The score, of those that occur, at which sensitivity + specificity is largest (Youden, Cancer 3:32, 1950).

    Of equal ones the lowest. Positives and negatives must both occur.
    """
    levels = np.unique(scores)
    below = np.searchsorted(np.sort(scores[~truth]), levels) / (~truth).sum()
    missed = np.searchsorted(np.sort(scores[truth]), levels) / truth.sum()
    return float(levels[np.argmax(below - missed)])


def dice(one: Bool, other: Bool) -> float:
    """Twice the common voxels over the sum of both; 1 where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


@dataclass(frozen=True)
class Bin:
    """The samples whose probability lies from `low` to below `high`: how many, expected and true share of positives."""

    low: float
    high: float
    count: int
    expected: float
    observed: float


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, and the reliability table that it sums up; empty bins are left out."""

    error: float
    bins: tuple[Bin, ...]


def calibration(truth: Bool, probabilities: Scores, bins: int = 10) -> Calibration:
    """How far probabilities lie from shares, weighted by count, over `bins` bins of equal width.

    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015.
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    table = tuple(
        Bin(at / bins, (at + 1) / bins, int(inside.sum()),
            float(probabilities[inside].mean()), float(truth[inside].mean()))
        for at in range(bins)
        if (inside := place == at).any()
    )  # fmt: skip
    error = sum(one.count * abs(one.expected - one.observed) for one in table) / max(1, len(truth))
    return Calibration(error, table)


def age_band(years: float) -> str:
    """0-17, 18-39, 40-64 or 65+; "unknown" where `years` is NaN."""
    if math.isnan(years):
        return "unknown"
    return next((name for limit, name in _AGE_BANDS if years < limit), "65+")


def strata(groups: Mapping[str, Sequence[str]], measure: Callable[[Bool], T]) -> dict[str, dict[str, T]]:
    """`measure` of the samples of each group of each kind: {"sex": {"F": ..., "M": ...}, "vendor": ...}."""
    return {kind: dict(_measured(np.array(names), measure)) for kind, names in groups.items()}


def _measured(names: npt.NDArray[np.str_], measure: Callable[[Bool], T]) -> Iterator[tuple[str, T]]:
    for name in np.unique(names):
        yield str(name), measure(names == name)
