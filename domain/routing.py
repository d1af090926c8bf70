"""Which series a model wants, as a pure function of facts about every series and slice of a study.

A model package and a site's rules state Conditions; the store supplies SeriesFacts. Every condition that
is not met becomes a sentence, so that "why did it not run" has an answer for each model and each series.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SeriesFacts:
    """What routing may know of one series: gathered over all of its slices, never from the first alone.

    `spacing_mm` is the largest distance between neighbouring slices, None where it cannot be told.
    `slices` counts frames, so that one enhanced multi-frame instance of 60 frames has 60.
    """

    series_id: str
    modality: str
    sop_classes: frozenset[str]
    body_parts: frozenset[str]
    series_description: str
    study_description: str
    calling_aes: frozenset[str]
    slices: int
    spacing_mm: float | None


@dataclass(frozen=True)
class Conditions:
    """What a series must be. An empty tuple or None asks nothing.

    `body_part` compares without regard to case; "" stands for a series that states none. Descriptions are
    regular expressions, searched without regard to case. Spacing is in mm between neighbouring slices.
    """

    modality: tuple[str, ...] = ()
    sop_class: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    series_description: str | None = None
    study_description: str | None = None
    calling_ae: tuple[str, ...] = ()
    min_slices: int | None = None
    max_slices: int | None = None
    min_spacing_mm: float | None = None
    max_spacing_mm: float | None = None


@dataclass(frozen=True)
class Choice:
    """The series that a model gets, if any, and for each other series the reasons why not."""

    series_id: str | None
    refusals: dict[str, tuple[str, ...]]


def unmet(conditions: Conditions, series: SeriesFacts) -> tuple[str, ...]:
    """One sentence for each condition that `series` does not meet; empty when it meets all."""
    return (
        *_membership(conditions, series),
        *_pattern("series description", conditions.series_description, series.series_description),
        *_pattern("study description", conditions.study_description, series.study_description),
        *_bounds("slices", series.slices, conditions.min_slices, conditions.max_slices),
        *_spacing(conditions, series.spacing_mm),
    )


def choose(wanted: Sequence[Conditions], series: Sequence[SeriesFacts]) -> Choice:
    """The series that meets all of `wanted` and has the most slices, then the finest spacing, then the lowest id."""
    refusals = {
        one.series_id: tuple(dict.fromkeys(reason for conditions in wanted for reason in unmet(conditions, one)))
        for one in series
    }
    fit = [one for one in series if not refusals[one.series_id]]
    fit.sort(key=lambda one: (-one.slices, one.spacing_mm or 0.0, one.series_id))
    for other in fit[1:]:
        refusals[other.series_id] = ("another series of the study suits the model better (more slices or finer)",)
    return Choice(fit[0].series_id if fit else None, {k: v for k, v in refusals.items() if v})


def _membership(conditions: Conditions, series: SeriesFacts) -> list[str]:
    reasons = []
    if conditions.modality and series.modality not in conditions.modality:
        reasons.append(f"modality is {series.modality or 'absent'}, not {_either(conditions.modality)}")
    if conditions.sop_class and not series.sop_classes <= set(conditions.sop_class):
        reasons.append(f"SOP class {', '.join(sorted(series.sop_classes - set(conditions.sop_class)))} is not wanted")
    parts = {part.upper() for part in series.body_parts} or {""}
    if conditions.body_part and not parts & {part.upper() for part in conditions.body_part}:
        reasons.append(f"body part is {_either(sorted(parts))}, not {_either(conditions.body_part)}")
    if conditions.calling_ae and not series.calling_aes & set(conditions.calling_ae):
        reasons.append(f"came from {_either(sorted(series.calling_aes))}, not {_either(conditions.calling_ae)}")
    return reasons


def _pattern(what: str, pattern: str | None, text: str) -> list[str]:
    if pattern is None or re.search(pattern, text, re.IGNORECASE):
        return []
    return [f"{what} does not match {pattern!r}"]


def _bounds(what: str, value: int, low: int | None, high: int | None) -> list[str]:
    if low is not None and value < low:
        return [f"has {value} {what}, fewer than {low}"]
    if high is not None and value > high:
        return [f"has {value} {what}, more than {high}"]
    return []


def _spacing(conditions: Conditions, spacing: float | None) -> list[str]:
    low, high = conditions.min_spacing_mm, conditions.max_spacing_mm
    if low is None and high is None:
        return []
    if spacing is None:
        return ["distance between slices cannot be told"]
    if low is not None and spacing < low:
        return [f"slices lie {spacing:g} mm apart, closer than {low:g} mm"]
    if high is not None and spacing > high:
        return [f"slices lie {spacing:g} mm apart, farther than {high:g} mm"]
    return []


def _either(values: Sequence[str]) -> str:
    return " or ".join(value or "absent" for value in values)
