"""What is wrong with a clause that says what is not reported: of what it is said, and whether it is said at all."""

from collections.abc import Sequence
from itertools import pairwise

from summary.flaws import Flaw
from summary.joining import GONE
from summary.lexicon import Kind, Token
from summary.standing import ARTICLES, ASKING, SEEN, Flaws, all_of, place_after, word_at
from summary.vocabulary import Meaning

_DEFINITE = all_of("the this that these those its their whose")
_BEFORE_A_NEGATED = all_of("a an any evidence sign signs of")


def negated(clause: Sequence[Token], words: Sequence[str], mentions: list[int]) -> Flaws:
    """What is wrong with a clause in which something is not reported; `mentions` are the places of findings."""
    negations = [at for at, one in enumerate(clause) if one.means is Meaning.NEGATION]
    for at in negations:
        yield from _form(clause, words, at)
    for at, one in enumerate(clause):
        if one.kind is Kind.WORD and one.means in (Meaning.NUMBER, Meaning.SEVERAL, Meaning.BOTH, Meaning.LARGEST):
            yield Flaw.NEGATION, f'"{one.text}" is not for what is not reported'
        if words[at] in ("which", "that", "whose", "however"):
            yield Flaw.NEGATION, f'"{one.text}" is not for what is not reported'
    for at in mentions:
        if at and words[at - 1] in _DEFINITE:
            yield Flaw.NEGATION, f'"{words[at - 1]} {clause[at].text}" says that there is one'
    if mentions and mentions[0] < negations[0] and words[negations[0]] in ("not", "cannot", "absent", GONE):
        yield from _claimed(clause, words, mentions, negations[0])
    yield from _listed(words, mentions, words[negations[0]])
    yield from _seen_besides(words, mentions, negations)
    yield from _after_it(words, mentions, negations[0])


_BEFORE_A_SUBJECT = all_of("a an any evidence sign signs of in on the for and model models were was looking")
_TO_THE_NEGATION = all_of(
    """
    is are was were be been has have had do does did looked searched assessed evaluated checked examined for and
    also , : ( ) by
    """
)


_BESIDE = (Kind.UNKNOWN, Kind.FOREIGN_FINDING, Kind.MODEL, Kind.OTHERS)


def _claimed(clause: Sequence[Token], words: Sequence[str], mentions: list[int], negation: int) -> Flaws:
    """What stands before the negation claims nothing: "there is A and it is not reported" does."""
    last = max(one for one in mentions if one < negation)
    lead = words.index(":") if words[0] == "compared" and ":" in words[: mentions[0]] else -1
    for at, one in enumerate(clause[:negation]):
        if at <= lead:
            continue
        known = at in mentions or one.kind is Kind.SITE or one.means in (Meaning.LEFT, Meaning.RIGHT)
        allowed = _BEFORE_A_SUBJECT if at < mentions[0] else _TO_THE_NEGATION | ARTICLES
        linked = mentions[0] < at < last and words[at] in ("or", "nor")
        if not (known or linked or words[at] in allowed or one.kind in _BESIDE):
            yield Flaw.NEGATION, f'"{one.text}" claims what is not reported'


def _form(clause: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """A negation is of the finding, or of its being seen; that a model has not looked is another thing."""
    word, after = words[at], word_at(words, at + 1)
    if word in ("not", "cannot", GONE):
        yield from _not_seen(words, at)
    elif word in _WANTED and after not in _WANTED[word]:
        yield Flaw.NEGATION, f'"{word}" is not followed by "{_WANTED[word][0]}"'
    elif (word == "neither" and "nor" not in words[at:]) or (word == "nor" and "neither" not in words[:at]):
        yield Flaw.NEGATION, '"neither" and "nor" go together'
    elif word == "absent" and (word_at(words, at - 1) not in ASKING or after not in ("", ".", ",", ";", ")", "and")):
        yield Flaw.NEGATION, '"absent" is of something else'
    elif word not in ("nor", "none", "absent"):
        yield from _to_the_finding(clause, words, at)


_WANTED = {"negative": ("for",), "free": ("of", "from"), "absence": ("of",), "none": ("of",)}


def _not_seen(words: Sequence[str], at: int) -> Flaws:
    seen = word_at(words, place_after(words, at, frozenset(("be", "been", "have"))))
    if seen not in SEEN or (words[at] == "cannot" and word_at(words, at + 1) != "be"):
        yield Flaw.NEGATION, f'"{words[at]} {seen}" does not say that nothing was seen'
    elif word_at(words, at - 1) in ("do", "does") and seen in ("detect", "find", "identify"):
        yield Flaw.NEGATION, f'"{words[at]} {seen}" is what a model cannot do'


def _to_the_finding(clause: Sequence[Token], words: Sequence[str], at: int) -> Flaws:
    """Between a negation and its finding stands nothing that the negation could be of."""
    word = words[at]
    between = _BEFORE_A_NEGATED if word in ("no", "without", "neither") else ARTICLES | {"any", "of", "for", "from"}
    for one, text in zip(clause[at + 1 :], words[at + 1 :], strict=True):
        if one.kind in (Kind.FINDING, Kind.FOREIGN_FINDING):
            return
        sided = one.means in (Meaning.LEFT, Meaning.RIGHT)
        if not sided and one.kind not in (Kind.SITE, Kind.UNKNOWN) and text not in between:
            yield Flaw.NEGATION, f'"{word} {text}" does not say that nothing was seen'
            return


def _listed(words: Sequence[str], mentions: list[int], negation: str) -> Flaws:
    """A list ends in "or" or "and", so that nobody reads its last name for what is there."""
    links = [words[one + 1 : other] for one, other in pairwise(mentions)]
    ends = ("or", "nor") if negation in ("no", "without") else ("or", "nor", "and")
    for at, link in enumerate(links):
        last = at == len(links) - 1
        if not any(one in (("or", "and", "nor") if not last else ends) or (one == "," and not last) for one in link):
            yield Flaw.NEGATION, "what is not reported is no list"
        if {"with", "plus", "in", "from", "to", "than", "on"} & set(link):
            yield Flaw.NEGATION, "what is not reported is no list"


def _after_it(words: Sequence[str], mentions: list[int], negation: int) -> Flaws:
    """Once it is said that nothing was seen, nothing more is said: "not reported, and is there" is there."""
    last = max([*mentions, negation])
    seen = next((at for at in range(last + 1, len(words)) if words[at] in SEEN), len(words))
    for at in range(last + 1, len(words)):
        claims = words[at] in SEEN | ASKING | {"there", "it", "they"}
        alone = words[at] in ("it", "they") and word_at(words, at + 1) in ("", ".", ";", ",")
        if (at > seen and claims and not alone and words[at - 1] != "or") or (
            at < seen and words[at] in (":", "it", "there", "can")
        ):
            yield Flaw.NEGATION, f'"{words[at]}" after what is not reported'


def _seen_besides(words: Sequence[str], mentions: list[int], negations: list[int]) -> Flaws:
    """In "A is seen and B is not reported", A is."""
    first = negations[0]
    if words[first] not in ("not", "cannot", GONE):
        return
    for at, word in enumerate(words):
        governed = any(first < one < at for one in mentions)
        if word in SEEN - {"report"} and (at < first or governed):
            yield Flaw.NEGATION, f'"{word}" beside "not"'
