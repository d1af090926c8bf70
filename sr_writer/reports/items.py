"""Content items that every part of a report is made of, their names rows of `concepts`."""

from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
    UIDRefContentItem,
)

from domain.findings import Code
from sr_writer.codes import concepts
from sr_writer.codes.wording import concept, plain

CONTAINS = RelationshipTypeValues.CONTAINS


def container(name: Code, items: Sequence[ContentItem]) -> ContainerContentItem:
    """A container named by a code, within another."""
    found = ContainerContentItem(concept(name), relationship_type=CONTAINS)
    found.ContentSequence = ContentSequence(items)
    return found


def root(name: Code, items: Sequence[ContentItem], template: str | None = None) -> ContainerContentItem:
    """The container that is a whole document, made by the template of this number of PS3.16."""
    found = ContainerContentItem(concept(name), template_id=template)
    found.ContentSequence = ContentSequence(items)
    return found


def text(name: Code, said: str, relationship: RelationshipTypeValues = CONTAINS) -> TextContentItem:
    """A sentence under a name."""
    return TextContentItem(concept(name), plain(said), relationship)


def comment(said: str) -> TextContentItem:
    """A sentence for the reader."""
    return text(concepts.COMMENT, said)


def coded(name: Code, value: Code, relationship: RelationshipTypeValues) -> CodeContentItem:
    """A coded value under a name."""
    return CodeContentItem(concept(name), concept(value), relationship)


def number(name: Code, value: float, unit: Code, relationship: RelationshipTypeValues) -> NumContentItem:
    """A number with its unit, in six digits."""
    item = NumContentItem(concept(name), float(value), concept(unit), relationship_type=relationship)
    item.MeasuredValueSequence[0].NumericValue = f"{value:.6g}"
    return item


def uid(name: Code, value: str, relationship: RelationshipTypeValues) -> UIDRefContentItem:
    """A UID under a name."""
    return UIDRefContentItem(concept(name), value, relationship)
