"""Which images are shown first, and in which order: that in which a reader goes down the table of findings."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from domain.findings import FindingProbability, Map, Segment
from sr_writer.content import Content
from sr_writer.pages.beside import nearest
from sr_writer.pages.captions import View

MOST = 6  # pictures of one run; a reader does not look at more, and the report names the others
BARE = "as it was read"

_OF_SEGMENTS = "probability"  # the method of a map that a segmenting network gives (models/manifest.py)
_NEAR = 0.8  # share of a segment's largest area from which on an image shows the segment as well as the largest does
_MOST_NAMES = 3  # of segments in a caption; the letters below it name them all


def views(content: Content) -> tuple[View, ...]:
    """What to show, six at the most: of each image what is marked on it, then its maps; else one image all the same.

    Images that the model names come first, then those of the findings that it points at, in their order, then the few
    that together show each segment where it is measured or near its largest area, as they lie, then those that a
    classifier reports something of. Of a radiograph with something over it, the film itself comes first. Where there
    are more than six, the films stay, then what is marked, then the maps of the highest scores.
    """
    near = _near(content)
    found = [view for frame in _frames(content, near) for view in _of_frame(content, frame, near)]
    found = found or [view for frame in _peaks(content) for view in _of_frame(content, frame, near)]
    found = found or [View(len(content.source.frames) // 2, "nothing is marked in any image")]
    kept = sorted(range(len(found)), key=lambda k: (*_rank(content, found[k]), k))[:MOST]
    return tuple(found[k] for k in sorted(kept))


def without_picture(content: Content) -> str:
    """How many places and segments no picture shows, how many findings have no map here; "" where all are shown."""
    shown, near, pointed = views(content), _near(content), content.findings.pointed
    frames = {one.frame for one in shown if not one.bare}
    places = sum(one.frame not in frames for one in pointed)
    segments = sum(not there & frames for there in near.values())
    said = []
    if places:
        said.append(f"{places} of {len(pointed)} places have no picture here; the table names their images.")
    if segments:
        said.append(f"{segments} of {len(near)} segments have no picture here; the segmentation shows them.")
    return " ".join((*said, *_without_map(content, shown)))


def _without_map(content: Content, shown: Sequence[View]) -> Iterator[str]:
    """Which of the findings that are reported have no map, where any has one: else nobody knows that there are more."""
    maps = content.findings.maps
    mapped = {(maps[one.map].label, one.frame) for one in shown if one.map is not None}
    reported = [one for one in content.findings.likelihoods if one.present]
    missing = sum(not any(_is_of(one, label, frame) for label, frame in mapped) for one in reported)
    if mapped and missing:
        yield f"{missing} of {len(reported)} reported findings have no map here."


def _frames(content: Content, near: Mapping[Segment, Collection[int]]) -> list[int]:
    """The images to look at first, each once, in the order of the table."""
    findings = content.findings
    first = list(dict.fromkeys((*findings.key_frames, *(one.frame for one in findings.pointed))))
    cover = _cover(content, near, first[:MOST])
    reported = [one for one in findings.likelihoods if one.present]
    likely = sorted({one.frame for one in reported if one.frame is not None})
    return list(dict.fromkeys((*first, *cover, *likely)))


def _near(content: Content) -> dict[Segment, frozenset[int]]:
    """Of each segment that is outlined as one, the images that show it: that of its axes, or near its largest area."""
    pointed = {one.finding for one in content.findings.regions}
    there = [one for one in content.findings.segments if one.number in content.present and one.type not in pointed]
    return {one: _best(content, one) for one in there}


def _best(content: Content, segment: Segment) -> frozenset[int]:
    measured = {one.frame for one in segment.measurements if one.frame is not None}
    slices, areas = content.areas
    own = areas[:, segment.number]
    return frozenset(measured) or frozenset(slices[own >= _NEAR * own.max()].tolist())


def _cover(content: Content, near: Mapping[Segment, Collection[int]], shown: Sequence[int]) -> list[int]:
    """Few images, as they lie, that together show what `shown` does not: each time the one that shows the most more."""
    chosen: list[int] = []
    while len(shown) + len(chosen) < MOST:
        left = [one for one, frames in near.items() if not any(k in frames for k in (*shown, *chosen))]
        if not left:
            break
        frames = sorted({k for one in left for k in near[one]})
        chosen.append(max(frames, key=lambda k: _shows([one for one in left if k in near[one]], k, content)))
    return sorted(chosen)


def _shows(segments: Sequence[Segment], frame: int, content: Content) -> tuple[int, float]:
    """How many segments an image shows, and how much of each, as shares of its largest area."""
    slices, areas = content.areas
    (row,) = areas[slices == frame]
    return len(segments), sum(float(row[one.number] / areas[:, one.number].max()) for one in segments)


def _of_frame(content: Content, frame: int, near: Mapping[Segment, Collection[int]]) -> Iterator[View]:
    maps = [(k, one) for k, one in _explanations(content) if frame in one.frames]
    maps.sort(key=lambda one: -_score(content, one[1].label, frame))
    pointed = any(one.frame == frame for one in content.findings.pointed)
    marked = pointed or any(frame in frames for frames in near.values()) or not maps
    if content.source.volume is None and (maps or pointed):
        yield View(frame, BARE, bare=True)
        marked = pointed
    if marked:
        yield from _on_inputs(content, frame, near)
    for k, one in maps:
        yield View(frame, one.label, k)


def _on_inputs(content: Content, frame: int, near: Mapping[Segment, Collection[int]]) -> Iterator[View]:
    """A view for each input on which something on this frame is looked for; the source, where that is no other."""
    names = {one.name for one in content.others if _lies(content, frame, one.name)}
    wanted: dict[str, tuple[list[str], list[str]]] = {}
    for region in content.findings.pointed:
        if region.frame == frame:
            wanted.setdefault("", ([], []))[0].append(region.label)
    for segment, frames in near.items():
        if frame in frames:
            wanted.setdefault(segment.shown_on if segment.shown_on in names else "", ([], []))[1].append(segment.label)
    reasons = {on: [*places, *_shortly(segments)] for on, (places, segments) in wanted.items()} or {"": []}
    others = _of_image(content, frame) if len(reasons) == 1 else []
    yield from (View(frame, ", ".join(dict.fromkeys((*others, *said))), on=on) for on, said in reasons.items())


def _shortly(segments: Sequence[str]) -> Sequence[str]:
    if len(segments) <= _MOST_NAMES:
        return segments
    return [f"{len(segments)} segments, each near its largest area"]


def _of_image(content: Content, frame: int) -> list[str]:
    """What is said of the image as a whole."""
    named = ["named by the model"] if frame in content.findings.key_frames else []
    return [*named, *(one.label for one in content.findings.likelihoods if one.present and one.frame == frame)]


def _lies(content: Content, frame: int, name: str) -> bool:
    volume, (other,) = content.source.volume, [one for one in content.others if one.name == name]
    return volume is not None and nearest(volume, frame, other.source) is not None


def _peaks(content: Content) -> Iterator[int]:
    """Of each map, the image in which it is strongest; each image once."""
    found = {}
    for k, one in _explanations(content):
        values = content.maps[k]
        found[one.frames[int(values.reshape(len(values), -1).max(axis=1).argmax())]] = k
    yield from sorted(found)


def _explanations(content: Content) -> Iterator[tuple[int, Map]]:
    """The maps that say where a model looked; the probabilities of a segment would hide what its outline shows."""
    for k, one in enumerate(content.findings.maps[: len(content.maps)]):
        if one.frames and one.method != _OF_SEGMENTS:
            yield k, one


def _rank(content: Content, view: View) -> tuple[int, float]:
    """How early a view is kept where there are too many."""
    if view.map is not None:
        return 3, -_score(content, content.findings.maps[view.map].label, view.frame)
    return (0 if view.bare else 1 if view.frame in content.findings.key_frames else 2), 0.0


def _score(content: Content, label: str, frame: int) -> float:
    found = content.findings.likelihoods
    return max((one.probability for one in found if _is_of(one, label, frame)), default=0.0)


def _is_of(one: FindingProbability, label: str, frame: int) -> bool:
    return one.label == label and one.frame in (None, frame)
