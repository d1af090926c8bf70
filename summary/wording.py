"""English for facts: lists, plurals, numbers in words, where something is and how large."""

import re
from collections.abc import Iterator, Sequence

from domain import words
from domain.impressions import Amount, Caution, Fact, ScoreBand

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DIAMETER, _MEAN = ("81827009", "SCT"), ("373098007", "SCT")
_LONG, _SHORT, _VOLUME = ("103339001", "SCT"), ("103340004", "SCT"), ("118565006", "SCT")
_FIRST = (_LONG, _SHORT, _VOLUME)  # of what is measured, what a reader asks for first
_MOST_SAID = 3
MORE = "others that the reports list"
UNSIDED = "side unknown"
_BRACKETS = re.compile(r"\([^()]*\)")


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, and c`; with semicolons where an item has a comma outside of brackets."""
    commas = [one for one in items if "," in _BRACKETS.sub("", one)]
    if len(items) < 3 and not commas:
        return " and ".join(items)
    comma = ";" if commas else ","
    return f"{f'{comma} '.join(items[:-1])}{comma} and {items[-1]}" if len(items) > 1 else "".join(items)


def number(count: int) -> str:
    """In words, up to twelve."""
    return _NUMBERS[count] if 0 <= count < len(_NUMBERS) else str(count)


def capital(said: str) -> str:
    """With a capital at its beginning."""
    return said[:1].upper() + said[1:]


def name(label: str) -> str:
    """A label within a sentence: `enhancing tumour`, but `L5 vertebra` and `MRI finding`."""
    return label[:1].lower() + label[1:] if label[1:2].islower() or label[1:2] == " " else label


def several(label: str) -> str:
    """The plural of a label."""
    said = name(label)
    if said.endswith(("s", "x")) and not said.endswith(("ss", "x")):
        return said
    if said.endswith(("ss", "x", "ch", "sh")):
        return f"{said}es"
    if said.endswith("y") and said[-2:-1] not in "aeiou":
        return f"{said[:-1]}ies"
    return f"{said}s"


def is_several(label: str) -> bool:
    """Whether a label is a plural as it stands: `Lung nodule candidates`."""
    return label.endswith("s") and not label.endswith(("ss", "is", "us"))


def article(said: str) -> str:
    """`a nodule`, `an opacity`."""
    return f"{'an' if said[:1].lower() in 'aeiou' else 'a'} {said}"


def place(fact: Fact) -> str:
    """`in the right lung`, `on the left`; "" of what no place is told of, or what its label names already."""
    side = fact.laterality.meaning.lower() if fact.laterality else ""
    if fact.site is None:
        return f"on the {side}" if side and side not in fact.label.lower() else ""
    return " ".join(filter(None, ("in the", side, name(fact.site.meaning))))


def unsided(fact: Fact) -> str:
    """`side unknown`, of what lies in one of two and nobody knows in which."""
    return UNSIDED if Caution.SIDE_UNKNOWN in fact.cautions else ""


def size(fact: Fact) -> Amount | None:
    """The one figure that tells how large it is: its mean diameter, else its long axis, else its volume."""
    by_name = {(one.measurement.name.value, one.measurement.name.scheme): one for one in reversed(_whole(fact))}
    diameter = next((one for one in _whole(fact) if is_mean_diameter(one)), None)
    return diameter or next((by_name[one] for one in _FIRST if one in by_name), None)


def is_mean_diameter(one: Amount) -> bool:
    """Whether it is the mean of long and short axis."""
    derivation, called = one.measurement.derivation, one.measurement.name
    mean = derivation is not None and (derivation.value, derivation.scheme) == _MEAN
    return mean and (called.value, called.scheme) == _DIAMETER


def axes(fact: Fact) -> tuple[Amount, Amount] | None:
    """Long and short axis, where both were measured."""
    found = [
        next((one for one in _whole(fact) if (one.measurement.name.value, one.measurement.name.scheme) == axis), None)
        for axis in (_LONG, _SHORT)
    ]
    return (found[0], found[1]) if found[0] is not None and found[1] is not None else None


def sizes(fact: Fact, most: int = _MOST_SAID) -> tuple[str, ...]:
    """What was measured, in words: `mean diameter 6.4 mm` alone, else axes and volume first; three at the most."""
    amount = size(fact)
    if amount is not None and is_mean_diameter(amount):
        return (measured(amount),)
    chosen = sorted(_whole(fact), key=_place_of)
    return tuple(measured(one) for one in chosen[:most])


def measured(one: Amount) -> str:
    """`long axis 34 mm`."""
    return f"{words.named(one.measurement)} {one.said}"


def score(fact: Fact) -> str:
    """`score over 75 %`."""
    return f"score {fact.score.value}" if fact.score else ""


def _place_of(one: Amount) -> int:
    called = (one.measurement.name.value, one.measurement.name.scheme)
    return _FIRST.index(called) if called in _FIRST else len(_FIRST)


def _whole(fact: Fact) -> tuple[Amount, ...]:
    """Of the whole, or of its largest part."""
    return tuple(one for one in fact.amounts if one.measurement.part < 2)


def sized_each(lesions: Sequence[Fact], scored: bool) -> Iterator[str]:
    """Each by itself, where each is a fact by itself and has a size."""
    each = all(one.count == 1 and size(one) is not None for one in lesions)
    return _figures(lesions, scored) if each else _largest(lesions, scored)


def _figures(lesions: Sequence[Fact], scored: bool) -> Iterator[str]:
    """The size of each, what is measured named once: `mean diameter 12 mm`, `8 mm`."""
    named = ""
    for one in lesions:
        amount = size(one)
        if amount is None:
            continue
        name = words.named(amount.measurement)
        said = " ".join(filter(None, (name if name != named else "", amount.said)))
        yield f"{said}{f' with a {score(one)}' if scored and one.score else ''}"
        named = name


def _largest(lesions: Sequence[Fact], scored: bool) -> Iterator[str]:
    """Of many the largest: `mean diameter up to 12 mm`, and every score that one of them has, where all are known."""
    sized = [(one.measurement.value, one) for fact in lesions if (one := size(fact)) is not None]
    names = {words.named(one.measurement) for _, one in sized}
    if len(names) == 1:
        yield f"{names.pop()} up to {max(sized, key=lambda one: one[0])[1].said}"
    bands = [band.value for band in reversed(ScoreBand) if any(one.score is band for one in lesions)]
    if scored and all(one.score for one in lesions):
        yield f"{'score' if len(bands) == 1 else 'scores'} {listed(bands)}"


def opposed(present: Sequence[Fact], absent: Sequence[Fact]) -> str:
    """`A reports {}, and B does not`."""
    by, against = ([*dict.fromkeys(fact.model for fact in facts)] for facts in (present, absent))
    if by == against:
        by, against = [f"one result of {listed(by)}"], ["another one"]
    report = "report" if len(by) > 1 else "reports"
    does = "do" if len(against) > 1 else "does"
    told = [listed(each).replace("{", "(").replace("}", ")") for each in (by, against)]
    return f"{told[0]} {report} {{}}, and {told[1]} {does} not"
