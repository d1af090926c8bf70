"""Writing into a spool and reading it out, for tests of the spool and of what stands at its two ends."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config.settings import Spool
from dicom_node.spool import PART, AssociationWriter, Close, Entry, Kind, Peer, SpoolReader, SpoolWriter

SMALL = Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0)
PEER = Peer("SCANNER", "NODE", "192.0.2.7")
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"


def put(association: AssociationWriter, uid: str, data: bytes) -> None:
    """Write one instance, as the listener does."""
    fill(association, uid, data)
    association.commit()


def fill(association: AssociationWriter, uid: str, data: bytes) -> None:
    """Write one instance up to, and without, the record that makes it valid."""
    association.begin(CT, uid, IMPLICIT, 1)
    for start in range(0, len(data), PART):
        if association.fill == PART:
            association.flush()
        piece = data[start : start + PART]
        association.buffer[: len(piece)] = piece
        association.fill = len(piece)


def send(writer: SpoolWriter, instances: Iterable[tuple[str, bytes]]) -> None:
    """One association that brings `instances` and is released."""
    association = writer.open_association(PEER, {})
    for uid, data in instances:
        put(association, uid, data)
    writer.close_association(association, Close.RELEASED, "")


def entries(reader: SpoolReader, timeout: float = 0.1) -> Iterator[Entry]:
    """All entries until there are none for `timeout` s, which is longer than a new segment may go unnoticed."""
    while batch := reader.poll(timeout):
        yield from batch


def instances(found: Iterable[Entry]) -> dict[str, bytes]:
    """The instances among `found`, by UID."""
    return {entry.sop_instance: entry.data() for entry in found if entry.kind is Kind.INSTANCE}


@contextmanager
def writing(root: Path, settings: Spool = SMALL, index: int = 0) -> Iterator[SpoolWriter]:
    """A spool's writer, closed at the end."""
    writer = SpoolWriter(root, index, settings)
    try:
        yield writer
    finally:
        writer.close()
