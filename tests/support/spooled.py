"""Records of the spool without one, for tests of the index: texts as a peer may choose them, and odd data sets."""

import struct
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from consumers.steps.index import Indexer
from dicom_node.spool import PART, Entry, Kind
from tests.support.bench import Bench
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
GOOD = Phantom(size=(16, 16), slices=3, study="good")


class Given:
    """In the place of the spool: hands the entries out, a batch a poll, and keeps what is checkpointed."""

    def __init__(self, *batches: Sequence[Entry]) -> None:
        self._batches = list(batches)
        self.checkpointed: list[Entry] = []

    def poll(self, timeout: float) -> list[Entry]:
        return list(self._batches.pop(0)) if self._batches else []

    def checkpoint(self, entries: Iterable[Entry]) -> None:
        self.checkpointed += entries


def entry(number: int, data: bytes = b"", **fields: Any) -> Entry:
    """A record of the spool with texts as a peer may choose them."""
    given: dict[str, Any] = {
        "kind": Kind.INSTANCE,
        "association": uuid.UUID(int=1),
        "calling": "SCANNER",
        "called": "NODE",
        "address": "127.0.0.1",
        "sop_class": CT,
        "sop_instance": f"1.2.3.{number}",
        "transfer_syntax": EXPLICIT,
        "details": {},
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


def good(start: int) -> list[Entry]:
    """The instances of a study that nothing is wrong with."""
    return [entry(start + k, encoded(one), sop_instance=one.SOPInstanceUID) for k, one in enumerate(GOOD.datasets())]


def run(bench: Bench, *batches: Sequence[Entry]) -> Given:
    """Index the batches, one after the other."""
    given = Given(*batches)
    indexer = Indexer(given, bench.ledger, bench.objects, bench.clock)  # type: ignore[arg-type]
    while indexer.step(0.0):
        pass
    indexer.close()
    return given


def with_value(number: int, tag: int, vr: bytes, value: bytes, **phantom: Any) -> bytes:
    """A slice with the value of an element replaced, or added."""
    dataset = Phantom(size=(16, 16), slices=3, study=f"odd {number}", **phantom).datasets()[0]
    dataset.pop(tag, None)
    data = encoded(dataset)
    at = 0
    while struct.unpack_from("<HH", data, at) < (tag >> 16, tag & 0xFFFF):
        at += 8 + struct.unpack_from("<H", data, at + 6)[0]
    return (
        data[:at] + struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value) + len(value) % 2)
        + value + b" " * (len(value) % 2) + data[at:]
    )  # fmt: skip
