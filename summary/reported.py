"""What is wrong with a clause that reports findings: of which one, in what, or that two are one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from domain.findings import Code
from domain.impressions import Fact, Presence
from summary.flaws import Flaw
from summary.lexicon import Kind, Token
from summary.standing import ARTICLES, FIGURES, LOOKED, Flaws, all_of, word_at
from summary.vocabulary import Meaning

_RELATES = all_of(
    """
    consistent compatible indicate indicates indicated represent represents representing correspond corresponds
    corresponding suggest suggests suggesting suggestive include includes included including consist consists
    consisting involve involves involving affect affects affecting appear appears appearance part parts from as
    """
)
_OF_DISEASE = all_of(
    """
    finding findings evidence sign signs involved involving involve involves affected affecting affect affects part
    parts region regions segment segments tissue structure structures detected present presence
    """
)


def reported(clause: Sequence[Token], words: Sequence[str], mentions: list[int], cited: Mapping[str, Fact]) -> Flaws:
    """What is wrong with a clause in which all is reported; `mentions` are the places of findings."""
    for at, word in enumerate(words):
        if word in ("or", "any"):
            yield Flaw.NEGATION, f'"{word}" is for what is not reported'
        if word in ("it", "they") and any(one > at for one in mentions):
            yield Flaw.FINDING, f'"{word}" may be of something else'
        if word in LOOKED:
            yield Flaw.NEGATION, f'"{word}" is for what is not reported'
        if word in _RELATES and any(one < at for one in mentions) and any(one > at for one in mentions):
            yield Flaw.FINDING, f'"{word}" makes one finding of two'
        if (word.startswith("suggest") or word in ("favours", "favors")) and not any(one > at for one in mentions):
            yield Flaw.CERTAINTY, f'"{word}" nothing'
        subject = clause[at].kind is Kind.SITE and not any(one < at for one in mentions)
        if subject and word_at(words, at + 1) in _OF_A_SUBJECT:
            yield Flaw.SITE, f'"{word} {words[at + 1]}" says of a place what is of a finding'
    for first, second in pairwise(mentions):
        yield from _linked(clause, words, first, second)
    yield from _of_organs(clause, words, mentions, cited)


_JOINS = frozenset(("and", ",", "with", "plus", "or", "but", "without"))
_OF_A_SUBJECT = all_of("is are was were has have measures measure measured measuring of with remains remain")


def _linked(clause: Sequence[Token], words: Sequence[str], first: int, second: int) -> Flaws:
    """Two findings stand beside each other: none is in, of, or the same as another."""
    before = second - 1
    hedges = (Meaning.WEAK, Meaning.MEDIUM)
    while before > first and (words[before] in ARTICLES or clause[before].means in hedges):
        before -= 1
    same = words[before] in ("is", "are", "was", "were", "within", "by", "has", "have") and words[before - 1] != "there"
    if same or not _JOINS & set(words[first + 1 : second]):
        yield Flaw.FINDING, f'"{clause[first].text}" and "{clause[second].text}" are two findings'


def _of_organs(clause: Sequence[Token], words: Sequence[str], mentions: list[int], cited: Mapping[str, Fact]) -> Flaws:
    """What is only measured is told with its figure and side, and is nowhere else a finding's place."""
    organ: Fact | None = None
    for at, end in zip(mentions, [*mentions[1:], len(clause)][: len(mentions)], strict=True):
        facts = [cited[one] for one in clause[at].facts if one in cited]
        if any(one.presence is not Presence.MEASURED for one in facts):
            near = organ or next((cited[one] for one in _measured(clause, cited)), None)
            if near is not None and not _placed(clause[at:end]) and not any(_lies_in(one, near) for one in facts):
                yield Flaw.SITE, f'"{clause[at].text}" is not in "{near.label}"'
            continue
        organ = facts[0] if facts else None
        if facts and any(one in _OF_DISEASE for one in words[_between(mentions, at) : end]):
            yield Flaw.FINDING, f'"{clause[at].text}" is measured, and no finding'
    measured = [at for at in mentions if _is_measured(clause[at], cited)]
    figures = [one for one in clause if one.kind in FIGURES or one.means is Meaning.SAME]
    if measured and len(figures) < len(measured):
        yield Flaw.NUMBER, f'"{clause[measured[0]].text}" is measured, and its figure is not told'


def _measured(clause: Sequence[Token], cited: Mapping[str, Fact]) -> Iterator[str]:
    """The organs that a clause names, by the ids of their facts."""
    for one in clause:
        if one.kind is Kind.FINDING and not one.sites and _is_measured(one, cited):
            yield from (fact for fact in sorted(one.facts) if fact in cited)


def _is_measured(token: Token, cited: Mapping[str, Fact]) -> bool:
    return any(cited[one].presence is Presence.MEASURED for one in token.facts if one in cited)


def _between(mentions: list[int], at: int) -> int:
    """Where what is said of the mention at `at` begins."""
    before = [one for one in mentions if one < at]
    return before[-1] + 1 if before else 0


def _placed(tokens: Sequence[Token]) -> bool:
    return any(one.kind is Kind.SITE for one in tokens)


def _lies_in(fact: Fact, organ: Fact) -> bool:
    sides = _value(fact.laterality), _value(organ.laterality)
    return fact.site is not None and fact.site.value == organ.finding.value and sides[0] == sides[1]


def _value(code: Code | None) -> str:
    return code.value if code else ""
