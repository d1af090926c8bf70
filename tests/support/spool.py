"""Writing into a log and reading it out, for tests of the log and of what stands at its two ends."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config.settings import Spool
from dicom_node.spool import PART, AssociationWriter, Close, Entry, Kind, Peer, SpoolReader, SpoolWriter

SMALL = Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0)
PEER = Peer("SCANNER", "NODE", "192.0.2.7")
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"


def put(log: AssociationWriter, uid: str, data: bytes) -> None:
    """Write one instance, as the listener does."""
    fill(log, uid, data)
    log.commit()


def fill(log: AssociationWriter, uid: str, data: bytes) -> None:
    """Write one instance up to, and without, the record that makes it valid."""
    log.begin(CT, uid, IMPLICIT, 1)
    for start in range(0, len(data), PART):
        if log.fill == PART:
            log.flush()
        piece = data[start : start + PART]
        log.buffer[: len(piece)] = piece
        log.fill = len(piece)


def send(writer: SpoolWriter, instances: Iterable[tuple[str, bytes]]) -> None:
    """One association that brings `instances` and is released."""
    log = writer.open_association(PEER, {})
    for uid, data in instances:
        put(log, uid, data)
    writer.close_association(log, Close.RELEASED, "")


def entries(reader: SpoolReader, timeout: float = 0.1) -> Iterator[Entry]:
    """All entries until there are none for `timeout` s, which is longer than a new segment may go unnoticed."""
    while batch := reader.poll(timeout):
        yield from batch


def instances(found: Iterable[Entry]) -> dict[str, bytes]:
    """The instances among `found`, by UID."""
    return {entry.sop_instance: entry.data() for entry in found if entry.kind is Kind.INSTANCE}


@contextmanager
def writing(root: Path, settings: Spool = SMALL, index: int = 0) -> Iterator[SpoolWriter]:
    """A log's writer, closed at the end."""
    writer = SpoolWriter(root, index, settings)
    try:
        yield writer
    finally:
        writer.close()
