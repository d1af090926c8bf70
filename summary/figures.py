"""Figures and counts: of which fact and measurement each is, and how many there are."""

from collections.abc import Mapping, Sequence

from domain.findings import Code
from domain.impressions import Fact, Presence
from summary.clauses import SIDES, Group
from summary.flaws import Flaw
from summary.lexicon import Kind, Token
from summary.reading import Reading
from summary.vocabulary import NUMBERS, Meaning


def whole_size(clause: Sequence[Token], cited: Mapping[str, Fact], reading: Reading) -> None:
    """A figure without its name is read as how large the thing is: the short axis alone says too little."""
    if any(one.kind in (Kind.MEASURE, Kind.NAMED_AMOUNT) for one in clause):
        return
    figures = [one for one in clause if one.kind is Kind.AMOUNT and len(one.facts) == 1]
    for fact in cited.values():
        told = [one for one in figures if fact.id in one.facts]
        if told and not any(is_most(fact, one, [fact]) for one in told):
            reading.refuse(Flaw.NUMBER, f'"{told[0].text}" is not the whole of {fact.id}, and what it is is not said')


def amounts(group: Group, facts: list[Fact], reading: Reading) -> list[Fact]:
    """Those of `facts` that have the figures of the group: one has all of them where one thing is named."""
    figures = group.of(Kind.AMOUNT, Kind.NAMED_AMOUNT)
    if not figures:
        return facts
    scores: list[Token] | list[None] = scores_of_figures(group) or [None] * len(figures)
    called = _called(group, facts)
    each = [
        [fact for fact in facts if _holds(fact, one, called) and (score is None or fact.id in score.facts)]
        for one, score in zip(figures, scores, strict=True)
    ]
    for one, holders in zip(figures, each, strict=True):
        if not holders:
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is of another fact')
    alike = [fact for fact in facts if all(fact in holders for holders in each)]
    several = group.mention is not None and group.mention.plural
    if not alike and not several and all(each):
        reading.refuse(Flaw.NUMBER, "the figures are of several facts")
    same = frozenset[int].intersection(*(frozenset(held.index for held in one.held) for one in figures))
    if not alike and several and not same and not group.of(Kind.MEASURE):
        reading.refuse(Flaw.NUMBER, "the figures are of several measurements")
    if several and called and all(each) and not _one_each(each):
        reading.refuse(Flaw.NUMBER, "two figures are of one fact")
    held = [fact for fact in facts if any(fact in holders for holders in each)]
    return (held if several else alike or held) or facts


Measured = frozenset[tuple[Code, Code | None, Code]]


def _called(group: Group, facts: Sequence[Fact]) -> Measured:
    """The measurement that all figures of a group are of, where one is named; else none."""
    named = group.of(Kind.MEASURE, Kind.NAMED_AMOUNT)
    return _meant(named[0], facts) if len(named) == 1 else frozenset()


def _meant(token: Token, facts: Sequence[Fact]) -> Measured:
    """The measurements of `facts` that bear a token out, by name, derivation and unit."""
    known = {one.id: one.amounts for one in facts}
    said = [known[one.fact][one.index].measurement for one in token.held if one.fact in known and one.index >= 0]
    return frozenset((one.name, one.derivation, one.unit) for one in said)


def _holds(fact: Fact, figure: Token, called: Measured) -> bool:
    """Whether a figure is the fact's, in the measurement that is named."""
    if fact.id not in figure.facts:
        return False
    meant, units = _meant(figure, [fact]), {unit for _, _, unit in called}
    return bool(meant & called) or not any(unit in units for _, _, unit in meant)


def _one_each(holders: Sequence[Sequence[Fact]], taken: frozenset[str] = frozenset()) -> bool:
    """Whether each may be of a fact of its own."""
    first, *rest = holders
    free = dict.fromkeys(one.id for one in first if one.id not in taken)
    return bool(free) if not rest else any(_one_each(rest, taken | {one}) for one in free)


def scores_of_figures(group: Group) -> list[Token]:
    """The score behind each figure, where each of several has one; else none."""
    row = [one for one in group.tokens if one.kind in (Kind.AMOUNT, Kind.NAMED_AMOUNT, Kind.SCORE)]
    alternate = all((one.kind is Kind.SCORE) == bool(at % 2) for at, one in enumerate(row))
    return row[1::2] if len(row) > 2 and len(row) % 2 == 0 and alternate else []


def measures(clause: Sequence[Token], reading: Reading) -> None:
    """A figure that stands beside the name of a measurement is that measurement's."""
    row = [one for one in clause if one.kind in (Kind.MEASURE, Kind.AMOUNT, Kind.CHANGE)]
    if row and row[0].kind is not Kind.MEASURE and not (_apart(clause) and row[-1].kind is not Kind.MEASURE):
        row.reverse()  # "6 mm in long and 4 mm in short axis": names follow their figures
    name: Token | None = None
    for at, one in enumerate(row):
        following = row[at + 1] if at + 1 < len(row) else None
        if one.kind is Kind.MEASURE:
            name = one
        elif one.kind is Kind.CHANGE:
            names = [near for near in (name, following) if near is not None and near.kind is Kind.MEASURE]
            if names and not any(_of_measure(one, near) for near in names):
                reading.refuse(Flaw.NUMBER, f'"{one.text}" is not of the {names[0].text}')
        elif name is not None and not _of_measure(one, name):
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is not the {name.text}')


def _apart(clause: Sequence[Token]) -> bool:
    """ "2400 ml, and its mean density is -812 HU": the name begins a part of its own, and is not of what precedes."""
    first = next((at for at, one in enumerate(clause) if one.kind in (Kind.AMOUNT, Kind.CHANGE)), len(clause))
    rest = clause[first + 1 :]
    between = [
        one.text.lower() for one in rest[: next((at for at, one in enumerate(rest) if one.kind is Kind.MEASURE), 0)]
    ]
    return bool({",", "and", "with"} & set(between)) and "in" not in between


def _of_measure(figure: Token, name: Token) -> bool:
    return bool(figure.held & name.held)


def counts(group: Group, facts: list[Fact], reading: Reading) -> None:
    """A number word is how many there are of what is named; several are more than one."""
    count = sum(one.count for one in facts)
    for one in group.meaning(Meaning.NUMBER):
        said = int(one.text) if one.text.isdecimal() else NUMBERS.get(one.text.lower())
        if said != count or group.mention is None:
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is not how many there are')
    elsewhere = group.meaning(*SIDES) or group.of(Kind.UNSIDED)
    if (
        group.meaning(Meaning.NUMBER)
        and not elsewhere
        and _others(facts, reading.known, named=bool(group.of(Kind.MODEL)))
    ):
        reading.refuse(Flaw.NUMBER, "there are others of its kind")
    if len(group.meaning(Meaning.NUMBER)) > 1:
        reading.refuse(Flaw.NUMBER, "two numbers of one thing")
    several = group.mention is not None and group.mention.plural and not own_plural(group.mention, facts)
    several = several and not group.parted
    if group.negated:
        return
    if count == 1 and (several or group.meaning(Meaning.SEVERAL)):
        reading.refuse(Flaw.NUMBER, "there is one and not several")
    more = [one for one in facts if one.count > 1]
    counted = group.mention is None or group.mention.plural or group.meaning(Meaning.NUMBER, Meaning.SEVERAL)
    if more and not counted:
        reading.refuse(Flaw.NUMBER, f"there are {count} and not one")
    if more and group.of(Kind.AMOUNT, Kind.NAMED_AMOUNT) and not group.meaning(Meaning.LARGEST, Meaning.MOST):
        reading.refuse(Flaw.NUMBER, f"the figure is of the largest of {count}")


def _others(facts: Sequence[Fact], known: Sequence[Fact], *, named: bool) -> list[Fact]:
    """Facts of the same finding at the same site that are not counted; `named`: of the same model."""
    there = {one.site for one in facts}
    models = {one.model for one in facts} if named else {one.model for one in known}
    alike = [one for one in known if one.presence is Presence.PRESENT and one.site in there and one not in facts]
    alike = [one for one in alike if one.model in models]
    return [one for one in alike if any(one.finding == fact.finding for fact in facts)]


def largest(
    group: Group, placed: Sequence[Fact], facts: Sequence[Fact], cited: Sequence[Fact], reading: Reading
) -> None:
    """ "The largest" is so among those of its kind that are cited, of which there are several; "up to" of all there."""
    for one in group.meaning(Meaning.LARGEST, Meaning.MOST):
        figures = group.of(Kind.AMOUNT, Kind.NAMED_AMOUNT)
        alike = [fact for fact in cited if any(fact.finding == told.finding for told in facts)]
        if one.means is Meaning.LARGEST and sum(fact.count for fact in alike) < 2:
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is of several, and there is one')
        most = one.means is Meaning.MOST
        named = bool(group.of(Kind.MEASURE, Kind.NAMED_AMOUNT))
        told, rivals = (facts, placed) if most else (facts if len(facts) == 1 else (), alike)
        if not figures or not any(is_most(fact, figures[0], rivals, named=named) for fact in told):
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is of another figure')


def is_most(fact: Fact, figure: Token, alike: Sequence[Fact], *, named: bool = False) -> bool:
    """Whether none of `alike` has a larger figure in that unit; `named`: of that measurement."""
    indices = [one.index for one in figure.held if one.fact == fact.id]
    if not indices:
        return False
    amount = fact.amounts[max(indices[0], 0)].measurement
    rivals = [other.measurement for one in alike for other in one.amounts if other.measurement.unit == amount.unit]
    what = (amount.name, amount.derivation)
    return all(one.value <= amount.value for one in rivals if not named or (one.name, one.derivation) == what)


def own_plural(mention: Token, facts: Sequence[Fact]) -> bool:
    """Whether the facts themselves are called by a plural."""
    return any(mention.text.lower() in (one.label.lower(), one.finding.meaning.lower()) for one in facts)
