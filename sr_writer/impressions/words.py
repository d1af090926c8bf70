"""An impression in words for people: its head, its sentences with what they rest on, and how it came about."""

from collections.abc import Iterator

from domain.findings import Code, Measurement
from domain.impressions import Author, Caution, Change, Fact, Presence, Sentence
from domain.words import SCORE, named
from sr_writer.codes.sentences import read
from sr_writer.codes.wording import warning
from sr_writer.impressions.content import ImpressionContent

# What the head of every object says already.
_IN_THE_HEAD = frozenset({Caution.DEMONSTRATION, Caution.RESEARCH})
# What differs from fact to fact; the others are of a model's whole run.
_OF_A_FACT = frozenset({Caution.SIDE_UNKNOWN})


def heads(content: ImpressionContent) -> tuple[str, ...]:
    """The warning, who wrote the sentences, and what the impression supersedes."""
    said = content.content.edition_said
    return (warning(content.content.findings.model), f"{author(content)}.", *([f"{said}."] if said else []))


def author(content: ImpressionContent) -> str:
    """Who wrote the sentences and what checked them."""
    impression = content.impression
    if impression.author is Author.LANGUAGE_MODEL and (model := impression.language_model):
        asked = f"{model.model} of {model.provider}, prompt {model.prompt}"
        return f"Sentences by the language model {asked}, checked against the findings by checks {impression.checker}"
    instead = ", in place of a language model" if impression.fallback else ""  # why is for who runs the node
    return f"Sentences by a template ({impression.checker}){instead}"


def sentences(content: ImpressionContent) -> Iterator[tuple[str, list[str]]]:
    """Each sentence and what it rests on: facts in words, on one line those that were told before, and its rule."""
    told: set[str] = set()
    for one in content.impression.sentences:
        again = [fact for fact in one.facts if fact in told]
        sources = [cited(fact, content) for fact in content.cited(one) if fact.id not in told]
        told.update(one.facts)
        yield one.text, [*sources, *([f"[{'] ['.join(again)}] as above"] if again else []), *rule(one)]


def rule(sentence: Sentence) -> list[str]:
    """Of a sentence that a guideline made, by which rule."""
    return [f"Rule: {sentence.guideline}"] if sentence.guideline else []


def cited(fact: Fact, content: ImpressionContent) -> str:
    """`[F2] Nodule candidate, right lung, long axis 6.4 mm, score over 75 %`; its model, where there are several."""
    several = len({one.model for one in content.facts.facts}) > 1
    model = f" ({fact.model})" if several else ""
    return f"[{fact.id}] {', '.join(_said(fact))}{model}"


# Above references, wherever they stand.
READ_ON = (
    "Chosen by the coded terms of what was found, for who wants to read on; nobody held them against this patient."
)


def references(content: ImpressionContent) -> tuple[str, ...]:
    """Articles to read on, each with its number in PubMed."""
    return tuple(f"{one.said}." for one in content.impression.references)


def about(content: ImpressionContent) -> tuple[str, ...]:
    """Whose findings they are, what was read, what a reader has to know of them, what is missing, what a score is."""
    models = [one.run.findings.model for one in content.runs]
    made_by = "; ".join(dict.fromkeys(f"{one.title} ({one.name} {one.version}, {one.manufacturer})" for one in models))
    unread, left_out = content.facts.unread, content.facts.left_out
    missing = f"{unread} further model{'s' * (unread > 1)} ended without findings, of which nothing is said here."
    return (
        f"Findings of: {made_by}.",
        *dict.fromkeys(f"Read: {read(one.content)}." for one in content.runs),
        *_cautions(content),
        *([missing] if unread else []),
        *([f"{left_out} more of what was found {'are' if left_out > 1 else 'is'} not told here."] if left_out else []),
        *([SCORE] if any(one.score for one in content.facts.facts) else []),
    )


def _cautions(content: ImpressionContent) -> Iterator[str]:
    """Of each model what a reader has to know, once."""
    by_model: dict[str, dict[str, None]] = {}
    for fact in content.facts.facts:
        known = by_model.setdefault(fact.model, {})
        known.update(dict.fromkeys(str(one) for one in fact.cautions if one not in _IN_THE_HEAD | _OF_A_FACT))
    return (f"{model}: {'; '.join(said)}." for model, said in by_model.items() if said)


def _said(fact: Fact) -> Iterator[str]:
    place = _place(fact.site, fact.laterality)
    yield f"{fact.label}, {fact.count} alike" if fact.count > 1 else fact.label
    if place and place not in fact.label.lower():
        yield place
    yield from (f"{named(one.measurement)} {one.said}" for one in fact.amounts)
    if fact.score:
        yield f"score {fact.score}"
    if fact.presence is Presence.ABSENT:
        yield "not reported"
    yield from map(_changed, fact.changes)
    yield from (str(one) for one in fact.cautions if one in _OF_A_FACT)


def _place(site: Code | None, side: Code | None) -> str:
    return " ".join(one.meaning.lower() for one in (side, site) if one)


def _changed(change: Change) -> str:
    name = named(Measurement(change.name, change.difference, change.unit))
    return f"{name} {change.said or 'no difference that can be told'} against an earlier study {change.interval}"
