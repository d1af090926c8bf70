"""Facts: what is known of a study's revision in an allow-list of words and numbers, from the findings of all its jobs.

Nothing of a study reaches a sentence, or a language model, that does not pass through here. What findings hold besides
(frames, UIDs, points, the texts of remarks) is not read, or is told by a word of ours (summary/allowed.py).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from domain import words
from domain.findings import Findings, Measurement, ModelIdentity
from domain.ids import JobId
from domain.impressions import Amount, Caution, Change, Fact, Facts, FactSource, Part, ScoreBand
from domain.vocabulary import Vocabulary
from domain.words import Resolution
from summary import allowed
from summary.changes import change
from summary.found import Found, found

MOST_FACTS = 64
_MOST_AMOUNTS = 12  # of one fact
_MOST_ALIKE = 4  # of several lesions that are facts by themselves; the others are one, and counted


@dataclass(frozen=True)
class Earlier:
    """What the same model found in an earlier study of the same patient, so many `days` before."""

    findings: Findings
    days: int


@dataclass(frozen=True)
class Studied:
    """What one job of the study's revision found, the words of its package's manifest, and an earlier result."""

    job: JobId
    findings: Findings
    vocabulary: Vocabulary
    earlier: Earlier | None = None


@dataclass(frozen=True)
class About:
    """What is stated of study and patient: Modality, Body Part Examined, the age in years, Patient's Sex.

    The sex is told where a rule allows it (`sex_allowed`). `unread` counts the models that ended without findings.
    """

    modality: str = ""
    body_part: str = ""
    age: float | None = None
    sex: str = ""
    sex_allowed: bool = False
    unread: int = 0


@dataclass(frozen=True)
class _Drafted:
    """A fact without its id, where it was taken from, and what decides on its place among the others."""

    fact: Fact
    sources: tuple[FactSource, ...]
    rank: tuple[object, ...]


def facts(studied: Sequence[Studied], about: About = About()) -> tuple[Facts, tuple[FactSource, ...]]:
    """What all models together found: the facts, and of each where in a job's findings it comes from.

    What is present comes first, the likeliest and then the largest of it, whatever the order of `studied`. Of lesions
    that are alike the four largest are facts, and the others one for each place, of which `count` says how many they
    are; its amounts are those of the largest. What is beyond 64 facts, or cannot be said, is counted in `left_out`.
    """
    drafted: list[_Drafted] = []
    unsaid = 0
    for one in studied:
        told = list(_drafted(one))
        drafted += [fact for fact in told if fact is not None]
        unsaid += sum(fact is None for fact in told)
    drafted.sort(key=lambda one: one.rank)
    kept = [_numbered(one, number) for number, one in enumerate(drafted[:MOST_FACTS], 1)]
    made = Facts(
        tuple(one.fact for one in kept),
        allowed.modality(about.modality),
        allowed.body_part(about.body_part),
        allowed.age(about.age),
        allowed.sex(about.sex) if about.sex_allowed else "",
        about.unread,
        unsaid + len(drafted) - len(kept),
    )
    return made, tuple(source for one in kept for source in one.sources)


def _numbered(one: _Drafted, number: int) -> _Drafted:
    name = f"F{number}"
    sources = tuple(replace(source, fact=name) for source in one.sources)
    return replace(one, fact=replace(one.fact, id=name), sources=sources)


def _drafted(studied: Studied) -> Iterator[_Drafted | None]:
    """The facts of one job; None for each thing of which nothing can be said."""
    every = list(found(studied.findings, studied.vocabulary))
    told = [one for one in every if one is not None]
    pairs = _paired(told, studied)
    yield from (None for one in every if one is None)
    for several in _grouped(told):
        yield _fact(several, studied, pairs.get(several[0].where))


def _paired(told: Sequence[Found], studied: Studied) -> Mapping[object, Found]:
    """What of the earlier result is the same thing, by where it is in the findings of now.

    A segment is the same one of the package. A lesion is taken for that of before where both results have one alone of
    its kind, at the same site and side: which of several a lesion is nobody knows. Another release of a model might
    differ where the patient does not.
    """
    earlier = studied.earlier
    if earlier is None or earlier.days < 1 or _of(earlier.findings.model) != _of(studied.findings.model):
        return {}
    before = [one for one in found(earlier.findings, studied.vocabulary) if one is not None]
    segments = {one.where: one for one in before if one.part is Part.SEGMENT}
    same = {one.where: segments[one.where] for one in told if one.where in segments}
    if Caution.NOT_ALL_LISTED in {*_cautions(studied.findings), *_cautions(earlier.findings)}:
        return same
    now, then = _alone(told), _alone(before)
    return same | {one.where: then[kind] for kind, one in now.items() if kind in then and _is_placed(one, then[kind])}


def _alone(told: Iterable[Found]) -> Mapping[object, Found]:
    """The lesions of which there is one alone of their kind."""
    lesions = _by(lambda one: one.alike, (one for one in told if one.part is Part.REGION))
    return {several[0].alike: several[0] for several in lesions if len(several) == 1}


def _is_placed(one: Found, other: Found) -> bool:
    known = one.site is not None and Caution.SIDE_UNKNOWN not in (*one.cautions, *other.cautions)
    return known and one.place == other.place


def _of(model: ModelIdentity) -> tuple[str, str, str]:
    return model.name, model.version, model.digest


def _grouped(told: Sequence[Found]) -> Iterator[tuple[Found, ...]]:
    """A segment by itself; of lesions that are alike those after the fourth together, by where they lie.

    A finding that a classifier looked for in several images is one, told by the image that it is likeliest in.
    """
    for several in _by(lambda one: one.alike, told):
        several.sort(key=lambda one: one.first)
        alone = {Part.SEGMENT: len(several), Part.REGION: _MOST_ALIKE}.get(several[0].part, 0)
        yield from ((one,) for one in several[:alone])
        yield from (tuple(one) for one in _by(lambda one: one.place, several[alone:]))


def _by(key: Callable[[Found], object], told: Iterable[Found]) -> Iterator[list[Found]]:
    groups: dict[object, list[Found]] = {}
    for one in told:
        groups.setdefault(key(one), []).append(one)
    yield from groups.values()


def _fact(several: tuple[Found, ...], studied: Studied, before: Found | None) -> _Drafted:
    first, findings = several[0], studied.findings
    resolution = _resolution(findings)
    made = Fact(
        id="",
        finding=first.finding,
        label=first.label,
        presence=first.presence,
        model=allowed.title(findings.model, studied.vocabulary),
        site=first.site,
        laterality=first.laterality,
        amounts=tuple(_amount(one, resolution) for one in first.measurements[:_MOST_AMOUNTS]),
        score=_score(several),
        cautions=tuple(dict.fromkeys((*_cautions(findings), *first.cautions))),
        count=len(several) if first.part is Part.REGION else 1,
    )
    made = replace(made, changes=tuple(_changes(first, studied, before)))
    sources = tuple(FactSource("", studied.job, one.part, one.index) for one in several)
    return _Drafted(made, sources, (*first.rank, findings.model.name, findings.input_digest, str(studied.job)))


def _score(several: Sequence[Found]) -> ScoreBand | None:
    """Of lesions that are told together the one that all have; of what was looked for in several images the first's."""
    told = several if several[0].part is Part.REGION else several[:1]
    bands = {None if one.probability is None else allowed.band(one.probability) for one in told}
    return bands.pop() if len(bands) == 1 else None


def _resolution(findings: Findings) -> Resolution | None:
    voxel = findings.voxel
    sound = voxel is not None and all(math.isfinite(side) and side > 0 for side in voxel)
    return Resolution.of(voxel) if voxel is not None and sound else None


def _amount(one: Measurement, resolution: Resolution | None) -> Amount:
    """The number as pages say it: no fact has more figures than its sentence."""
    return Amount(replace(one, value=words.number(one, resolution), frame=None), words.amount(one, resolution))


def _cautions(findings: Findings) -> Iterator[Caution]:
    model = findings.model
    if model.demonstration:
        yield Caution.DEMONSTRATION
    elif not model.product:
        yield Caution.RESEARCH
    yield from sorted({allowed.caution(one) for one in findings.remarks}, key=list(Caution).index)


def _changes(one: Found, studied: Studied, before: Found | None) -> Iterator[Change]:
    """Against the same thing of before, of the whole of it."""
    earlier = studied.earlier
    if earlier is None or before is None:
        return
    known = {(other.name, other.derivation, other.unit): other for other in before.whole}
    fine, coarse = _resolution(studied.findings), _resolution(earlier.findings)
    for now in one.whole:
        if (other := known.get((now.name, now.derivation, now.unit))) is not None:
            made = change(now, other, fine, coarse, allowed.interval(earlier.days))
            yield from (made,) if made is not None else ()
