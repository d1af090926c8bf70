"""May a model start before its study is complete? Pure functions of what has come so far.

A series is left behind where its sender went on to others; it is whole where it was left behind with as many images as
were expected or, where nobody said how many, without a gap. That is less than `domain.completeness` asks of a study. A
model that reads one series starts where nothing that still comes may be preferred to it: a guess, since what is not
known yet may come all the same. The complete study confirms it or not.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from domain.choice import Wanted, choose
from domain.contiguity import Placed, gap
from domain.expectations import Expectation, lacking
from domain.instances import SINGLE_SLICE
from domain.layout import Plane
from domain.preferences import may_overtake
from domain.routing import Conditions, InstanceFacts, SeriesFacts, unmet

#: s without an instance of a series while others of its study come, after which the sender has gone on.
LEFT_BEHIND = 1.0


def is_whole(series: SeriesFacts, came: int, expected: Sequence[Expectation] = ()) -> bool:
    """Whether a series that was left behind is a volume of which nothing seems to be missing.

    `came` is how many of its instances came, what cannot be read included; `expected` is what anybody said of it.
    """
    if series.no_volume or came > len(series.instances) or lacking(expected, came):
        return False
    return any(one.counted(came) or (one.named_all() and one.instances == came) for one in expected) or not gap(
        list(map(_placed, series.instances))
    )


def _placed(one: InstanceFacts) -> Placed:
    plane = Plane(one.position, one.orientation) if one.position and one.orientation else None
    return Placed(one.instance_number, plane, "LOCALIZER" in one.image_types)


def early_series(
    ways: Sequence[Sequence[Wanted]], series: Sequence[SeriesFacts], coming: Collection[str], whole: Collection[str]
) -> str:
    """The id of the series that a model may start on; "" where it has to wait until the study is complete.

    `ways` are what its inputs may ask for, of which the first that a study meets counts: one of each rule of the site,
    say. `coming` are the ids of series of which more may come, `whole` of those that are whole.
    """
    for wanted in ways:
        if len(wanted) != 1 or wanted[0].kind != "volume":
            return ""
        chosen = choose(wanted, series).series_id
        winner = next((one for one in series if one.series_id == chosen), None)
        rivals = [one for one in series if one.series_id in coming and _may_do(wanted[0], one)]
        if winner is None and not rivals:
            continue
        if winner is None or winner.series_id not in whole:
            return ""
        overtaken = any(may_overtake(wanted[0].prefer, winner, one, wanted[0].missing_slices) for one in rivals)
        return "" if overtaken else winner.series_id
    return ""


def _may_do(wanted: Wanted, series: SeriesFacts) -> bool:
    """Whether a series that comes may meet what is asked for once all of it is there."""
    if set(series.no_volume) - {SINGLE_SLICE}:
        return False
    return not any(unmet(_lasting(one), series) for one in wanted.conditions)


def _lasting(conditions: Conditions) -> Conditions:
    """Without those that a series may come to meet by more slices."""
    agent = None if conditions.contrast else conditions.contrast
    return replace(conditions, min_slices=None, min_spacing_mm=None, max_spacing_mm=None, calling_ae=(), contrast=agent)
