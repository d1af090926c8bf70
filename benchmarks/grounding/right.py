"""Impressions that are right, in many wordings: one sentence for each finding, one for what is not reported."""

import random
from collections.abc import Iterator, Sequence

from benchmarks.grounding.made_facts import made_facts
from domain.findings import Code
from domain.impressions import Change, Fact, Facts, Presence, ScoreBand, Sentence
from domain.words import named

_OTHER_WORDS = {
    "Nodule candidate": ("nodule candidate", "nodule", "pulmonary nodule", "nodular opacity", "lung nodule"),
    "Cardiomegaly": ("cardiomegaly", "an enlarged heart", "cardiac enlargement"),
    "Effusion": ("pleural effusion", "an effusion", "effusion"),
    "Edema": ("pulmonary oedema", "pulmonary edema", "edema"),
    "Mass": ("a lung mass", "a mass", "a pulmonary mass"),
    "Consolidation": ("consolidation", "airspace consolidation"),
    "Fibrosis": ("fibrosis", "pulmonary fibrosis"),
    "Emphysema": ("emphysema", "pulmonary emphysema"),
    "Hernia": ("a hernia", "a hiatal hernia"),
    "Fracture": ("a fracture",),
    "Enhancing tumour": ("enhancing tumour", "enhancing tumor", "an enhancing lesion"),
    "Oedema": ("oedema", "edema"),
    "Necrotic and non-enhancing core": ("a necrotic and non-enhancing core", "necrosis"),
    "Lesion": ("lesion",),
}
_POSSIBLE = ("possible ", "suspected ", "")
_LIKELY = ("likely ", "probable ", "")


def right(facts: Facts, chance: random.Random) -> list[Sentence]:
    """An impression of these facts that says nothing but them."""
    told = [_told(one, chance) for one in facts.facts if one.presence is not Presence.ABSENT]
    if absent := [one for one in facts.facts if one.presence is Presence.ABSENT]:
        told.append(Sentence(_absent(absent, chance), tuple(one.id for one in absent)))
    return told


def _told(fact: Fact, chance: random.Random) -> Sentence:
    say = _measured if fact.presence is Presence.MEASURED else _present
    return Sentence(say(fact, chance), (fact.id,))


def _present(fact: Fact, chance: random.Random) -> str:
    changes = [change for change in fact.changes if chance.random() < 0.7]
    ways = [_there_is, _is_seen, _short] if not changes else [_there_is]
    text = chance.choice(ways)(fact, chance)
    return f"{text}{_changed(changes, chance)}."


def _name(fact: Fact, chance: random.Random) -> str:
    word = chance.choice(_OTHER_WORDS.get(fact.label, (fact.label.lower(),)))
    return f"{_hedge(fact, chance)}{word.removeprefix('an ').removeprefix('a ')}"


def _hedge(fact: Fact, chance: random.Random) -> str:
    if chance.random() < 0.6:
        return ""
    if fact.score in (ScoreBand.HIGH, ScoreBand.HIGHEST):
        return chance.choice(_LIKELY)
    return chance.choice(_POSSIBLE)


def _there_is(fact: Fact, chance: random.Random) -> str:
    lead = chance.choice(("There is", "The model reports", "The models found", "The analysis shows", "The images show"))
    return f"{lead} {_article(fact)}{_name(fact, chance)}{_where(fact, chance)}{_with(fact, chance)}"


def _is_seen(fact: Fact, chance: random.Random) -> str:
    seen = chance.choice(("is seen", "is reported", "was detected", "was found", "is present", "has been identified"))
    return _capital(f"{_article(fact)}{_name(fact, chance)} {seen}{_where(fact, chance)}{_with(fact, chance)}")


def _short(fact: Fact, chance: random.Random) -> str:
    return _capital(f"{_name(fact, chance)}{_where(fact, chance)}{_with(fact, chance)}")


def _article(fact: Fact) -> str:
    return "a " if fact.laterality else ""


def _where(fact: Fact, chance: random.Random) -> str:
    if not fact.site:
        return ""
    return f" in the {_side(fact.laterality)}{fact.site.meaning.lower()}"


def _side(code: Code | None) -> str:
    return f"{code.meaning.lower()} " if code else ""


def _with(fact: Fact, chance: random.Random) -> str:
    if not fact.amounts or chance.random() < 0.15:
        return ""
    first, *others = fact.amounts
    name = named(first.measurement)
    ways = [f" with a {name} of {first.said}", f" ({name} {first.said})", f", {name} {first.said}"]
    if first.measurement.unit.value == "mm":
        ways += [f" measuring {first.said}", f" of {first.said}"]
    if others:
        second = others[0]
        short = named(second.measurement)
        ways += [
            f" measuring {first.said} in {name} and {second.said} in {short}",
            f" with a {name} of {first.said} and a {short} of {second.said}",
        ]
    return chance.choice(ways)


def _changed(changes: Sequence[Change], chance: random.Random) -> str:
    for one in changes:
        name = one.name.meaning.lower()
        if not one.said:
            return chance.choice((", unchanged since the earlier study", f", stable in {name} compared with before"))
        grown, bare = one.difference > 0, one.said.lstrip("+-")
        words = ("larger", "increased") if grown else ("smaller", "decreased")
        return chance.choice(
            (
                f", {chance.choice(words)} by {bare} in {name} since the earlier study",
                f", {words[0]} than before ({name} {one.said}, {one.interval.value})",
            )
        )
    return ""


def _measured(fact: Fact, chance: random.Random) -> str:
    first, *others = fact.amounts
    label, name = fact.label.lower(), named(first.measurement)
    second = f" and a {named(others[0].measurement)} of {others[0].said}" if others and chance.random() < 0.5 else ""
    return chance.choice(
        (
            f"The {label} has a {name} of {first.said}{second}.",
            f"The {name} of the {label} is {first.said}.",
            f"The {label} measures {first.said}.",
            f"{_capital(label)}: {name} {first.said}.",
        )
    )


def _absent(facts: Sequence[Fact], chance: random.Random) -> str:
    names = [_plain(one, chance) for one in facts]
    verb = "is" if len(names) == 1 else "are"
    seen = chance.choice(("reported", "seen", "detected", "identified", "found"))
    listed, either = _list(names, "and"), _list(names, "or")
    ways = [
        f"No {either} {verb} {seen}.",
        f"{_capital(listed)} {verb} not {seen}.",
        f"There is no evidence of {either}.",
        f"No signs of {either}.",
        f"The models were looking for {listed} and did not report {'it' if len(names) == 1 else 'them'}.",
        "No " + ", no ".join(names) + ".",
    ]
    if len(names) == 2:
        ways.append(f"Neither {names[0]} nor {names[1]} is {seen}.")
    return chance.choice(ways)


def _plain(fact: Fact, chance: random.Random) -> str:
    word = chance.choice(_OTHER_WORDS.get(fact.label, (fact.label.lower(),)))
    return word.removeprefix("an ").removeprefix("a ")


def _list(names: Sequence[str], last: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def impressions(count: int, seed: int) -> Iterator[tuple[Facts, list[Sentence]]]:
    """`count` right impressions of made-up facts."""
    chance = random.Random(seed)
    for _ in range(count):
        facts = made_facts(chance)
        yield facts, right(facts, chance)
