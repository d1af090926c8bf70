"""Batches for the index without a spool: a good study, odd data sets, and a run over them."""

import struct
from collections.abc import Sequence
from typing import Any

from consumers.steps.index import Indexer
from dicom_node.spool import Entry
from tests.support.bench import Bench
from tests.support.entries import Given, entry
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom

GOOD = Phantom(size=(16, 16), slices=3, study="good")


def good(start: int) -> list[Entry]:
    """The instances of a study that nothing is wrong with."""
    return [entry(start + k, encoded(one), sop_instance=one.SOPInstanceUID) for k, one in enumerate(GOOD.datasets())]


def run(bench: Bench, *batches: Sequence[Entry]) -> Given:
    """Index the batches, one after the other."""
    given = Given(*batches)
    indexer = Indexer(given, bench.as_process("index"), bench.objects, bench.clock)  # type: ignore[arg-type]
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
