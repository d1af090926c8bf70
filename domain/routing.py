"""What a series must be for a model, as a pure function of facts about every slice of it.

A model package and a site's rules state Conditions; domain/instances.py gathers SeriesFacts, domain/choice.py chooses.
Every condition that is not met becomes a sentence, so that "why did it not run" has an answer for each model and each
series.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.measured import COMPUTED, DISTANCE

_PATTERN_SHOWN = 40  # characters of a pattern in a reason


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance. Texts are empty where the image does not state them, None where they are not known.

    `position` (mm) and `orientation` are those of a single-frame image, `orientation` also that of frames that share
    one; `places` counts the positions of the frames of a multi-frame one; `slice_spacing` and `thickness` are in mm,
    `age` in years. What was requested is the study's, and the same in all of its instances: `procedure_codes` are
    SCHEME:VALUE (`domain/procedures.py`).
    """

    series_id: str
    series_uid: str
    sop_uid: str
    modality: str
    series_description: str
    study_description: str
    sop_class: str
    body_part: str
    frames: int
    position: Sequence[float] | None
    orientation: Sequence[float] | None
    slice_spacing: float | None
    calling_ae: str | None
    view: str
    image_type: str
    photometric: str
    contrast: bool
    burned_in: bool
    age: float | None
    series_number: int | None = None
    instance_number: int | None = None
    frame_of_reference: str | None = None
    kernel: str | None = None
    thickness: float | None = None
    places: int | None = None
    procedure_codes: Sequence[str] = ()
    procedure_description: str = ""
    procedure_reason: str = ""

    @property
    def image_types(self) -> frozenset[str]:
        """The values of Image Type."""
        return frozenset(word for word in self.image_type.split("\\") if word)


@dataclass(frozen=True)
class SliceGap:
    """The widest place where slices seem to be missing: its width in mm, how many, and between which images."""

    mm: float
    missing: int
    where: str


@dataclass(frozen=True)
class SeriesFacts:
    """What routing may know of one series: gathered over all of its slices, never from the first alone.

    `spacing_mm` is the distance between neighbouring slices (`domain.measured.spacing`), None where it cannot be told.
    `slices` counts frames, so that one enhanced multi-frame instance of 60 frames has 60. `views` are View Positions,
    `ages` the patient's age in years as each slice states or implies it, `contrast` whether any slice names an agent.
    `frame_of_reference` and `thickness_mm` (the largest) are None where they are not known. `no_volume` are the reasons
    why its slices can never make one, `missing` is how many slices it seems to lack, `gap` the widest place where it
    does. `instances` are all that it has.
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
    views: frozenset[str] = frozenset()
    ages: frozenset[float] = frozenset()
    image_types: frozenset[str] = frozenset()
    photometric: frozenset[str] = frozenset()
    contrast: bool = False
    burned_in: bool = False
    series_uid: str = ""
    number: int | None = None
    frame_of_reference: str | None = None
    kernel: str = ""
    thickness_mm: float | None = None
    orientation: str = ""
    no_volume: tuple[str, ...] = ()
    missing: int = 0
    gap: SliceGap | None = None
    instances: tuple[InstanceFacts, ...] = ()
    procedure_codes: frozenset[str] = frozenset()
    procedure_description: str = ""
    procedure_reason: str = ""


@dataclass(frozen=True)
class Conditions:
    """What a series must be. An empty tuple or None asks nothing.

    `body_part` compares without regard to case and holds for every slice; "" stands for one that states none.
    Descriptions are regular expressions, searched without regard to case; a `not_` pattern must not be found. Spacing
    is in mm between neighbouring slices; against `max_spacing_mm` a gap counts as wide as it is. `view` compares as
    `body_part` does. A series that states no age meets no age limit. Of `not_image_type` (values of Image Type, such as
    "LOCALIZER" or "DERIVED") no slice may have any. `burned_in` false refuses images that say that text is burned into
    them. `procedure_code` is one of the codes of the requested procedure, SCHEME:VALUE; of a study of which nobody told
    the node what was requested no condition about that is met.
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
    not_series_description: str | None = None
    view: tuple[str, ...] = ()
    photometric: tuple[str, ...] = ()
    not_image_type: tuple[str, ...] = ()
    min_age: float | None = None
    max_age: float | None = None
    contrast: bool | None = None
    burned_in: bool | None = None
    procedure_code: tuple[str, ...] = ()
    procedure_description: str | None = None
    procedure_reason: str | None = None


_PATTERNS = (
    *("series_description", "study_description", "not_series_description"),
    *("procedure_description", "procedure_reason"),
)
_OF_A_REQUEST = ("procedure_code", "procedure_description", "procedure_reason")
_RANGES = (("min_slices", "max_slices"), ("min_spacing_mm", "max_spacing_mm"), ("min_age", "max_age"))
_CS = re.compile(r"[A-Z0-9_ ]{1,16}")  # PS3.5 section 6.2
_CODE = re.compile(r"[^:\s]{1,16}:\S.*")


def faults(conditions: Conditions) -> Iterator[tuple[str, str]]:
    """Each key that no series could ever be held against, or that none could meet, and what is wrong with it."""
    if not all(map(_CS.fullmatch, conditions.modality)):
        yield "modality", 'must be codes such as "CT" (PS3.3 C.7.3.1.1.1)'
    if not all(map(_CODE.fullmatch, conditions.procedure_code)):
        yield "procedure_code", 'must be codes as SCHEME:VALUE, such as "LN:24627-2"'
    for key in _PATTERNS:
        try:
            re.compile(getattr(conditions, key) or "")
        except re.error as error:
            yield key, f"is not a regular expression: {error}"
    for low, high in _RANGES:
        least, most = getattr(conditions, low), getattr(conditions, high)
        yield from ((key, "must be 0 or more") for key, bound in ((low, least), (high, most)) if bound and bound < 0)
        if least is not None and most is not None and least > most:
            yield high, f"must be {low} or more"


def asks_for_descriptions(conditions: Conditions) -> bool:
    """Whether any of these conditions is about what people wrote of a study or a series."""
    return any(getattr(conditions, key) is not None for key in _PATTERNS)


def asks_for_procedures(conditions: Conditions) -> bool:
    """Whether any of these conditions is about what was requested."""
    return any(getattr(conditions, key) for key in _OF_A_REQUEST)


def unmet(conditions: Conditions, series: SeriesFacts) -> tuple[str, ...]:
    """One sentence for each condition that `series` does not meet; empty when it meets all."""
    return (
        *_membership(conditions, series),
        *_pattern("series description", conditions.series_description, series.series_description),
        *_pattern("study description", conditions.study_description, series.study_description),
        *_pattern("requested procedure's description", conditions.procedure_description, series.procedure_description),
        *_pattern("reason for the request", conditions.procedure_reason, series.procedure_reason),
        *_excluded(conditions, series),
        *_bounds("slices", series.slices, conditions.min_slices, conditions.max_slices),
        *_spacing(conditions, series),
        *_age(conditions, series.ages),
    )


def in_short(reason: str, refusals: Mapping[str, Sequence[str]]) -> str:
    """Why a model does not run, in a line: what stands against the series that came nearest, and how much is left out.

    Nearest is the series with the fewest reasons against it; of its reasons the first is said.
    """
    if not refusals:
        return reason
    nearest = min(refusals.values(), key=len)
    others = {one for reasons in refusals.values() for one in reasons} - {nearest[0]}
    more = f" (`explain` has {len(others)} more)" if others else ""
    return f"{reason}: {nearest[0]}{more}"


def unquoted(reason: str) -> str:
    """A reason without the words of an image's header that it quotes: a scanner's user may have written them."""
    for what in _QUOTED:
        if reason.startswith(f"{what} is "):
            _, found, wanted = reason.rpartition(", not ")
            return f"{what} is another{found}{wanted if found else ''}"
    return reason


# What is said of a series in words of its images; modality and SOP class are known words, and senders the site's own.
_QUOTED = ("body part", "view", "photometric interpretation", "requested procedure")


def _membership(conditions: Conditions, series: SeriesFacts) -> list[str]:
    reasons = []
    if conditions.modality and series.modality not in conditions.modality:
        reasons.append(f"modality is {series.modality or 'absent'}, not {_either(conditions.modality)}")
    if conditions.sop_class and not series.sop_classes <= set(conditions.sop_class):
        reasons.append(f"SOP class {', '.join(sorted(series.sop_classes - set(conditions.sop_class)))} is not wanted")
    parts = {part.upper() for part in series.body_parts} or {""}
    if others := parts - {part.upper() for part in conditions.body_part} if conditions.body_part else set():
        reasons.append(f"body part is {_either(sorted(others))}, not {_either(conditions.body_part)}")
    views = {view.upper() for view in series.views} or {""}
    if conditions.view and not views <= {view.upper() for view in conditions.view}:
        reasons.append(f"view is {_either(sorted(views))}, not {_either(conditions.view)}")
    if conditions.photometric and not series.photometric <= set(conditions.photometric):
        has = _either(sorted(series.photometric))
        reasons.append(f"photometric interpretation is {has}, not {_either(conditions.photometric)}")
    if conditions.procedure_code and not series.procedure_codes & set(conditions.procedure_code):
        has = _either(sorted(series.procedure_codes) or [""])
        reasons.append(f"requested procedure is {has}, not {_either(conditions.procedure_code)}")
    if conditions.calling_ae and not series.calling_aes & set(conditions.calling_ae):
        reasons.append(f"came from {_either(sorted(series.calling_aes))}, not {_either(conditions.calling_ae)}")
    return reasons


def _pattern(what: str, pattern: str | None, text: str) -> list[str]:
    if pattern is None or re.search(pattern, text, re.IGNORECASE):
        return []
    return [f"{what} does not match {_shown(pattern)}"]


def _shown(pattern: str) -> str:
    """A pattern as people are shown it: of a long one the beginning, for the package or the rules file has it whole."""
    return repr(pattern if len(pattern) <= _PATTERN_SHOWN else f"{pattern[:_PATTERN_SHOWN]}...")


def _excluded(conditions: Conditions, series: SeriesFacts) -> list[str]:
    reasons = []
    pattern = conditions.not_series_description
    if pattern is not None and re.search(pattern, series.series_description, re.IGNORECASE):
        reasons.append(f"series description matches {_shown(pattern)}, which is not wanted")
    unwanted = series.image_types & set(conditions.not_image_type)
    if unwanted:
        reasons.append(f"image type is {_either(sorted(unwanted))}, which is not wanted")
    if conditions.contrast is not None and series.contrast != conditions.contrast:
        reasons.append("no contrast agent is named" if conditions.contrast else "a contrast agent is named")
    if conditions.burned_in is False and series.burned_in:
        reasons.append("text is burned into its pixels")
    return reasons


def _age(conditions: Conditions, ages: frozenset[float]) -> list[str]:
    low, high = conditions.min_age, conditions.max_age
    if low is None and high is None:
        return []
    if not ages:
        return ["neither the patient's age (as 045Y) nor a birth date is stated that can be read"]
    if low is not None and COMPUTED.below(min(ages), low):
        return [f"the patient is younger than {low:g} years"]
    if high is not None and COMPUTED.above(max(ages), high):
        return [f"the patient is older than {high:g} years"]
    return []


def _bounds(what: str, value: int, low: int | None, high: int | None) -> list[str]:
    if low is not None and value < low:
        return [f"has {value} {_counted(what, value)}, fewer than {low}"]
    if high is not None and value > high:
        return [f"has {value} {_counted(what, value)}, more than {high}"]
    return []


def _counted(what: str, value: int) -> str:
    return what.removesuffix("s") if value == 1 else what


def _spacing(conditions: Conditions, series: SeriesFacts) -> list[str]:
    low, high, spacing = conditions.min_spacing_mm, conditions.max_spacing_mm, series.spacing_mm
    if low is None and high is None:
        return []
    if spacing is None:
        return ["distance between slices cannot be told"]
    if low is not None and DISTANCE.below(spacing, low):
        return [f"slices lie {spacing:g} mm apart, closer than {low:g} mm"]
    if high is not None and DISTANCE.above(spacing, high):
        return [f"slices lie {spacing:g} mm apart, farther than {high:g} mm"]
    if high is not None and series.gap and DISTANCE.above(series.gap.mm, high):
        return [_lacking(series.missing, series.gap, spacing, high)]
    return []


def _lacking(missing: int, gap: SliceGap, spacing: float, high: float) -> str:
    slices = f"{missing} {_counted('slices', missing)} {'seems' if missing == 1 else 'seem'} to be missing"
    where = f", {gap.missing} of them{gap.where or ' in one place'}" if gap.missing < missing else gap.where
    return (
        f"{slices}{where}: the gap is {gap.mm:g} mm wide, farther than {high:g} mm; the others lie {spacing:g} mm apart"
    )


def _either(values: Sequence[str]) -> str:
    return " or ".join(value or "absent" for value in values)
