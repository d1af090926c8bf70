"""The findings in words for people: what pages, plain reports and captions say, the same in each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from domain import sides, words
from domain.anatomy import is_anatomy
from domain.findings import FindingProbability, Findings, ModelIdentity, Region, Segment
from sr_writer.codes.marks import marks
from sr_writer.codes.wording import content_description, warning
from sr_writer.content import Content
from sr_writer.image_names import ImageNames
from sr_writer.source import Source

Colour = tuple[int, int, int]

_LIMITS = "Limits: "
_NO_NUMBER = "marked; not measured"


@dataclass(frozen=True)
class Line:
    """One finding: its name, what is said of it, and its colour and letter in pictures, where it has any."""

    label: str
    said: str
    colour: Colour | None = None
    letter: str = ""


def lines(content: Content) -> tuple[Line, ...]:
    """Every segment, region and likelihood; of the likelihoods, those that are reported first."""
    return (*_segments(content), *_regions(content), *_likelihoods(content))


def read(content: Content) -> str:
    """Which series were read, as a reader finds them: `series 2 (MR, 96 images); t1ce: series 3 (MR, 96 images)`."""
    named = [("", content.source), *((f"{one.name}: ", one.source) for one in content.others)]
    return "; ".join(f"{name}{series_read(source)}" for name, source in named)


def series_read(source: Source) -> str:
    """`series 2 (MR, 96 images)`."""
    counts = Counter(one.instance.series_uid for one in source.frames)
    modalities = {one.series_uid: one.modality for one in source.instances}
    return ", ".join(
        f"{name} ({modalities[uid]}, {counts[uid]} image{'s' * (counts[uid] > 1)})"
        for uid, name in ImageNames(source).series.items()
    )


def notes(findings: Findings) -> tuple[str, ...]:
    """What a reader has to know beside the findings: the run's remarks, sides that are not known, what a score is."""
    scored = findings.likelihoods or any(one.probability is not None for one in findings.regions)
    unsided = [one.label for one in findings.pointed if sides.is_unsided(one)]
    return (
        *findings.remarks,
        *((f"On which side of the patient was not determined: {', '.join(unsided)}.",) if unsided else ()),
        *((words.SCORE,) if scored else ()),
        *((words.OF_A_WHOLE,) if findings.likelihoods else ()),
    )


def limits(model: ModelIdentity) -> tuple[str, ...]:
    """Of a model's card what it says of its limits, below a heading; the whole of it where it calls nothing that."""
    return tuple(one.removeprefix(_LIMITS) for one in model.card if one.startswith(_LIMITS)) or model.card


def heads(content: Content) -> tuple[str, ...]:
    """What stands above every page: the warning, which model has spoken, and what its results supersede."""
    model, edition = content.findings.model, content.edition_said
    maker = f"{model.title} ({model.name} {model.version}, {model.manufacturer})"
    return (warning(model), maker, *([f"{edition}."] if edition else []))


def comments(content: Content) -> str:
    """What an object that people look at by itself says of itself: the warning, and what it supersedes."""
    return ". ".join(filter(None, (warning(content.findings.model), content.edition_said)))


def description(content: Content) -> str:
    """As much of it as 64 characters hold: the whole warning, and which result it supersedes."""
    return content_description(content.findings.model, content.edition.shortly)


def _segments(content: Content) -> Iterator[Line]:
    resolution, known = content.resolution(), marks(content)
    for one in content.findings.segments:
        found = ", ".join(_measured(one, content, resolution))
        said = (found or _NO_NUMBER) if one.number in content.present else _none(one)
        yield Line(one.label, said, one.colour, known[one].letter if one in known else "")


def _measured(segment: Segment, content: Content, resolution: words.Resolution | None) -> Iterator[str]:
    """What was measured in a segment; after the last that was measured on one image, which that is."""
    found = segment.measurements
    for one, following in zip_longest(found, (later.frame for later in found[1:])):
        place = f"on {content.names(one.frame)}" if one.frame not in (None, following) and _several(content) else ""
        yield " ".join(filter(None, (words.quantity(one, resolution), place)))
    for one in segment.compared:
        yield _in_a_line(words.quantity(one, resolution))


def _in_a_line(said: str) -> str:
    """As it stands within a line; an abbreviation keeps its capitals."""
    return said if said[1:2].isupper() else said[:1].lower() + said[1:]


def _none(segment: Segment) -> str:
    if is_anatomy(segment.category):
        return "no voxel was marked"
    return "none was found; this does not exclude that there is one"


def _regions(content: Content) -> Iterator[Line]:
    known = marks(content)
    for one in content.findings.pointed:
        resolution = content.resolution(one.frame)
        parts = [
            sides.place(one),
            _place(one, content),
            *(words.quantity(measured, resolution) for measured in one.measurements),
        ]
        parts += [f"score {words.percentage(one.probability)}"] if one.probability is not None else []
        yield Line(one.label, ", ".join(filter(None, parts)) or _NO_NUMBER, one.colour, known[one].letter)


def _likelihoods(content: Content) -> Iterator[Line]:
    found = content.findings.likelihoods
    for one in sorted(found, key=lambda one: (not one.present, one.frame or 0, -one.probability)):
        yield Line(one.label, _likely(one, content))


def _likely(one: FindingProbability, content: Content) -> str:
    place = _place(one, content)
    where = f"{place}: " if place else ""
    return f"{where}{words.score(one)}"


def _place(one: Region | FindingProbability, content: Content) -> str:
    """The image that it is of, where there are several."""
    return str(content.names(one.frame)) if one.frame is not None and _several(content) else ""


def _several(content: Content) -> bool:
    return len(content.source.frames) > 1
