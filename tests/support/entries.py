"""Records of the spool as a test chooses them, and what hands them to an indexer in the place of a reader."""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from dicom_node.intake.header import read_header
from dicom_node.spool import PART, Entry, Kind, Marked
from domain.errors import UnusableInput

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


class Given:
    """In the place of the spool: hands the entries out, a batch a poll, and keeps what is checkpointed."""

    identity = "the spool of a test"

    def __init__(self, *batches: Sequence[Entry]) -> None:
        self._batches = list(batches)
        self.checkpointed: list[Marked] = []

    def poll(self, timeout: float) -> list[Entry]:
        return list(self._batches.pop(0)) if self._batches else []

    def checkpoint(self, entries: Iterable[Marked]) -> None:
        self.checkpointed += entries


def entry(number: int, data: bytes = b"", **fields: Any) -> Entry:
    """A record of the spool with texts as a peer may choose them; without them the command names what `data` does."""
    syntax = fields.get("transfer_syntax", EXPLICIT)
    given: dict[str, Any] = {
        "kind": Kind.INSTANCE,
        "association": uuid.UUID(int=1),
        "calling": "SCANNER",
        "called": "NODE",
        "address": "127.0.0.1",
        "sop_class": CT,
        "sop_instance": f"1.2.3.{number}",
        "transfer_syntax": syntax,
        "details": {},
        **_named(data, syntax),
    }
    pieces = [data[start : start + PART] for start in range(0, len(data), PART)]
    return Entry(
        listener=0,
        sequence=number,
        received_ns=0,
        context_id=1,
        size=len(data),
        marks=(),
        read=lambda: iter(pieces),
        **(given | fields),
    )


def _named(data: bytes, syntax: str) -> dict[str, str]:
    with suppress(UnusableInput):
        header = read_header(data, syntax)
        return {"sop_instance": header.sop_uid, **({"sop_class": header.sop_class} if header.sop_class else {})}
    return {}


def cut(data: bytes) -> bytes:
    """Ends within Rows, behind all UIDs."""
    return data[: data.index(b"\x28\x00\x10\x00") + 9]
