"""An impression as a report (PS3.16 TID 2000): coded with what each sentence rests on, or as plain text.

A sentence is inferred from the measurement reports and from its facts in words, each of these from its numbers as those
reports have them. By what a fact is tracked is a property of it: an item of text has an observation context in no class
but Comprehensive SR (PS3.3 A.35.2.3.1.2). Numbers are the fact's and not the sentence's, for it may rest on several;
and directly below it TID 2001 would have volumes in cubic units alone. Plain text (Basic Text SR) has none of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy

from highdicom.sr import (
    AlgorithmIdentification,
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    RelationshipTypeValues,
    TextContentItem,
)

from domain.impressions import Fact, Sentence, Topic
from domain.profiles import ENHANCED_SR, ResultFormat
from sr_writer.codes import concepts
from sr_writer.codes.schemes import private_schemes
from sr_writer.codes.wording import concept, plain, procedure, short
from sr_writer.content import Draft
from sr_writer.impressions.content import Cited, ImpressionContent, WrittenResult
from sr_writer.impressions.words import READ_ON, about, cited, heads, references, rule
from sr_writer.reports.groups import Tracked
from sr_writer.reports.items import coded, container, root, text, uid
from sr_writer.reports.report import context, document

_INFERRED = RelationshipTypeValues.INFERRED_FROM
_PROPERTY = RelationshipTypeValues.HAS_PROPERTIES
_MODIFIED = RelationshipTypeValues.HAS_CONCEPT_MOD


def drafts(content: ImpressionContent, form: ResultFormat) -> Iterator[Draft]:
    """The report; the facts stand in a section besides, for viewers that show no item below a sentence."""
    said, numbers = content.impression.sentences, form.sop_class == ENHANCED_SR
    facts = {fact.id: fact for one in said for fact in content.cited(one)}
    parts = {name: tuple(content.parts(fact, form)) for name, fact in facts.items()}
    sections = [
        container(concepts.SUMMARY, [text(concepts.SUMMARY, one) for one in heads(content)]),
        container(concepts.IMPRESSIONS, [_sentence(one, content, parts, numbers) for one in said]),
        *([_listed(facts.values(), content)] if facts else []),
        container(concepts.PROCEDURES, [text(concepts.PROCEDURE_DESCRIPTION, one) for one in _about(content, numbers)]),
    ]
    tree = root(concepts.IMAGING_REPORT, [*_context(content), *_algorithm(content), *sections], template="2000")
    draft = document(content.content, form, tree, _referred([one for found in parts.values() for one in found]))
    if schemes := private_schemes(*(one.run.findings for one in content.runs)):
        draft.dataset.CodingSchemeIdentificationSequence = schemes
    yield draft


def _about(content: ImpressionContent, numbers: bool) -> Sequence[str]:
    """How it came about; as plain text, which people alone read, with the articles to read on (docs/decisions/0034)."""
    named = references(content)
    return about(content) if numbers or not named else (*about(content), f"References. {READ_ON}", *named)


def _listed(facts: Iterable[Fact], content: ImpressionContent) -> ContainerContentItem:
    return container(concepts.FINDINGS, [text(concepts.FINDING, f"{cited(one, content)}.") for one in facts])


def _context(content: ImpressionContent) -> list[ContentItem]:
    """As of every report, with the procedures of all runs."""
    sources = [one.content.source for one in content.runs]
    named = dict.fromkeys(procedure(one.modality) for one in sources)
    others = [one for one in named if one != procedure(content.content.source.modality)]
    return [*context(content.content), *(coded(concepts.PROCEDURE_REPORTED, one, _MODIFIED) for one in others)]


def _algorithm(content: ImpressionContent) -> list[ContentItem]:
    """What wrote the sentences and what checked them (PS3.16 TID 4019)."""
    author, impression = content.content.findings.model, content.impression
    model = impression.language_model
    asked = [f"Provider: {model.provider}", f"Prompt: {model.prompt}"] if model else []
    fallback = [f"Language model not used: {impression.fallback}"] if impression.fallback else []
    found = AlgorithmIdentification(
        name=short(author.name),
        version=short(author.version),
        parameters=[
            plain(one) for one in (f"Author: {impression.author}", *asked, f"Checker: {impression.checker}", *fallback)
        ],
        manufacturer=short(author.manufacturer),
        family=concept(concepts.ARTIFICIAL_INTELLIGENCE) if model else None,
    )
    return [*found]


def _sentence(
    sentence: Sentence, content: ImpressionContent, parts: Mapping[str, Sequence[Cited]], numbers: bool
) -> TextContentItem:
    """A sentence, inferred from the reports that say what it rests on, and from that; a caution is of no number."""
    facts = list(content.cited(sentence))
    reports = dict.fromkeys(one.report for fact in facts for one in parts[fact.id] if one.report)
    numbers = numbers and sentence.topic is not Topic.CAUTION
    found = [_fact(cited(one, content), parts[one.id], numbers) for one in facts]
    rules = [text(concepts.COMMENT, one, _INFERRED) for one in rule(sentence)]
    return _with(text(concepts.IMPRESSION, sentence.text), [*map(_composite, reports), *found, *rules])


def _fact(said: str, parts: Sequence[Cited], numbers: bool) -> TextContentItem:
    """A fact in words, by what it is tracked, inferred from its numbers; of several parts each says which it is of."""
    items = [item for one in parts for item in _tracking(one.tracked)]
    if numbers:
        items += [item for one in parts for item in _numbers(one.tracked, told=len(parts) > 1)]
    return _with(text(concepts.FINDING, said, _INFERRED), items)


def _with(item: TextContentItem, items: Sequence[ContentItem]) -> TextContentItem:
    if items:
        item.ContentSequence = ContentSequence(items)
    return item


def _tracking(tracked: Tracked) -> list[ContentItem]:
    return [
        text(concepts.TRACKING_IDENTIFIER, tracked.identifier, _PROPERTY),
        uid(concepts.TRACKING_UID, tracked.uid, _PROPERTY),
    ]


def _composite(report: WrittenResult) -> ContentItem:
    return CompositeContentItem(
        concept(concepts.MEASUREMENT_REPORT), report.form.sop_class, report.sop_instance_uid, _INFERRED
    )


def _numbers(tracked: Tracked, told: bool) -> Iterator[ContentItem]:
    """The numbers of a finding as its report has them; where it is to be `told`, each with the UID of the finding."""
    for (number,) in deepcopy(tracked.numbers):
        number.RelationshipType = _INFERRED.value
        if told:
            number.ContentSequence = ContentSequence(
                [*getattr(number, "ContentSequence", ()), uid(concepts.TRACKING_UID, tracked.uid, _PROPERTY)]
            )
        yield number


def _referred(found: Sequence[Cited]) -> list[tuple[str, str, str]]:
    """The reports that sentences refer to, each once."""
    reports = dict.fromkeys(one.report for one in found if one.report)
    return [(one.form.sop_class, one.sop_instance_uid, one.series_instance_uid) for one in reports]
