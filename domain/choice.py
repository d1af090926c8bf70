"""Which series each input of a model reads: an assignment over all inputs, and why every other series was left.

The sum of what the preferences say (domain/preferences.py) is least over all assignments in which every input has a
series of its own and, where a model reads several, all lie in one frame of reference. No two assignments have the same
sum, since its end is the place of each input's series by number and UID: a study has one answer, whoever computes it.
Images that stand by themselves are read of all series (domain/choice_of_images.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.choice_of_images import images_read
from domain.image_order import SeriesPlace, series_place
from domain.preferences import Preferences, rank, what_tells
from domain.routing import Conditions, SeriesFacts, unmet

Cost = tuple[int, ...]

# Inputs of one model; what is tried grows with two to this power.
INPUTS_MOST = 8


@dataclass(frozen=True)
class Wanted:
    """One input of a model: its name in the package's manifest, what its series must be, and which are preferred.

    `kind` is "volume" or "images", which are held against the conditions one by one and of which a model has no other
    input. Up to `missing_slices` slices may be missing.
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
    Instance UIDs that an input reads where it does not read the whole of that series and nothing else; `more` are the
    further series that they lie in. What is said in `refusals` of a series that is read is of the images left out.
    """

    inputs: Mapping[str, str]
    refusals: Mapping[str, tuple[str, ...]]
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    more: tuple[str, ...] = ()

    @property
    def series_id(self) -> str | None:
        """The first input's series, None where the model does not run."""
        return next(iter(self.inputs.values()), None)

    @property
    def series(self) -> tuple[str, ...]:
        """All series of which something is read."""
        return (*self.inputs.values(), *self.more)


@dataclass(frozen=True)
class _Judged:
    """A series as one input sees it, with the `reasons` against it."""

    facts: SeriesFacts
    reasons: tuple[str, ...]


def choose(wanted: Sequence[Wanted], series: Sequence[SeriesFacts], registered: bool = False) -> Choice:
    """A series for each input, all or none.

    `registered` inputs may lie in frames of reference of their own, where none that lie in one are to be had.
    """
    ordered = sorted(series, key=_place)
    if [one.kind for one in wanted] == ["images"]:
        return _of_images(wanted[0], ordered)
    judged = [[_judge(one, candidate) for candidate in ordered] for one in wanted]
    costs = [_costs(at, wanted, row) for at, row in enumerate(judged)]
    chosen = _whole(costs) if len(wanted) == 1 else _in_one_frame(costs, ordered)
    if chosen is None and registered:
        chosen = _whole(costs)
    if chosen is None:
        return Choice({}, _why_none(wanted, ordered, judged, costs))
    inputs = {one.name: ordered[candidate].series_id for one, candidate in zip(wanted, chosen, strict=True)}
    refusals = {
        candidate.series_id: reasons
        for at, candidate in enumerate(ordered)
        if (reasons := _against(wanted, judged, chosen, at, ordered))
    }
    return Choice(inputs, refusals)


def _of_images(wanted: Wanted, series: Sequence[SeriesFacts]) -> Choice:
    read = images_read(wanted.conditions, wanted.prefer, series)
    if not read.series:
        return Choice({}, read.refusals)
    first, *more = read.series
    whole = not more and first not in read.refusals
    return Choice({wanted.name: first}, read.refusals, {} if whole else {wanted.name: read.images}, tuple(more))


def _place(series: SeriesFacts) -> tuple[SeriesPlace, str]:
    return series_place(series.number, series.series_uid), series.series_id


def _judge(wanted: Wanted, series: SeriesFacts) -> _Judged:
    reasons = [reason for one in wanted.conditions for reason in unmet(one, series)]
    # A report is told that it is one, and not that it has no slices.
    of_its_kind = all(series.modality in one.modality for one in wanted.conditions if one.modality)
    if wanted.kind == "volume" and of_its_kind:
        reasons += series.no_volume
    return _Judged(series, tuple(dict.fromkeys(reasons)))


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
    """Why this series is not read."""
    if candidate in chosen:
        return ()
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
