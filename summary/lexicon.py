"""A sentence as tokens that know what they claim: words and figures of its facts, and words of the vocabulary.

The longest match counts, so that "enlarged heart" is cardiomegaly and no growth, and "6.4 mm" an amount and no number.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache

from domain import words
from domain.findings import Code
from domain.impressions import Caution, Change, Fact, Facts, Interval
from summary import synonyms
from summary.vocabulary import MEANINGS, Meaning, is_plural, normal
from summary.wording import MORE, UNSIDED


class Kind(Enum):
    """What a token is."""

    FINDING = auto()  # a finding, or a site, of the facts
    SITE = auto()
    MEASURE = auto()  # the name of a measurement
    AMOUNT = auto()  # a figure with its unit
    NAMED_AMOUNT = auto()  # a measurement by its name with its figure
    CHANGE = auto()
    SCORE = auto()
    INTERVAL = auto()
    MODEL = auto()  # whose result it is: "by" and a title
    UNSIDED = auto()  # that its side is not known
    OTHERS = auto()  # what is not named for want of room
    COUNT = auto()
    FOREIGN_FINDING = auto()  # one that no fact has
    FOREIGN_SITE = auto()
    WORD = auto()
    DIGITS = auto()
    MARK = auto()  # punctuation
    UNKNOWN = auto()


@dataclass(frozen=True)
class Held:
    """A fact, and which of its amounts or changes (an index), that bears a token out."""

    fact: str
    index: int = -1


@dataclass(frozen=True)
class Token:
    """A piece of a sentence. `held` are the facts that bear it out; `means` is set for words of the vocabulary."""

    kind: Kind
    text: str
    held: frozenset[Held] = frozenset()
    means: Meaning = Meaning.PLAIN
    plural: bool = False
    sites: frozenset[str] = frozenset()  # facts whose site the words are, where they are a finding's words as well

    @property
    def facts(self) -> frozenset[str]:
        """The ids of the facts that bear it out."""
        return frozenset(one.fact for one in self.held)


# What a sentence may be written with; everything else is no letter that a fact or the vocabulary has.
_PIECE = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+(?:[.,]\d+)*(?:[A-Za-z]+)?|[.,;:()/%+'-]|\s+|.", re.DOTALL)
_PHRASE = re.compile(r"[a-z]+|\d+(?:[.,]\d+)*[a-z]*", re.IGNORECASE)
_SIDES = (Meaning.LEFT, Meaning.RIGHT, Meaning.BOTH)
_MARKS = frozenset(".,;:()/%+'-")

_CHANGED, _SEVERAL = -3, -2  # the index of a first change, and of what is of several amounts

Phrase = tuple[str, ...]


@lru_cache(maxsize=8192)
def phrase(text: str) -> Phrase:
    """The words of a term in their one form."""
    return tuple(normal(one) for one in _PHRASE.findall(text))


@dataclass(frozen=True)
class _Term:
    findings: frozenset[Held] = frozenset()
    sites: frozenset[Held] = frozenset()
    measures: frozenset[Held] = frozenset()

    def of(self, labelled: Collection[str]) -> "_Term":
        """The same of the facts that are called so themselves, where there are any: a candidate has its own word."""
        own = frozenset(one for one in self.findings if one.fact in labelled)
        return replace(self, findings=own) if own else self

    def __or__(self, other: "_Term") -> "_Term":
        return _Term(self.findings | other.findings, self.sites | other.sites, self.measures | other.measures)


class Lexicon:
    """Reads a sentence that cites some of the facts. A finding of another fact is a foreign one."""

    def __init__(self, facts: Facts, cited: Collection[str]) -> None:
        self._terms: dict[Phrase, _Term] = {}
        about = [one for one in facts.facts if one.id in cited]
        for fact in about:
            self._add_fact(fact)
        everything = _Term(sites=frozenset(Held(one.id) for one in about))
        for word in (facts.body_part, *_of_body_part(facts.body_part)):
            self._add(word, everything)
        others = (text for one in facts.facts if one.id not in cited for text in (one.label, one.finding.meaning))
        self._foreign = _FOREIGN | {phrase(one): Kind.FOREIGN_FINDING for one in others}
        self._labelled: dict[Phrase, set[str]] = {}
        for one in about:
            self._labelled.setdefault(phrase(one.label), set()).add(one.id)
        self._longest = max(map(len, (*self._terms, *self._foreign)))
        self._spoken = _spoken(about)

    def _add(self, text: str, term: _Term) -> None:
        if (key := phrase(text)) and not _is_no_name(key):
            self._terms[key] = self._terms.get(key, _Term()) | term

    def _add_fact(self, fact: Fact) -> None:
        held = frozenset({Held(fact.id)})
        for text in (fact.label, fact.finding.meaning, *synonyms.of_finding(fact.finding)):
            self._add(text, _Term(findings=held))
        for text in (*(synonyms.of_site(fact.site) if fact.site else ()), *synonyms.implied_sites(fact.finding)):
            self._add(text, _Term(sites=held))
        for index, amount in enumerate(fact.amounts):
            self._measure(fact, index, amount.measurement.name, words.named(amount.measurement))
        for index, change in enumerate(fact.changes):
            self._measure(fact, _CHANGED - index, change.name, "")

    def _measure(self, fact: Fact, index: int, name: Code, named: str) -> None:
        for text in (named, *synonyms.of_measure(name)):
            self._add(text, _Term(measures=frozenset({Held(fact.id, index)})))

    def tokens(self, sentence: str) -> list[Token]:
        """The sentence in order."""
        found: list[Token] = []
        waiting: list[str] = []
        for span in (*self._spans(sentence), None):
            if isinstance(span, str):
                waiting.append(span)
                continue
            found += self._joined(waiting)
            waiting = []
            found += [span] if span else []
        return found

    def _spans(self, sentence: str) -> Iterator[Token | str]:
        """Figures of facts as tokens, and the rest piece by piece."""
        position = 0
        for found in self._spoken.pattern.finditer(sentence) if self._spoken.pattern else ():
            yield from _pieces(sentence[position : found.start()])
            token = self._spoken.tokens[found.group().lower()]
            if found.group().split()[-1] == token.text.split()[-1]:  # "ML" is another unit than "ml"
                yield token
            else:
                yield from _pieces(found.group())
            position = found.end()
        yield from _pieces(sentence[position:])

    def _joined(self, pieces: Sequence[str]) -> Iterator[Token]:
        """Pieces put together to the longest terms that there are."""
        at = 0
        while at < len(pieces):
            token, taken = self._longest_at(pieces[at:])
            yield token
            at += taken

    def _longest_at(self, pieces: Sequence[str]) -> tuple[Token, int]:
        """What the pieces begin with: a term of the cited facts before a foreign one, and a word where they do not."""
        runs = list(_runs(pieces, self._longest))
        for text, taken in runs:
            if term := self._terms.get(phrase(text)):
                return _token(term.of(self._labelled.get(phrase(text), ())), text), taken
        if MEANINGS.get(normal(pieces[0])) in _SIDES:  # "right lung" is a side and a site, whatever else is called so
            return _word(pieces[0]), 1
        for text, taken in runs:
            if kind := self._foreign.get(phrase(text)):
                return Token(kind, text), taken
        return _word(pieces[0]), 1


def _is_no_name(key: Phrase) -> bool:
    """Whether a label makes claims of words that any sentence may have ("Change") or that none may ("Needs review")."""
    meanings = [MEANINGS.get(word) for word in key]
    return None not in meanings or bool({Meaning.ADVICE, Meaning.CERTAIN, Meaning.NOVEL} & {*meanings})


def _runs(pieces: Sequence[str], longest: int) -> Iterator[tuple[str, int]]:
    """The words that follow each other, the most of them first; hyphens stand between the words of a term or do not."""
    for taken in range(min(2 * longest, len(pieces)), 0, -1):
        run = pieces[:taken]
        if all(one == "-" or _PHRASE.fullmatch(one) for one in run) and "-" not in (run[0], run[-1]):
            yield " ".join(one for one in run if one != "-"), taken


def _token(term: _Term, text: str) -> Token:
    plural = is_plural(text.rsplit(maxsplit=1)[-1])
    if term.findings:
        sites = frozenset(one.fact for one in term.sites)
        means = Meaning.WEAK if "may" in phrase(text) else Meaning.PLAIN
        return Token(Kind.FINDING, text, term.findings, means, plural, sites)
    kind, held = (Kind.SITE, term.sites) if term.sites else (Kind.MEASURE, term.measures)
    return Token(kind, text, held, plural=plural)


@dataclass(frozen=True)
class _Spoken:
    """How each figure of the facts is said, and what it then is."""

    tokens: Mapping[str, Token]
    pattern: re.Pattern[str] | None


def _spoken(facts: Iterable[Fact]) -> _Spoken:
    tokens: dict[str, Token] = {}
    for fact in facts:
        for kind, text, index in _said(fact):
            key = text.lower()
            known = tokens.get(key)
            if known is None or known.kind is kind:
                held = (known.held if known else frozenset()) | {Held(fact.id, index)}
                tokens[key] = Token(kind, text, held)
    if not tokens:
        return _Spoken({}, None)
    ways = "|".join(re.escape(one) for one in sorted(tokens, key=len, reverse=True))
    # A figure ends where no letter, digit or decimal goes on with it.
    return _Spoken(tokens, re.compile(rf"(?<![\w.,+-])(?:{ways})(?!\w|[.,]\d)", re.IGNORECASE))


def _said(fact: Fact) -> Iterator[tuple[Kind, str, int]]:
    for index, amount in enumerate(fact.amounts):
        yield Kind.AMOUNT, amount.said, index
        yield Kind.NAMED_AMOUNT, f"{words.named(amount.measurement)} {amount.said}", index
        yield Kind.NAMED_AMOUNT, f"{words.named(amount.measurement)} of {amount.said}", index
    yield from ((Kind.AMOUNT, text, _SEVERAL) for text in _by_axes(fact))
    for index, change in enumerate(fact.changes):
        yield from ((Kind.CHANGE, text, _CHANGED - index) for text in _change(change))
        yield Kind.INTERVAL, change.interval.value, index
        if change.interval is Interval.YEAR:
            yield Kind.INTERVAL, "over the past year", index
    yield Kind.MODEL, f"by {fact.model}", -1
    yield Kind.OTHERS, MORE, -1
    if Caution.SIDE_UNKNOWN in fact.cautions:
        yield Kind.UNSIDED, UNSIDED, -1
    if fact.score:
        yield Kind.SCORE, fact.score.value, -1
        if " to " in fact.score.value:
            yield Kind.SCORE, f"between {fact.score.value.replace(' to ', ' and ')}", -1


def _by_axes(fact: Fact) -> Iterator[str]:
    """ "6.4 x 4.2 mm", of a long and a short axis."""
    said = {one.measurement.name.value: one.said.split() for one in fact.amounts}
    long, short = said.get("103339001", []), said.get("103340004", [])
    if len(long) == len(short) == 2 and long[1] == short[1]:
        yield f"{long[0]} x {short[0]} {long[1]}"
        yield f"{long[0]} {long[1]} x {short[0]} {short[1]}"


def _change(change: Change) -> Iterator[str]:
    if change.said:
        yield change.said
        yield change.said.lstrip("+-")


def _pieces(text: str) -> Iterator[str]:
    yield from (one for one in _PIECE.findall(text) if not one.isspace())


def _word(piece: str) -> Token:
    if piece in _MARKS:
        return Token(Kind.MARK, piece)
    if piece[0].isdigit():
        return Token(Kind.DIGITS, piece)
    means = MEANINGS.get(normal(piece))
    return Token(Kind.WORD, piece, means=means) if means else Token(Kind.UNKNOWN, piece)


def _of_body_part(name: str) -> tuple[str, ...]:
    """Words for what Body Part Examined (PS3.16 annex L) calls by `name`."""
    key = phrase(name)
    rows = (synonyms.words_of(row) for row in synonyms.SITES.values())
    return next((row for row in rows if key in map(phrase, row)), ())


def _foreign() -> dict[Phrase, Kind]:
    found = {phrase(one): Kind.FOREIGN_SITE for row in synonyms.SITES.values() for one in synonyms.words_of(row)}
    return found | {
        phrase(one): Kind.FOREIGN_FINDING for row in synonyms.FINDINGS.values() for one in synonyms.words_of(row)
    }


_FOREIGN = _foreign()
