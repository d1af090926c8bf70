"""Which series each input of a model reads: an assignment over all inputs, and why every other series was left.

The sum of what the preferences say (domain/preferences.py) is least over all assignments in which every input has a
series of its own and, where a model reads several, all lie in one frame of reference. No two assignments have the same
sum, since its end is the place of each input's series by number and UID: a study has one answer, whoever computes it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.instances import by_itself
from domain.preferences import Preferences, rank, what_tells
from domain.routing import Conditions, InstanceFacts, SeriesFacts, unmet

Cost = tuple[int, ...]

# Inputs of one model; what is tried grows with two to this power.
INPUTS_MOST = 8


@dataclass(frozen=True)
class Wanted:
    """One input of a model: its name in the package's manifest, what its series must be, and which are preferred.

    `kind` is "volume" or "images", which are held against the conditions one by one. Up to `missing_slices` slices may
    be missing.
    """

    name: str
    conditions: Sequence[Conditions]
    kind: str = "volume"
    prefer: Preferences = field(default_factory=Preferences)
    missing_slices: int = 0


@dataclass(frozen=True)
class Choice:
    """The series that each input of a model gets, if every one found its own; and why each other series was left.

    `inputs` is empty where the model does not run. Results refer to the first input's series. `images` are the SOP
    Instance UIDs that an input reads where it does not read the whole series; what is said of such a series in
    `refusals` is of the images that are left out.
    """

    inputs: Mapping[str, str]
    refusals: Mapping[str, tuple[str, ...]]
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def series_id(self) -> str | None:
        """The first input's series, None where the model does not run."""
        return next(iter(self.inputs.values()), None)


@dataclass(frozen=True)
class _Judged:
    """A series as one input sees it: `reasons` against it, or the facts of the `images` that would be read."""

    facts: SeriesFacts
    reasons: tuple[str, ...]
    images: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def choose(wanted: Sequence[Wanted], series: Sequence[SeriesFacts], registered: bool = False) -> Choice:
    """A series for each input, all or none.

    `registered` inputs may lie in frames of reference of their own, where none that lie in one are to be had.
    """
    ordered = sorted(series, key=_place)
    judged = [[_judge(one, candidate) for candidate in ordered] for one in wanted]
    costs = [_costs(at, wanted, row) for at, row in enumerate(judged)]
    chosen = _whole(costs) if len(wanted) == 1 else _in_one_frame(costs, ordered)
    if chosen is None and registered:
        chosen = _whole(costs)
    if chosen is None:
        return Choice({}, _why_none(wanted, ordered, judged, costs))
    picked = [judged[at][candidate] for at, candidate in enumerate(chosen)]
    inputs = {one.name: ordered[candidate].series_id for one, candidate in zip(wanted, chosen, strict=True)}
    images = {one.name: each.images for one, each in zip(wanted, picked, strict=True) if each.images}
    refusals = {
        candidate.series_id: reasons
        for at, candidate in enumerate(ordered)
        if (reasons := _against(wanted, judged, chosen, at, ordered))
    }
    return Choice(inputs, refusals, images)


def _place(series: SeriesFacts) -> tuple[bool, int, list[int], str]:
    """Where a series stands by what is on its images: by number, where it has one, then by UID, part by part."""
    parts = [int(part) for part in re.findall(r"[0-9]+", series.series_uid)]
    return series.number is None, series.number or 0, parts, series.series_id


def _judge(wanted: Wanted, series: SeriesFacts) -> _Judged:
    if wanted.kind == "images" and series.instances:
        return _judge_images(wanted, series)
    reasons = [reason for one in wanted.conditions for reason in unmet(one, series)]
    # A report is told that it is one, and not that it has no slices.
    of_its_kind = all(series.modality in one.modality for one in wanted.conditions if one.modality)
    if wanted.kind == "volume" and of_its_kind:
        reasons += series.no_volume
    return _Judged(series, tuple(dict.fromkeys(reasons)))


def _judge_images(wanted: Wanted, series: SeriesFacts) -> _Judged:
    """Image by image: a lateral view beside a frontal one is left out, and the frontal one is read."""
    each = [(one, _against_image(wanted, one)) for one in series.instances]
    kept = [one.sop_uid for one, reasons in each if not reasons]
    read = replace(series, slices=len(kept))
    if not kept:
        return _Judged(series, tuple(dict.fromkeys(reason for _, reasons in each for reason in reasons)))
    counts = [reason for one in wanted.conditions for reason in unmet(_count_alone(one), read)]
    left_out = tuple(f"{_image(one)}: {', '.join(reasons)}" for one, reasons in sorted(each, key=_by_number) if reasons)
    return _Judged(read, tuple(dict.fromkeys(counts)), tuple(kept) if left_out else (), left_out)


def _against_image(wanted: Wanted, one: InstanceFacts) -> tuple[str, ...]:
    facts = by_itself(one)
    reasons = [reason for each in wanted.conditions for reason in unmet(_without_count(each), facts)]
    if one.frames > 1 and not reasons:
        reasons = [f"has {one.frames} frames; a single picture is wanted"]
    return tuple(dict.fromkeys(reasons))


def _without_count(conditions: Conditions) -> Conditions:
    return replace(conditions, min_slices=None, max_slices=None)


def _count_alone(conditions: Conditions) -> Conditions:
    return Conditions(min_slices=conditions.min_slices, max_slices=conditions.max_slices)


def _by_number(judged: tuple[InstanceFacts, Sequence[str]]) -> tuple[bool, int, str]:
    one, _ = judged
    return one.instance_number is None, one.instance_number or 0, one.sop_uid


def _image(one: InstanceFacts) -> str:
    return "an image without a number" if one.instance_number is None else f"image {one.instance_number}"


def _costs(at: int, wanted: Sequence[Wanted], judged: Sequence[_Judged]) -> dict[int, Cost]:
    """What each series that would do costs as this input; the least so many that one is left whatever others take."""
    one, inputs = wanted[at], len(wanted)
    return {
        candidate: (
            *rank(one.prefer, each.facts, one.missing_slices),
            *(candidate if place == at else 0 for place in range(inputs)),
        )
        for candidate, each in enumerate(judged)
        if not each.reasons
    }


def _in_one_frame(costs: Sequence[Mapping[int, Cost]], series: Sequence[SeriesFacts]) -> tuple[int, ...] | None:
    """The assignment with the least sum, over those that lie in one frame of reference; unknown ones lie in any."""
    found = []
    for frame in sorted({one.frame_of_reference or "" for one in series}):
        within = [_within(each, series, frame) for each in costs]
        if chosen := _whole(within):
            found.append((_sum(within, chosen), chosen))
    return min(found)[1] if found else None


def _within(costs: Mapping[int, Cost], series: Sequence[SeriesFacts], frame: str) -> dict[int, Cost]:
    return {at: cost for at, cost in costs.items() if series[at].frame_of_reference in (None, frame)}


def _sum(costs: Sequence[Mapping[int, Cost]], chosen: Sequence[int]) -> Cost:
    return tuple(map(sum, zip(*(each[at] for each, at in zip(costs, chosen, strict=True)), strict=True)))


def _whole(costs: Sequence[Mapping[int, Cost]]) -> tuple[int, ...] | None:
    """The assignment with the least sum; None where not every input can have a series of its own."""
    filled = _assignments([_least(each, len(costs)) for each in costs])
    every = filled.get((1 << len(costs)) - 1)
    return tuple(every[1][at] for at in range(len(costs))) if every else None


def _least(costs: Mapping[int, Cost], inputs: int) -> dict[int, Cost]:
    """The least costs, one for each input: whatever the others take, one of these is left for this."""
    return dict(sorted(costs.items(), key=lambda item: item[1])[:inputs])


def _assignments(costs: Sequence[Mapping[int, Cost]]) -> dict[int, tuple[Cost, dict[int, int]]]:
    """For each set of inputs (as bits) that can be filled at once, the least sum and the series of each input.

    Series by series: each fills one more input of any set that was filled before, or none.
    """
    best: dict[int, tuple[Cost, dict[int, int]]] = {0: ((), {})}
    for candidate in sorted({at for each in costs for at in each}):
        for filled, (cost, chosen) in list(best.items()):
            for at, each in enumerate(costs):
                if candidate in each and not filled >> at & 1:
                    summed = tuple(map(sum, zip(cost, each[candidate], strict=True))) if cost else each[candidate]
                    now = filled | 1 << at
                    if now not in best or summed < best[now][0]:
                        best[now] = summed, {**chosen, at: candidate}
    return best


def _against(
    wanted: Sequence[Wanted],
    judged: Sequence[Sequence[_Judged]],
    chosen: Sequence[int],
    candidate: int,
    ordered: Sequence[SeriesFacts],
) -> tuple[str, ...]:
    """Why this series is not read, or which of its images are not."""
    if candidate in chosen:
        return judged[chosen.index(candidate)][candidate].left_out
    said = []
    for at, one in enumerate(wanted):
        own = judged[at][candidate]
        reasons = own.reasons or (_lost(one, judged[at][chosen[at]].facts, own.facts, ordered, chosen),)
        said += [(one.name, reason) for reason in reasons]
    return _each_once(said, len(wanted))


def _lost(
    wanted: Wanted, winner: SeriesFacts, loser: SeriesFacts, ordered: Sequence[SeriesFacts], chosen: Sequence[int]
) -> str:
    """Why a series that would do is not the one that this input reads."""
    frames = {ordered[at].frame_of_reference for at in chosen} - {None}
    if len(chosen) > 1 and loser.frame_of_reference is not None and frames and loser.frame_of_reference not in frames:
        return "lies in another frame of reference than the series that are read together"
    name = "another series" if winner.number is None else f"series {winner.number}"
    said = what_tells(wanted.prefer, winner, loser, wanted.missing_slices)
    if said:
        return f"{name} suits the model better: {said}"
    by = "number" if winner.number != loser.number else "Series Instance UID"
    return f"{name} is read: nothing that the model asks tells the two apart, and it comes first by its {by}"


def _why_none(
    wanted: Sequence[Wanted],
    ordered: Sequence[SeriesFacts],
    judged: Sequence[Sequence[_Judged]],
    costs: Sequence[Mapping[int, Cost]],
) -> dict[str, tuple[str, ...]]:
    """Why each series is not read where not all inputs have one: what it lacks, or what the others lack."""
    filled = max(_assignments([_least(each, len(costs)) for each in costs]), key=lambda mask: (mask.bit_count(), -mask))
    missing = ", ".join(one.name for at, one in enumerate(wanted) if not filled >> at & 1)
    without = f"would do, but the study has no series for {missing}"
    apart = "would do, but the series that the model reads together lie in several frames of reference"
    refusals: dict[str, tuple[str, ...]] = {}
    for at, series in enumerate(ordered):
        if any(at in each for each in costs):
            refusals[series.series_id] = (without if missing else apart,)
        else:
            said = [(one.name, why) for one, row in zip(wanted, judged, strict=True) for why in row[at].reasons]
            refusals[series.series_id] = _each_once(said, len(wanted))
    return refusals


def _each_once(against: Sequence[tuple[str, str]], inputs: int) -> tuple[str, ...]:
    """The reasons against a series, of (input, reason); with the inputs' names where it is not against all of them."""
    names: dict[str, list[str]] = {}
    for name, reason in against:
        names.setdefault(reason, []).append(name)
    ordered = sorted(names.items(), key=lambda one: -len(one[1]))
    return tuple(reason if len(each) == inputs else f"as {' and '.join(each)}: {reason}" for reason, each in ordered)
