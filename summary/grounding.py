"""The checks that stand between words and a reader: a sentence says what its facts hold, and nothing besides.

`ground` is a pure function of sentences and facts, whoever wrote the sentences. It refuses what it does not understand:
a right sentence that is refused costs another try or the template's words, a wrong one that passes costs a patient.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from domain.findings import Code
from domain.impressions import Fact, Facts, Presence, ScoreBand, Sentence
from summary import joining, usage
from summary.clauses import SIDES, Group, clauses, groups, is_mention
from summary.flaws import Flaw
from summary.lexicon import Kind, Lexicon, Token
from summary.negation import negated
from summary.reported import reported
from summary.vocabulary import NUMBERS, Meaning, normal

VERSION = "4"  # of these checks; a change that lets through or refuses other sentences raises it
_MOST_SENTENCES, _LONGEST_SENTENCE, _LONGEST = 16, 420, 2400


@dataclass(frozen=True)
class Objection:
    """Why a sentence (an index; None: the whole) is refused."""

    flaw: Flaw
    said: str
    sentence: int | None = None


def ground(sentences: Sequence[Sentence], facts: Facts) -> tuple[Objection, ...]:
    """Everything that is wrong with the sentences as an impression of these facts; nothing where all is right."""
    found: list[Objection] = []
    told: Counter[tuple[str, bool]] = Counter()
    named = set[str]()
    for number, sentence in enumerate(sentences):
        read = _read(sentence, facts)
        found += (Objection(flaw, said, number) for flaw, said in read.flaws)
        told.update((one, read.compares) for one in read.told)
        named |= read.named
    return (*found, *_whole(sentences, facts, told, named))


def _whole(
    sentences: Sequence[Sentence], facts: Facts, told: Counter[tuple[str, bool]], named: Collection[str]
) -> Iterator[Objection]:
    """What is wrong with the sentences together: each finding is told once, and once more where it is compared."""
    if len(sentences) > _MOST_SENTENCES or sum(len(one.text) for one in sentences) > _LONGEST:
        yield Objection(Flaw.LENGTH, f"more than {_MOST_SENTENCES} sentences or {_LONGEST} characters")
    for one in facts.facts:
        times = [told[one.id, compares] for compares in (False, True)]
        if one.presence is Presence.PRESENT and one.id not in named:
            yield Objection(Flaw.OMISSION, f"{one.id} is reported by a model and not mentioned")
        if max(times) > 1:
            yield Objection(Flaw.TWICE, f"{one.id} is told {max(times)} times")


@dataclass
class _Reading:
    """What came of a sentence: its flaws, and the facts that it tells."""

    flaws: list[tuple[Flaw, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)  # those of them that are told by the name of what was found
    compares: bool = False
    known: tuple[Fact, ...] = ()  # cited or not

    def refuse(self, flaw: Flaw, said: str) -> None:
        self.flaws.append((flaw, said))


# Laterality (PS3.16 CID 244), by SNOMED CT code.
_OF_CODE = {"7771000": {"left"}, "24028007": {"right"}, "51440002": {"left", "right"}}
# Words that mean what no fact can hold.
_NEVER = {
    Meaning.ADVICE: (Flaw.ADVICE, "says what to do"),
    Meaning.CERTAIN: (Flaw.CERTAINTY, "calls certain what a model reports"),
    Meaning.NOVEL: (Flaw.COMPARISON, "tells new from old"),
    Meaning.UNIT: (Flaw.UNIT, "a unit without its figure"),
}
_FOREIGN = {
    Kind.FOREIGN_FINDING: (Flaw.FINDING, "is no finding of the facts that are cited"),
    Kind.FOREIGN_SITE: (Flaw.SITE, "is no site of the facts that are cited"),
    Kind.UNKNOWN: (Flaw.WORD, "is in no fact and not in the vocabulary"),
}


def sides_of(fact: Fact) -> frozenset[str]:
    """Which sides a fact holds: by its code, or by the words of its label."""
    coded = _side(fact.laterality)
    words = {normal(one) for one in fact.label.replace(",", " ").split()}
    both = {"left", "right"} if words & {"both", "bilateral"} else set[str]()
    return frozenset(coded | (words & {"left", "right"}) | both)


def _side(code: Code | None) -> set[str]:
    return _OF_CODE.get(code.value, set()) if code and code.scheme == "SCT" else set()


def _read(sentence: Sentence, facts: Facts) -> _Reading:
    reading, known = _Reading(known=facts.facts), facts.by_id()
    missing = [one for one in sentence.facts if one not in known]
    if missing or not sentence.facts:
        reading.refuse(Flaw.SOURCE, f"no fact {', '.join(missing)}" if missing else "it cites no fact")
    if not sentence.text.strip() or len(sentence.text) > _LONGEST_SENTENCE:
        reading.refuse(Flaw.LENGTH, f"a sentence has 1 to {_LONGEST_SENTENCE} characters")
        return reading
    if not sentence.text.isprintable():
        reading.refuse(Flaw.WORD, "a character that cannot be seen")
    cited = {one: known[one] for one in sentence.facts if one in known}
    tokens = joining.joined(Lexicon(facts, cited).tokens(sentence.text))
    reading.flaws += usage.in_sentence(tokens, facts.modality)
    _one_without(tokens, reading)
    reading.compares = any(one.kind is Kind.CHANGE or one.means in _COMPARES for one in tokens)
    _words(tokens, cited, reading)
    parts = list(clauses(tokens))
    for number, clause in enumerate(parts):
        leads = number + 1 < len(parts) and {one.text.lower() for one in clause} <= {"there", "is", "are", ",", "and"}
        if number and not leads and not any(one.held for one in clause):
            reading.refuse(Flaw.WORD, f'"{clause[0].text}" begins what speaks of no fact')
        _clause(clause, cited, reading)
    for one in cited:
        if one not in reading.told and not missing:
            reading.refuse(Flaw.SOURCE, f"it cites {one} and does not speak of it")
    return reading


def _one_without(tokens: Sequence[Token], reading: _Reading) -> None:
    """ "Not seen without B" says another thing than "A without B"."""
    negations = [one.text.lower() for one in tokens if one.means is Meaning.NEGATION]
    if "without" in negations and len(negations) > 1:
        reading.refuse(Flaw.NEGATION, '"without" stands beside another negation')


def _words(tokens: Sequence[Token], cited: Mapping[str, Fact], reading: _Reading) -> None:
    """Each word by itself: is it one that may be used at all, and do the cited facts bear it out?"""
    for one in tokens:
        if one.kind in _FOREIGN:
            flaw, said = _FOREIGN[one.kind]
            reading.refuse(flaw, f'"{one.text}" {said}')
        elif one.kind is Kind.DIGITS:
            reading.refuse(*_digits(one, cited))
        elif one.kind is Kind.WORD and one.means in _NEVER:
            flaw, said = _NEVER[one.means]
            reading.refuse(flaw, f'"{one.text}" {said}')


def _digits(token: Token, cited: Mapping[str, Fact]) -> tuple[Flaw, str]:
    """A figure that is none of the facts' with its unit."""
    figures = {one.said.split()[0] for fact in cited.values() for one in fact.amounts}
    if token.text.rstrip("abcdefghijklmnopqrstuvwxyz") in figures:
        return Flaw.UNIT, f'"{token.text}" has another unit in the facts'
    return Flaw.NUMBER, f'"{token.text}" is no figure of the facts'


def _clause(clause: Sequence[Token], cited: Mapping[str, Fact], reading: _Reading) -> None:
    negations = [one for one in clause if one.means is Meaning.NEGATION and one.text.lower() != "nor"]
    # "negative for", "free of" and "absent" are negations as "no" is; two of them in one clause cancel or confuse.
    if len(negations) > 1:
        reading.refuse(Flaw.NEGATION, f"{len(negations)} negations in one clause")
    found = groups(clause, bool(negations), cited)
    if negations and not any(one.mention for one in found):
        reading.refuse(Flaw.NEGATION, f'"{negations[0].text}" negates nothing that the facts hold')
    words = [one.text.lower() for one in clause]
    mentions = [at for at, one in enumerate(clause) if is_mention(one, cited)]
    reading.flaws += negated(clause, words, mentions) if negations else reported(clause, words, mentions, cited)
    _measures(clause, reading)
    _whole_size(clause, cited, reading)
    _listed(clause, cited, reading)
    for one in found:
        _group(one, cited, reading)


def _whole_size(clause: Sequence[Token], cited: Mapping[str, Fact], reading: _Reading) -> None:
    """A figure without its name is read as how large the thing is: the short axis alone says too little."""
    if any(one.kind in (Kind.MEASURE, Kind.NAMED_AMOUNT) for one in clause):
        return
    figures = [one for one in clause if one.kind is Kind.AMOUNT and len(one.facts) == 1]
    for fact in cited.values():
        told = [one for one in figures if fact.id in one.facts]
        if told and not any(_is_most(fact, one, [fact], own=True) for one in told):
            reading.refuse(Flaw.NUMBER, f'"{told[0].text}" is not the whole of {fact.id}, and what it is is not said')


def _listed(clause: Sequence[Token], cited: Mapping[str, Fact], reading: _Reading) -> None:
    """What is said before or after "A and B" is read as of both; what one "has grown to" is what has grown."""
    words = [one.text.lower() for one in clause]
    at = [number for number, one in enumerate(clause) if is_mention(one, cited)]
    for number, (first, second) in enumerate(pairwise(at)):
        if not set(words[first + 1 : second]) <= {"and", "or", ",", "with", "plus", "the", "a", "an"}:
            continue
        start = at[number - 1] + 1 if number else 0
        end = at[number + 2] if number + 2 < len(at) else len(clause)
        both = [cited[one] for place in (first, second) for one in sorted(clause[place].facts) if one in cited]
        around = Group(None, False, [*clause[start:first], *clause[second + 1 : end]])
        if around.meaning(*_COMPARES) or around.of(Kind.SCORE):
            _certainty(around, both, reading)
            _changes(around, both, reading)
        _certainty(Group(None, False, list(clause[start:first])), both, reading)
        after = clause[second + 1 : end]
        figure = next((place for place, one in enumerate(after) if one.kind in (Kind.AMOUNT, Kind.NAMED_AMOUNT)), 0)
        if {one.text.lower() for one in after[:figure]} & {"have", "are", "were", "measure", "each"}:
            reading.refuse(Flaw.NUMBER, f'"{after[figure].text}" is not of each')
    for place, one in enumerate(clause):
        if one.kind is Kind.AMOUNT and place and words[place - 1] == "to" and not _has_changed(one, cited):
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is not what has changed')


def _has_changed(figure: Token, cited: Mapping[str, Fact]) -> bool:
    """Whether the earlier study measured the same."""
    return any(
        change.name == cited[held.fact].amounts[held.index].measurement.name
        for held in figure.held
        if held.index >= 0
        for change in cited[held.fact].changes
        if change.said
    )


def _group(group: Group, cited: Mapping[str, Fact], reading: _Reading) -> None:
    facts = _mentioned(group, cited, reading)
    if facts is None:
        return
    placed = _place(group, facts, reading)
    told = _amounts(group, placed, reading)
    _counts(group, placed, reading)
    _largest(group, told, list(cited.values()), reading)
    _certainty(group, told, reading)
    _changes(group, told, reading)
    new = _new(group, told, reading.told)
    reading.told += new
    if group.mention is not None:
        reading.named.update(new)


def _mentioned(group: Group, cited: Mapping[str, Fact], reading: _Reading) -> list[Fact] | None:
    """The cited facts that a group may be about; None where something is wrong with that."""
    if group.mention is None:
        claims = [one for one in group.tokens if one.held or one.means not in (Meaning.PLAIN, Meaning.NEGATION)]
        if claims and len(cited) != 1:
            reading.refuse(Flaw.SOURCE, f'of which fact "{claims[0].text}" is, is not said')
        return list(cited.values()) if claims and len(cited) == 1 and not group.negated else None
    named = [fact for one, fact in cited.items() if one in group.mention.facts]
    if not named:
        return None  # said already, word by word
    right = [one for one in named if (one.presence is Presence.ABSENT) == group.negated]
    if not right:
        wrong = "is reported" if group.negated else "is not reported"
        reading.refuse(Flaw.NEGATION, f'"{group.mention.text}" {wrong} by {", ".join(one.id for one in named)}')
        return None
    return right


def _place(group: Group, facts: list[Fact], reading: _Reading) -> list[Fact]:
    """Those of `facts` that are where the group says."""
    for one in (*group.of(Kind.SITE), *(one for one in group.of(Kind.FINDING) if one.sites)):
        of_site = one.facts if one.kind is Kind.SITE else one.sites
        kept = [fact for fact in facts if fact.id in of_site]
        if not kept:
            reading.refuse(Flaw.SITE, f'"{one.text}" is not where {facts[0].id} is')
        facts = kept or facts
    stated = [SIDES[one.means] for one in group.meaning(*SIDES)]
    wanted = set[str]().union(*stated)
    held = {one.id: sides_of(one) for one in facts}
    if not group.negated:
        _sides_said(group, facts, wanted, reading)
    if len(wanted) > 1:
        if wanted - set().union(*held.values()):
            reading.refuse(Flaw.SIDE, f"both sides are not those of {', '.join(held)}")
        elif len(facts) > 1 and group.of(Kind.AMOUNT, Kind.NAMED_AMOUNT):
            reading.refuse(Flaw.SIDE, "which figure is of which side is not said")
        return facts
    kept = [one for one in facts if wanted <= held[one.id]]
    if not kept:
        reading.refuse(Flaw.SIDE, f'"{min(wanted)}" is not the side of {", ".join(held)}')
    return kept or facts


def _sides_said(group: Group, facts: list[Fact], wanted: set[str], reading: _Reading) -> None:
    """ "In the lungs" is in both; of one of two organs that were measured it is said which."""
    sides = set[str]().union(*(sides_of(one) for one in facts))
    if len(sides) == 1 and len(wanted) < 2 and any(one.plural for one in group.of(Kind.SITE)):
        reading.refuse(Flaw.SIDE, "both sides are not those of " + ", ".join(one.id for one in facts))
    named = set(group.mention.text.lower().split()) if group.mention else set[str]()
    measured = all(one.presence is Presence.MEASURED for one in facts)
    if measured and sides and not (wanted or named & {*sides, "both", "bilateral"}):
        reading.refuse(Flaw.SIDE, f"of which side {facts[0].id} is, is not said")


def _amounts(group: Group, facts: list[Fact], reading: _Reading) -> list[Fact]:
    """Those of `facts` that have the figures of the group: one has all of them where one thing is named."""
    figures = group.of(Kind.AMOUNT, Kind.NAMED_AMOUNT)
    if not figures:
        return facts
    each = [[fact for fact in facts if fact.id in one.facts] for one in figures]
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
    held = [fact for fact in facts if any(fact in holders for holders in each)]
    return alike or held or facts


def _measures(clause: Sequence[Token], reading: _Reading) -> None:
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


def _counts(group: Group, facts: list[Fact], reading: _Reading) -> None:
    """A number word is how many there are of what is named; several are more than one."""
    count = sum(one.count for one in facts)
    for one in group.meaning(Meaning.NUMBER):
        said = int(one.text) if one.text.isdecimal() else NUMBERS.get(one.text.lower())
        if said != count or group.mention is None:
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is not how many there are')
    if group.meaning(Meaning.NUMBER) and not group.meaning(*SIDES) and _others(facts, reading.known):
        reading.refuse(Flaw.NUMBER, "there are others of its kind")
    if len(group.meaning(Meaning.NUMBER)) > 1:
        reading.refuse(Flaw.NUMBER, "two numbers of one thing")
    several = group.mention is not None and group.mention.plural and not _own_plural(group.mention, facts)
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


def _others(facts: Sequence[Fact], known: Sequence[Fact]) -> list[Fact]:
    """Facts of the same finding at the same site that are not counted."""
    there = {one.site for one in facts}
    alike = [one for one in known if one.presence is Presence.PRESENT and one.site in there and one not in facts]
    return [one for one in alike if any(one.finding == fact.finding for fact in facts)]


def _largest(group: Group, facts: Sequence[Fact], cited: Sequence[Fact], reading: _Reading) -> None:
    """ "The largest" is so among those of its kind that are cited, of which there are several."""
    for one in group.meaning(Meaning.LARGEST, Meaning.MOST):
        figures = group.of(Kind.AMOUNT, Kind.NAMED_AMOUNT)
        alike = [fact for fact in cited if any(fact.finding == told.finding for told in facts)]
        if one.means is Meaning.LARGEST and sum(fact.count for fact in alike) < 2:
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is of several, and there is one')
        if not figures or len(facts) != 1 or not _is_most(facts[0], figures[0], alike, own=one.means is Meaning.MOST):
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is of another figure')


def _is_most(fact: Fact, figure: Token, alike: Sequence[Fact], *, own: bool) -> bool:
    """Whether a figure of `fact` is its own largest of that unit, and none of `alike` has a larger one."""
    indices = [one.index for one in figure.held if one.fact == fact.id]
    if not indices:
        return False
    amount = fact.amounts[max(indices[0], 0)].measurement
    rivals = [
        other.measurement
        for one in alike
        for other in one.amounts
        if other.measurement.unit == amount.unit and (one.id == fact.id or not own)
    ]
    return all(one.value <= amount.value for one in rivals)


def _own_plural(mention: Token, facts: Sequence[Fact]) -> bool:
    """Whether the facts themselves are called by a plural."""
    return any(mention.text.lower() in (one.label.lower(), one.finding.meaning.lower()) for one in facts)


_STRENGTH = {
    None: {Meaning.WEAK},
    ScoreBand.LOWEST: {Meaning.WEAK},
    ScoreBand.LOW: {Meaning.WEAK},
    ScoreBand.HIGH: {Meaning.WEAK, Meaning.MEDIUM},
    ScoreBand.HIGHEST: {Meaning.MEDIUM},
}


def _certainty(group: Group, facts: Sequence[Fact], reading: _Reading) -> None:
    """ "Possible" and "likely" agree with the score; of what is not reported, or is only measured, neither is said."""
    within = [group.mention] if group.mention is not None and group.mention.means is Meaning.WEAK else []
    for one in (*within, *group.meaning(Meaning.WEAK, Meaning.MEDIUM, Meaning.UNLIKELY)):
        agree = [fact for fact in facts if fact.presence is Presence.PRESENT and one.means in _STRENGTH[fact.score]]
        if len(agree) < len(facts):
            reading.refuse(Flaw.CERTAINTY, f'"{one.text}" does not agree with the score')
    for one in group.of(Kind.SCORE):
        if not facts or not all(fact.id in one.facts for fact in facts):
            reading.refuse(Flaw.CERTAINTY, f'"{one.text}" is another fact\'s score')


_DIRECTION = {Meaning.UP: 1, Meaning.DOWN: -1, Meaning.SAME: 0}
_COMPARES = frozenset({Meaning.COMPARED, *_DIRECTION})


def _changes(group: Group, facts: Sequence[Fact], reading: _Reading) -> None:
    """Nothing is compared without an earlier result, and what is said of it has its direction."""
    told = group.meaning(Meaning.COMPARED, *_DIRECTION)
    changed = [one for fact in facts for one in fact.changes]
    if told and not all(one.changes for one in facts):
        reading.refuse(Flaw.COMPARISON, f'"{told[0].text}" compares, and there is no earlier result')
        return
    actual = {0 if not one.said else (1 if one.difference > 0 else -1) for one in changed}
    for one in told:
        if one.means in _DIRECTION and actual != {_DIRECTION[one.means]}:
            reading.refuse(Flaw.COMPARISON, f'"{one.text}" is not how it changed')
    for one in group.of(Kind.CHANGE, Kind.INTERVAL):
        if not facts or not all(fact.id in one.facts for fact in facts):
            reading.refuse(Flaw.COMPARISON, f'"{one.text}" is another fact\'s')


def _new(group: Group, facts: Sequence[Fact], told: Sequence[str]) -> list[str]:
    """Which facts a group tells: of what is there, one word in the singular tells one."""
    ids = [one.id for one in facts if not (group.parted and one.id in told)]
    single = group.mention is not None and not group.mention.plural and not group.negated
    single = single and not group.meaning(Meaning.BOTH)
    if not single or len(ids) == 1 or any(_own_plural_label(one) for one in facts):
        return ids
    return [one for one in ids if one not in told][:1] or ids[:1]


def _own_plural_label(fact: Fact) -> bool:
    return fact.presence is Presence.MEASURED
