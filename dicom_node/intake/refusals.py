"""Why the listener refused something, in words of a list, which a log may show; how often is in the record."""

from collections.abc import Mapping
from typing import TypeVar

from dicom_node.dimse import Status
from dicom_node.spool import Entry, Kind
from domain.json_records import Json

T = TypeVar("T")

# What PS3.8 table 9-21 calls what an association is rejected for, by result, source and reason.
_REJECTED: Mapping[tuple[Json, ...], str] = {
    (1, 1, 2): "association: application context",
    (1, 1, 3): "association: calling AE title",
    (1, 1, 7): "association: called AE title",
    (1, 2, 2): "association: protocol version",
    (2, 3, 2): "association: limit exceeded",
    (None, None, None): "association: no context",
}
_STATUSES: Mapping[Json, str] = {int(one): one.name.lower().replace("_", " ") for one in Status}


def refusals(entry: Entry) -> Mapping[str, int]:
    """How many of what were refused for which reason; nothing for an entry that tells of no refusal."""
    count = entry.details.get("count")
    why = _why(entry)
    return {why: count if isinstance(count, int) else 1} if why else {}


def _why(entry: Entry) -> str:
    said = entry.details
    if entry.kind is Kind.ASSOCIATION_REFUSED:
        return _word(_REJECTED, tuple(said.get(name) for name in ("result", "source", "code")), "association")
    if entry.kind is Kind.INSTANCE_REFUSED:
        return f"instance: {_word(_STATUSES, said.get('status'), 'of no known status')}"
    return ""


def _word(words: Mapping[T, str], key: T, otherwise: str) -> str:
    """Compared one by one: what stands in a record may be anything, and not all of that can be a key."""
    return next((said for known, said in words.items() if known == key), otherwise)
