"""Which images the one input of kind "images" reads: each image by itself, those of all series of a study.

In radiography each exposure is a series of its own, as a rule, so that two frontal films lie in two. What the input
prefers decides where the model reads fewer images together than would do; a series is then read as a whole or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.image_order import ImagePlace, SeriesPlace, image_place, series_place
from domain.instances import by_itself, gathered
from domain.preferences import Preferences, rank, what_tells
from domain.routing import Conditions, InstanceFacts, SeriesFacts, unmet


@dataclass(frozen=True)
class ImagesRead:
    """The ids of the series of which images are read, and the SOP Instance UIDs of these images, both in their order.

    `refusals` are the reasons against each other series, and against the images of a series that are left out.
    """

    series: tuple[str, ...]
    images: tuple[str, ...]
    refusals: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Judged:
    """A series with those of its images that would do, in their order, and the others with what is against each."""

    facts: SeriesFacts
    kept: tuple[InstanceFacts, ...]
    left_out: tuple[tuple[InstanceFacts, tuple[str, ...]], ...]


def images_read(conditions: Sequence[Conditions], prefer: Preferences, series: Sequence[SeriesFacts]) -> ImagesRead:
    """The images that meet the conditions one by one; how many there are is asked of all of them together."""
    judged = [_judge(conditions, one) for one in sorted(series, key=_place)]
    least = max((one.min_slices for one in conditions if one.min_slices is not None), default=0)
    most = min((one.max_slices for one in conditions if one.max_slices is not None), default=None)
    taken, refusals = _taken(prefer, [one for one in judged if one.kept], most)
    count = sum(len(one.kept) for one in taken)
    if count < least:
        refusals |= {one.facts.series_id: (_too_few(len(one.kept), count, least),) for one in taken}
        taken = []
    refusals |= {one.facts.series_id: _every_reason(one) for one in judged if not one.kept}
    refusals |= {one.facts.series_id: _left_out(one) for one in taken if one.left_out}
    images = tuple(image.sop_uid for one in taken for image in one.kept)
    ordered = {one.facts.series_id: refusals[one.facts.series_id] for one in judged if one.facts.series_id in refusals}
    return ImagesRead(tuple(one.facts.series_id for one in taken), images, ordered)


def _place(series: SeriesFacts) -> SeriesPlace:
    return series_place(series.number, series.series_uid)


def _judge(conditions: Sequence[Conditions], series: SeriesFacts) -> _Judged:
    """A lateral view beside a frontal one is left out, and the frontal one is read."""
    ordered = sorted(series.instances, key=lambda one: _image_place(series, one))
    each = [(one, _against(conditions, one)) for one in ordered]
    kept = tuple(one for one, reasons in each if not reasons)
    return _Judged(series, kept, tuple((one, reasons) for one, reasons in each if reasons))


def _image_place(series: SeriesFacts, one: InstanceFacts) -> ImagePlace:
    return image_place(_place(series), one.instance_number, one.sop_uid)


def _against(conditions: Sequence[Conditions], one: InstanceFacts) -> tuple[str, ...]:
    facts = by_itself(one)
    reasons = [reason for each in conditions for reason in unmet(_without_count(each), facts)]
    if one.frames > 1 and not reasons:
        reasons = [f"has {one.frames} frames; a single picture is wanted"]
    return tuple(dict.fromkeys(reasons))


def _without_count(conditions: Conditions) -> Conditions:
    return replace(conditions, min_slices=None, max_slices=None)


def _taken(
    prefer: Preferences, judged: Sequence[_Judged], most: int | None
) -> tuple[list[_Judged], dict[str, tuple[str, ...]]]:
    """All series; of more images than `most` the preferred series that fit together, and why not the others."""
    if most is None or sum(len(one.kept) for one in judged) <= most:
        return list(judged), {}
    taken: list[_Judged] = []
    refusals: dict[str, tuple[str, ...]] = {}
    for one in sorted(judged, key=lambda each: rank(prefer, _preferred_by(each), 0)):
        if sum(len(each.kept) for each in (*taken, one)) <= most:
            taken.append(one)
        else:
            alone = len(one.kept) > most
            refusals[one.facts.series_id] = (
                _too_many(len(one.kept), most) if alone else _lost(prefer, taken[0], one, most),
            )
    return [one for one in judged if one in taken], refusals


def _preferred_by(judged: _Judged) -> SeriesFacts:
    """What preferences may ask of the images that would be read; how many they are is no merit of radiographs."""
    facts = gathered(judged.kept)
    return replace(facts, slices=1, spacing_mm=None, frame_of_reference=None, missing=0)


def _lost(prefer: Preferences, winner: _Judged, loser: _Judged, most: int) -> str:
    number = winner.facts.number
    name = "another series" if number is None else f"series {number}"
    tells = what_tells(prefer, _preferred_by(winner), _preferred_by(loser), 0)
    by = "number" if number != loser.facts.number else "Series Instance UID"
    return f"the model reads {_images(most)} at the most, and {name} " + (
        f"suits it better: {tells}" if tells else f"comes first by its {by}"
    )


def _too_many(own: int, most: int) -> str:
    return f"has {_images(own)} that would do, more than {most}"


def _too_few(own: int, count: int, least: int) -> str:
    together = f", {count} with those of other series" if count > own else ""
    return f"has {_images(own)} that would do{together}, fewer than {least}"


def _every_reason(judged: _Judged) -> tuple[str, ...]:
    """What stands against a series no image of which would do."""
    reasons = tuple(dict.fromkeys(reason for _, against in judged.left_out for reason in against))
    return reasons or ("has no image",)


def _left_out(judged: _Judged) -> tuple[str, ...]:
    return tuple(f"{_image(one)}: {', '.join(reasons)}" for one, reasons in judged.left_out)


def _image(one: InstanceFacts) -> str:
    return "an image without a number" if one.instance_number is None else f"image {one.instance_number}"


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"
