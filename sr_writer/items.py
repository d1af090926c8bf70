"""Content items that every part of a report is made of."""

from collections.abc import Sequence
from typing import Any

from highdicom.sr import ContainerContentItem, ContentItem, ContentSequence, RelationshipTypeValues, TextContentItem

from sr_writer.wording import COMMENT, plain

CONTAINS = RelationshipTypeValues.CONTAINS


def container(name: Any, items: Sequence[ContentItem]) -> ContainerContentItem:
    """A container named by a code, within another."""
    found = ContainerContentItem(name, relationship_type=CONTAINS)
    found.ContentSequence = ContentSequence(items)
    return found


def comment(text: str) -> TextContentItem:
    """A sentence for the reader."""
    return TextContentItem(COMMENT, plain(text), CONTAINS)
