"""A sentence's clauses, and in each what is said of which finding."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.impressions import Fact, Presence
from summary.lexicon import Kind, Token
from summary.vocabulary import Meaning

SIDES = {Meaning.LEFT: {"left"}, Meaning.RIGHT: {"right"}, Meaning.BOTH: {"left", "right"}}
_BREAKS = frozenset({"but", "while", "whereas", "however", "although", "though"})
_DETERMINERS = frozenset({"no", "without", "neither"})
_BETWEEN = frozenset({"and", "or", "with", "nor", "plus"})


def clauses(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The parts of a sentence that are reported, or not reported, each as a whole."""
    clause: list[Token] = []
    for at, one in enumerate(tokens):
        word = one.text.lower()
        following = tokens[at + 1].text.lower() if at + 1 < len(tokens) else ""
        ends = (one.kind is Kind.MARK and word in ";.") or word in _BREAKS
        named = any(token.kind is Kind.FINDING for token in clause)
        begins = word in _DETERMINERS or (word == "there" and following in ("is", "are") and named)
        begins = begins or (word == "and" and named and _negated_twice(tokens, at, clause))
        if (ends or begins) and any(token.kind is not Kind.MARK for token in clause):
            yield clause
            clause = []
        if not ends:
            clause.append(one)
    if any(token.kind is not Kind.MARK for token in clause):
        yield clause


def _negated_twice(tokens: Sequence[Token], at: int, clause: Sequence[Token]) -> bool:
    """ "No A, and B is not seen": each has its own negation."""
    rest = (one.text.lower() for one in tokens[at:])
    before = any(one.means is Meaning.NEGATION for one in clause) and clause[-1].text == ","
    return before and any(one == "not" for one in rest)


@dataclass
class Group:
    """One mention of a finding, None where the words before the first one stand, and what is said with it."""

    mention: Token | None
    negated: bool
    tokens: list[Token] = field(default_factory=list)
    parted: bool = False  # of several that one plural names, by where they are

    def of(self, *kinds: Kind) -> list[Token]:
        return [one for one in self.tokens if one.kind in kinds]

    def meaning(self, *meanings: Meaning) -> list[Token]:
        return [one for one in self.tokens if one.kind is Kind.WORD and one.means in meanings]


def groups(clause: Sequence[Token], negated: bool, cited: Mapping[str, Fact]) -> list[Group]:
    """A group for each mention. What stands before the first one is said of all, and so is what follows a list."""
    groups: list[Group] = []
    leading: list[Token] = []
    for segment in (_own_plural(one, cited) for one in _segments(clause)):
        mentions = [one for one in segment if is_mention(one, cited)]
        rest = [one for one in segment if one not in mentions]
        if mentions:
            groups += (Group(one, negated, list(rest)) for one in mentions)
        elif groups and _parts(groups[-1], rest):
            groups[-1].parted = True
            groups.append(Group(groups[-1].mention, negated, list(rest), parted=True))
        elif groups:
            groups[-1].tokens += rest
        else:
            leading += rest
    if not groups:
        return [Group(None, negated, leading)] if leading else []
    _share(groups, leading)
    return groups


def _own_plural(segment: list[Token], cited: Mapping[str, Fact]) -> list[Token]:
    """ "Lung volumes" are of several lungs."""
    mentions = [one for one in segment if is_mention(one, cited)]
    if len(mentions) != 1 or not any(one.kind is Kind.MEASURE and one.plural for one in segment):
        return segment
    return [replace(one, plural=True) if one is mentions[0] else one for one in segment]


def _parts(group: Group, segment: list[Token]) -> bool:
    """ "Nodules in the right lung (6 mm) and in the left lung (3 mm)": each place has its own."""
    plural = group.mention is not None and group.mention.plural
    counted = bool(_placed(group) or group.meaning(Meaning.NUMBER, Meaning.SEVERAL))
    return plural and counted and bool(_placed(Group(None, False, segment)))


def _share(groups: Sequence[Group], leading: Sequence[Token]) -> None:
    """ "in the right lung, A and B", and "A and B in the right lung": place and side are said of both."""
    for one in groups:
        one.tokens[:0] = leading
    for before, after in zip(reversed(groups[:-1]), reversed(groups[1:]), strict=True):
        if not before.parted and not _placed(before):
            before.tokens += _placed(after)


def _placed(group: Group) -> list[Token]:
    return [*group.of(Kind.SITE), *group.meaning(*SIDES)]


def is_mention(token: Token, cited: Mapping[str, Fact]) -> bool:
    """Words that are both a cited finding and another cited fact's site ("lung") are its site where they can be."""
    return token.kind is Kind.FINDING and not token.sites & cited.keys() & _sited(cited)


def _sited(cited: Mapping[str, Fact]) -> set[str]:
    return {one.id for one in cited.values() if one.presence is not Presence.MEASURED}


def _segments(clause: Sequence[Token]) -> Iterator[list[Token]]:
    segment: list[Token] = []
    for one in clause:
        if one.text in (",", ":") or (one.kind is Kind.WORD and one.text.lower() in _BETWEEN):
            if segment:
                yield segment
            segment = []
        else:
            segment.append(one)
    if segment:
        yield segment
