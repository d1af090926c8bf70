"""Which of several series that would all do a model likes better: the first criterion that tells two apart decides.

Every criterion is a whole number, the less the better, so that sums over a model's inputs are exact and have one order.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domain.routing import SeriesFacts

ORIENTATIONS = ("axial", "coronal", "sagittal")
# Worse than anything that is known, in micrometres.
_UNKNOWN = 10**9


@dataclass(frozen=True)
class Preferences:
    """Which of several series that meet the conditions is read; the first of these that tells two apart decides.

    `original` prefers original images to derived ones. `contrast` prefers series that name a contrast agent (true), or
    none (false). `series_description` and `kernel` (Convolution Kernel) are lists of regular expressions, searched
    without regard to case: a series that an earlier one of them matches is preferred, such as
    ["portal|venous", "arterial"]; `orientation` is such a list of "axial", "coronal" and "sagittal". `thickness_mm`
    prefers the slice thickness nearest to it. What does not state it comes after what matches, and before what states
    something else. Then more slices are preferred to fewer, closer ones to wider, and at last the lower series number,
    then the lower Series Instance UID.
    """

    original: bool = True
    contrast: bool | None = None
    series_description: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()
    orientation: tuple[str, ...] = ()
    thickness_mm: float | None = None


@dataclass(frozen=True)
class Criterion:
    """`rank` is the less the better; `said` is what tells the better from the other, in words that begin with "it".

    `least` is what the rank of a series may yet become as more of its slices come.
    """

    rank: Callable[[Preferences, SeriesFacts, int], int]
    said: Callable[[Preferences, SeriesFacts, SeriesFacts], str]
    least: Callable[[SeriesFacts, int], int] = lambda _, rank: rank


def faults(preferences: Preferences) -> Iterator[tuple[str, str]]:
    """Each key that no series could be held against, and what is wrong with it."""
    for key in ("series_description", "kernel"):
        for pattern in getattr(preferences, key):
            try:
                re.compile(pattern)
            except re.error as error:
                yield key, f"is not a regular expression: {error}"
    if not set(preferences.orientation) <= set(ORIENTATIONS):
        yield "orientation", f"must be of {', '.join(ORIENTATIONS)}"
    if preferences.thickness_mm is not None and preferences.thickness_mm <= 0:
        yield "thickness_mm", "must be above 0"


def rank(preferences: Preferences, series: SeriesFacts, may_miss: int) -> tuple[int, ...]:
    """One number a criterion, in their order; `may_miss` is how many slices the input may lack."""
    return tuple(one.rank(preferences, series, may_miss) for one in _CRITERIA)


def may_overtake(preferences: Preferences, whole: SeriesFacts, coming: SeriesFacts, may_miss: int) -> bool:
    """Whether a series of which more slices come may be preferred in the end to one that is whole."""
    now = rank(preferences, coming, may_miss)
    least = tuple(one.least(coming, its) for one, its in zip(_CRITERIA, now, strict=True))
    return least < rank(preferences, whole, may_miss)


def what_tells(preferences: Preferences, better: SeriesFacts, other: SeriesFacts, may_miss: int) -> str:
    """Why `better` is preferred to `other`, in words that begin with "it"; "" where no criterion tells them apart."""
    pairs = zip(rank(preferences, better, may_miss), rank(preferences, other, may_miss), _CRITERIA, strict=True)
    return next((one.said(preferences, better, other) for mine, its, one in pairs if mine != its), "")


def _incomplete(_preferences: Preferences, series: SeriesFacts, may_miss: int) -> int:
    several = "\\" in (series.frame_of_reference or "")
    return int(series.missing > may_miss) + 2 * several


def _derived(preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    return int(preferences.original and "DERIVED" in series.image_types)


def _enhanced(preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    return int(preferences.contrast is not None and series.contrast != preferences.contrast)


def _described(preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    return _matched(preferences.series_description, series.series_description)


def _kernel(preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    return _matched(preferences.kernel, series.kernel)


def _matched(patterns: Sequence[str], text: str) -> int:
    """Which of the patterns is found, from 0; one more than the last where nothing is stated, two where none is."""
    found = (at for at, pattern in enumerate(patterns) if re.search(pattern, text, re.IGNORECASE))
    return next(found, len(patterns) + bool(text) if patterns else 0)


def _orientation(preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    wanted = preferences.orientation
    if not wanted or series.orientation in wanted:
        return wanted.index(series.orientation) if wanted else 0
    return len(wanted) + bool(series.orientation)


def _thickness(preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    if preferences.thickness_mm is None:
        return 0
    has = _thick(series)
    return _UNKNOWN if has is None else min(_UNKNOWN, round(abs(has - preferences.thickness_mm) * 1000))


def _thick(series: SeriesFacts) -> float | None:
    """Slice Thickness, or for want of it the distance between slices."""
    return series.thickness_mm or series.spacing_mm


def _fewer(_preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    return -series.slices


def _wider(_preferences: Preferences, series: SeriesFacts, _may_miss: int) -> int:
    return _UNKNOWN if series.spacing_mm is None else min(_UNKNOWN, round(series.spacing_mm * 1000))


def _said_whole(_preferences: Preferences, _better: SeriesFacts, other: SeriesFacts) -> str:
    if "\\" in (other.frame_of_reference or ""):
        return "it lies in one frame of reference, this one in several"
    return f"it is complete, this one seems to lack {other.missing} slice{'s' * (other.missing > 1)}"


def _said_contrast(preferences: Preferences, _better: SeriesFacts, _other: SeriesFacts) -> str:
    return "it names a contrast agent, this one none" if preferences.contrast else "it names no contrast agent"


def _said_matched(what: str, patterns: Sequence[str], text: str) -> str:
    at = _matched(patterns, text)
    if at < len(patterns):
        return f"its {what} matches {patterns[at][:40]!r}, which the model prefers"
    return f"it states no {what}, and that of this one is none that the model prefers"


def _said_described(preferences: Preferences, better: SeriesFacts, _other: SeriesFacts) -> str:
    return _said_matched("description", preferences.series_description, better.series_description)


def _said_kernel(preferences: Preferences, better: SeriesFacts, _other: SeriesFacts) -> str:
    return _said_matched("kernel", preferences.kernel, better.kernel)


def _said_thickness(_preferences: Preferences, better: SeriesFacts, other: SeriesFacts) -> str:
    has, its = _thick(better), _thick(other)
    return f"its slices are {has:g} mm thick, those of this one {_mm(its)}" if has else ""


def _mm(length: float | None) -> str:
    return f"{length:g} mm" if length is not None else "of a thickness that is not known"


def _said_spacing(_preferences: Preferences, better: SeriesFacts, other: SeriesFacts) -> str:
    has, its = better.spacing_mm, other.spacing_mm
    apart = f"{its:g} mm" if its is not None else "a distance that cannot be told"
    return f"its slices lie {has:g} mm apart, those of this one {apart}"


_CRITERIA = (
    Criterion(_incomplete, _said_whole, lambda *_: 0),
    Criterion(_derived, lambda *_: "its images are original, those of this one derived"),
    Criterion(_enhanced, _said_contrast, lambda series, rank: rank if series.contrast else 0),
    Criterion(_described, _said_described),
    Criterion(_kernel, _said_kernel),
    Criterion(
        _orientation,
        lambda _, a, b: f"it is {a.orientation or 'of no stated orientation'}, this one {b.orientation}",
        lambda series, rank: rank if series.orientation else 0,
    ),
    Criterion(_thickness, _said_thickness, lambda series, rank: 0 if series.thickness_mm is None else rank),
    Criterion(_fewer, lambda _, a, b: f"it has {a.slices} slices, this one {b.slices}", lambda *_: -_UNKNOWN),
    Criterion(_wider, _said_spacing, lambda *_: -_UNKNOWN),
)
