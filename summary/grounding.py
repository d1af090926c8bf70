"""The checks that stand between words and a reader: a sentence says what its facts hold, and nothing besides.

`ground` is a pure function of sentences and facts, whoever wrote the sentences. It refuses what it does not understand:
a right sentence that is refused costs another try or the template's words, a wrong one that passes costs a patient.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.impressions import Fact, Facts, Presence, Sentence
from summary import joining, usage
from summary.claims import claimed, listed
from summary.clauses import clauses, groups, is_mention
from summary.figures import measures, whole_size
from summary.flaws import Flaw
from summary.lexicon import Kind, Lexicon, Token
from summary.negation import negated
from summary.reading import COMPARES, Reading
from summary.reported import reported
from summary.respective import apart
from summary.vocabulary import Meaning

VERSION = "5"  # of these checks; a change that lets through or refuses other sentences raises it
_MOST_SENTENCES, _LONGEST_SENTENCE, _LONGEST = 16, 800, 4800
_MANY = 8  # findings that are named before the others may be left to the reports


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


def _read(sentence: Sentence, facts: Facts) -> Reading:
    reading, known = Reading(known=facts.facts), facts.by_id()
    missing = [one for one in sentence.facts if one not in known]
    if missing or not sentence.facts:
        reading.refuse(Flaw.SOURCE, f"no fact {', '.join(missing)}" if missing else "it cites no fact")
    if not sentence.text.strip() or len(sentence.text) > _LONGEST_SENTENCE:
        reading.refuse(Flaw.LENGTH, f"a sentence has 1 to {_LONGEST_SENTENCE} characters")
        return reading
    if not sentence.text.isprintable():
        reading.refuse(Flaw.WORD, "a character that cannot be seen")
    cited = {one: known[one] for one in sentence.facts if one in known}
    tokens = apart(joining.joined(Lexicon(facts, cited).tokens(sentence.text)))
    reading.flaws += usage.in_sentence(tokens, facts.modality)
    _one_without(tokens, reading)
    reading.compares = any(one.kind is Kind.CHANGE or one.means in COMPARES for one in tokens)
    _words(tokens, cited, reading)
    parts = list(clauses(tokens))
    for number, clause in enumerate(parts):
        leads = number + 1 < len(parts) and {one.text.lower() for one in clause} <= {"there", "is", "are", ",", "and"}
        if number and not leads and not any(one.held for one in clause):
            reading.refuse(Flaw.WORD, f'"{clause[0].text}" begins what speaks of no fact')
        _clause(clause, cited, reading)
    if any(one.kind is Kind.OTHERS for one in tokens):
        _others(tokens, cited, reading)
    for one in cited:
        if one not in reading.told and not missing:
            reading.refuse(Flaw.SOURCE, f"it cites {one} and does not speak of it")
    return reading


def _one_without(tokens: Sequence[Token], reading: Reading) -> None:
    """ "Not seen without B" says another thing than "A without B"."""
    negations = [one.text.lower() for one in tokens if one.means is Meaning.NEGATION]
    if "without" in negations and len(negations) > 1:
        reading.refuse(Flaw.NEGATION, '"without" stands beside another negation')


def _others(tokens: Sequence[Token], cited: Mapping[str, Fact], reading: Reading) -> None:
    """Others that have no name here stand behind many that have, and are as these are."""
    if sum(is_mention(one, cited) for one in tokens) < _MANY:
        reading.refuse(Flaw.OMISSION, f"others are not named, and less than {_MANY} are")
    negated = any(one.means is Meaning.NEGATION for one in tokens)
    alike = [name for name, one in cited.items() if (one.presence is Presence.ABSENT) == negated]
    reading.told += [name for name in alike if name not in reading.told]
    reading.named.update(alike)


def _words(tokens: Sequence[Token], cited: Mapping[str, Fact], reading: Reading) -> None:
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


def _clause(clause: Sequence[Token], cited: Mapping[str, Fact], reading: Reading) -> None:
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
    measures(clause, reading)
    whole_size(clause, cited, reading)
    listed(clause, cited, reading)
    for one in found:
        claimed(one, cited, reading)
