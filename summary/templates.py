"""The impression without a language model: sentences of facts, in the order in which a radiologist wants them.

What is present comes first, then what has changed, what was looked for and is not reported, measurements, what
guidelines say, and what a reader has to know of how it came about. Nothing is said that no fact holds, and never that
something is normal: no model has looked for everything.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from domain.impressions import Author, Caution, Change, Fact, Facts, Impression, Presence, Sentence, Topic
from summary import guidelines, wording
from summary.disagreement import disagreements, is_disputed
from summary.guidelines import UNKNOWN, Known
from summary.vocabulary import spelled

VERSION = "template 2"
MOST_LETTERS = 600  # of a sentence; beyond it details go, then names
_MOST_GROUPS = 2  # of lesions that have a sentence by themselves
_MOST_NAMED = 8  # where there is no room for more


def impression(facts: Facts, known: Known = UNKNOWN) -> Impression:
    """What the facts come to in at most eleven sentences; `known` is what a person has said besides."""
    named = _with_models(facts)
    said = (
        *_present(_of(named, Presence.PRESENT)),
        *_changes(named),
        *_absent(facts),
        *_disputed(facts),
        *_measured(_of(named, Presence.MEASURED)),
        *guidelines.sentences(facts, known),
        *_without(facts),
        *_cautions(facts),
        *_whose(facts),
    )
    return Impression(said, Author.TEMPLATE, VERSION)


def _with_models(facts: Facts) -> Facts:
    """The facts with their models' titles where two models tell of one thing; a reader needs no other title."""
    whose: dict[tuple[str, ...], set[str]] = {}
    for one in facts.facts:
        whose.setdefault(spelled(one.label), set()).add(one.model)
    several = {label for label, models in whose.items() if len(models) > 1}
    told = (one if spelled(one.label) in several else replace(one, model="") for one in facts.facts)
    return replace(facts, facts=tuple(told))


def _by(fact: Fact) -> str:
    return f"by {fact.model}" if fact.model else ""


def _of(facts: Facts, presence: Presence) -> list[Fact]:
    return [one for one in facts.facts if one.presence is presence]


def _sentence(text: str, facts: Iterable[Fact], topic: Topic) -> Sentence:
    return Sentence(f"{wording.capital(text)}.", tuple(dict.fromkeys(one.id for one in facts)), topic)


def _present(present: Sequence[Fact]) -> Iterator[Sentence]:
    """Lesions that are alike have a sentence by themselves, everything else one together."""
    by_what: dict[object, list[Fact]] = {}
    for one in present:
        by_what.setdefault((one.model, one.finding, one.label), []).append(one)
    groups = list(by_what.values())
    alone = [one for one in groups if sum(fact.count for fact in one) > 1][:_MOST_GROUPS]
    for several in alone:
        yield _sentence(_fitting([_several(several, True), _several(several, False)]), several, Topic.FINDING)
    if others := [one for one in groups if one not in alone]:
        yield _sentence(_together(others), (one for several in others for one in several), Topic.FINDING)


def _several(lesions: Sequence[Fact], scored: bool) -> str:
    """`three nodule candidates are reported: two in the right lung (mean diameter 12 mm, 8 mm) and one in the ...`."""
    bands = {one.score for one in lesions}
    each = f", each with a {wording.score(lesions[0])}" if scored and len(bands) == 1 and lesions[0].score else ""
    what = " ".join(filter(None, (_counted_name(lesions), _by(lesions[0]))))
    places: dict[tuple[str, str], list[Fact]] = {}
    for one in lesions:
        places.setdefault((wording.place(one), wording.unsided(one)), []).append(one)
    told = [
        " ".join(filter(None, (place, _in_brackets([unsided, *wording.sized_each(those, scored and len(bands) > 1)]))))
        for (place, unsided), those in places.items()
    ]
    if len(told) == 1:
        return f"{' '.join(filter(None, (what, *told)))} are reported{each}"
    counts = [wording.number(_count(those)) for those in places.values()]
    there = wording.listed([" ".join(filter(None, one)) for one in zip(counts, told, strict=True)])
    return f"{what} are reported: {there}{each}"


def _count(facts: Sequence[Fact]) -> int:
    return sum(one.count for one in facts)


def _in_brackets(details: Iterable[str]) -> str:
    said = ", ".join(filter(None, details))
    return f"({said})" if said else ""


def _together(groups: Sequence[Sequence[Fact]]) -> str:
    """`enhancing tumour (long axis 34 mm) and oedema (volume 45 ml) are reported`, as much as there is room for."""
    # A place that stands last is read as that of everything before it.
    groups = sorted(groups, key=lambda one: not (len(one) == 1 and wording.place(one[0])))
    several = len(groups) > 1 or len(groups[0]) > 1 or wording.is_several(groups[0][0].label)
    verb = "are reported" if several else "is reported"
    details: Sequence[Callable[[Fact], str]] = (_with_all, _with_size, _named)
    full = [f"{wording.listed([_item(one, how) for one in groups])} {verb}" for how in details]
    names = [_item(one, details[-1]) for one in groups[:_MOST_NAMED]]
    return _fitting([*full, f"{wording.listed([*names, wording.MORE])} are reported"])


def _item(several: Sequence[Fact], how: Callable[[Fact], str]) -> str:
    if len(several) == 1 and several[0].count == 1:
        return how(several[0])
    return " ".join(filter(None, (_counted_name(several), _by(several[0]))))


def _counted_name(several: Sequence[Fact]) -> str:
    return f"{wording.number(_count(several))} {wording.several(several[0].label)}"


def _named(fact: Fact) -> str:
    """What it is, and where."""
    said, where = wording.name(fact.label), wording.place(fact)
    return " ".join(filter(None, (wording.article(said) if fact.site else said, where, _by(fact))))


def _with_all(fact: Fact) -> str:
    return _bracketed(fact, (*wording.sizes(fact), wording.score(fact)))


def _with_size(fact: Fact) -> str:
    return _bracketed(fact, wording.sizes(fact, 1))


def _bracketed(fact: Fact, details: Iterable[str]) -> str:
    return " ".join(filter(None, (_named(fact), _in_brackets((wording.unsided(fact), *details)))))


def _fitting(tries: Sequence[str]) -> str:
    """The first that is short enough, else the last."""
    return next((one for one in tries if len(one) < MOST_LETTERS), tries[-1])


def _changes(facts: Facts) -> Iterator[Sentence]:
    """Against the earlier study, what differs and what cannot be told to differ; the nearest earlier study alone."""
    changed = [(fact, change) for fact in facts.facts for change in fact.changes]
    if not changed:
        return
    interval = changed[0][1].interval
    same = [(fact, change) for fact, change in changed if change.interval is interval]
    told = [(fact, change) for fact, change in same if change.said]
    differing = {fact.id for fact, _ in told}
    there = [one for one in same if one[0].presence is not Presence.ABSENT]
    untold = [(fact, change) for fact, change in there if fact.id not in differing]
    if not told and not untold:
        return
    against = f"compared with an earlier study ({interval.value})"
    tries = ((told, untold), (told, () if told else untold[:_MOST_NAMED]), (told[:_MOST_NAMED], untold[: not told]))
    texts = [f"{against}: {'; '.join(filter(None, (_differ(one), _alike(other))))}" for one, other in tries]
    chosen = tries[texts.index(text := _fitting(texts))]
    yield _sentence(text, (fact for several in chosen for fact, _ in several), Topic.CHANGE)


def _differ(told: Sequence[tuple[Fact, Change]]) -> str:
    """`enhancing tumour +4.1 ml in volume and +4 mm in long axis`."""
    by_fact: dict[str, list[str]] = {}
    for fact, change in told:
        gone = " no longer reported," if fact.presence is Presence.ABSENT else ""
        by_fact.setdefault(f"{_which(fact)}{gone}", []).append(f"{change.said} in {_name_of(change)}")
    return "; ".join(f"{what} {wording.listed(said)}" for what, said in by_fact.items())


def _alike(untold: Sequence[tuple[Fact, Change]]) -> str:
    """`oedema unchanged in volume`."""
    by_fact: dict[str, list[str]] = {}
    for fact, change in untold:
        by_fact.setdefault(_which(fact), []).append(_name_of(change))
    return "; ".join(f"{label} unchanged in {wording.listed(said)}" for label, said in by_fact.items())


def _which(fact: Fact) -> str:
    """Its name, and where it is: there may be another one."""
    if fact.presence is Presence.MEASURED:
        return _organ(fact)
    return " ".join(filter(None, (wording.name(fact.label), wording.place(fact), _by(fact))))


def _name_of(change: Change) -> str:
    return change.name.meaning.lower()


def _absent(facts: Facts) -> Iterator[Sentence]:
    """What was looked for and no model reports."""
    absent = [one for one in _of(facts, Presence.ABSENT) if not is_disputed(one, facts.facts)]
    if not absent:
        return
    names = list({spelled(one.label): wording.name(one.label) for one in reversed(absent)}.values())[::-1]
    several = len(names) > 1 or wording.is_several(names[0])
    verbs = "were looked for and are" if several else "was looked for and is"
    tries = (wording.listed(those) for those in (names, [*names[: 2 * _MOST_NAMED], wording.MORE]))
    yield _sentence(_fitting([f"{said} {verbs} not reported" for said in tries]), absent, Topic.NEGATIVE)


def _disputed(facts: Facts) -> Iterator[Sentence]:
    """What one model reports and another one does not: which of them is right is not for us to say."""
    disputed = disagreements(facts.facts)
    if not disputed:
        return
    whose: dict[str, list[str]] = {}
    for one in disputed:
        whose.setdefault(wording.opposed(one.present, one.absent), []).extend(
            wording.name(fact.label) for fact in one.present
        )
    told = "; ".join(said.format(wording.listed(list(dict.fromkeys(names)))) for said, names in whose.items())
    every = list(dict.fromkeys(name for several in whose.values() for name in several))
    tries = (f"models disagree: {told}", f"models disagree on {wording.listed(every)}")
    yield _sentence(_fitting(tries), (fact for one in disputed for fact in (*one.present, *one.absent)), Topic.CAUTION)


def _measured(facts: Sequence[Fact]) -> Iterator[Sentence]:
    """What was measured; of what has no figure there is nothing to say."""
    measured = [one for one in facts if wording.sizes(one)]
    if not measured:
        return
    tries = [f"measurements: {'; '.join(dict.fromkeys(_sized(one, most) for one in measured))}" for most in (3, 1)]
    few = "; ".join(_sized(one, 1) for one in measured[:_MOST_NAMED])
    yield _sentence(_fitting([*tries, f"measurements: {few}; and {wording.MORE}"]), measured, Topic.MEASUREMENT)


def _sized(fact: Fact, most: int) -> str:
    return f"{_organ(fact)} {', '.join(wording.sizes(fact, most))}"


def _organ(fact: Fact) -> str:
    """`left kidney`."""
    side = "" if fact.laterality is None or _is_sided(fact) else f"{fact.laterality.meaning.lower()} "
    return " ".join(filter(None, (f"{side}{wording.name(fact.label)}", _by(fact))))


def _is_sided(fact: Fact) -> bool:
    return fact.laterality is not None and fact.laterality.meaning.lower() in fact.label.lower()


def _without(facts: Facts) -> Iterator[Sentence]:
    """That no model has looked for a finding, or that none has given anything, where this is so."""
    if not facts.facts and not facts.left_out:
        yield _sentence(_nothing(facts.unread), (), Topic.CAUTION)
    elif facts.facts and all(one.presence is Presence.MEASURED for one in facts.facts):
        yield _sentence("only measurements were made; no finding was looked for", facts.facts, Topic.CAUTION)


def _nothing(unread: int) -> str:
    if not unread:
        return "no model has given a result for this study"
    models = {1: "the model", 2: "both models"}.get(unread, f"all {wording.number(unread)} models")
    return f"{models} that were to read this study ended without a result; nothing can be said of it".replace(
        "model that were", "model that was"
    )


def _cautions(facts: Facts) -> Iterator[Sentence]:
    """What a reader has to know of what is said and of how it came about, in one sentence."""
    told = [(_CAUTIONS[one], [fact for fact in facts.facts if one in fact.cautions]) for one in _CAUTIONS]
    said = [
        ("what is not reported is not excluded", _of(facts, Presence.ABSENT)),
        ("unchanged is what the voxels cannot tell apart", _unchanged(facts)),
        *told,
    ]
    parts = [(text, about) for text, about in said if about]
    counted = list(_counted(facts))
    if parts or counted:
        text = "; ".join([*(text for text, _ in parts), *counted])
        yield _sentence(text, (fact for _, about in parts for fact in about), Topic.CAUTION)


def _unchanged(facts: Facts) -> list[Fact]:
    return [one for one in facts.facts if one.changes and not any(change.said for change in one.changes)]


def _counted(facts: Facts) -> Iterator[str]:
    """How many models gave nothing, where others did, and how much is not told."""
    if facts.unread and (facts.facts or facts.left_out):
        yield f"{'one model' if facts.unread == 1 else f'{wording.number(facts.unread)} models'} ended without a result"
    if facts.left_out:
        results = "result is" if facts.left_out == 1 else "results are"
        further = "further " if facts.facts else ""
        yield f"{wording.number(facts.left_out)} {further}{results} not told here"


# Of others that facts may carry, a sentence tells by itself, or beside the finding.
_CAUTIONS = {
    Caution.GENERAL_MODEL: "a general model that was not made for this question answered it",
    Caution.INTERPOLATED: "missing slices were interpolated",
    Caution.LEFT_OUT: "some images were left out",
    Caution.NOT_ALL_LISTED: "more were found than are listed",
    Caution.OTHER: "a model's report has a further remark",
}


def _whose(facts: Facts) -> Iterator[Sentence]:
    """Whose results they are: of demonstration models, of research."""
    yield from _of_models(facts, Caution.DEMONSTRATION, "demonstration model", ", not for clinical use")
    yield from _of_models(facts, Caution.RESEARCH, "research model", ", which is no medical product")


def _of_models(facts: Facts, caution: Caution, called: str, what: str) -> Iterator[Sentence]:
    theirs = [one for one in facts.facts if caution in one.cautions]
    models = sorted({one.model for one in theirs})
    several = len(models) > 1
    whose = f"{called}s" if several else wording.article(called)
    if several:
        what = what.replace("which is no medical product", "which are no medical products")
    if theirs and len(theirs) == len(facts.facts):
        yield _sentence(f"all of this comes from {whose}{what}", theirs, Topic.CAUTION)
    elif theirs:
        yield _sentence(f"{wording.listed(models)} {'are' if several else 'is'} {whose}{what}", theirs, Topic.CAUTION)
