"""The bytes of a record: a fixed header, then its payload, padded to a multiple of 4 KiB.

Header and payload have a CRC-32C each, so that a header which is whole tells how long a damaged payload was and whose.
Besides the segment's epoch a header carries the random salt of that use of the segment: bytes of a data set left over
from an earlier use can never pass for a record, not even those that a hostile sender made up.

VERSION 2 tells how an association's records follow each other (`attempt`, `after`). A record of version 1 is still
read: each of its writes had a sequence of its own, so that this counts the attempts, and each follows the one before.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from uuid import UUID

from crc32c import crc32c

# PART is the longest payload of one record. A larger instance is written in parts of this size, so that an association
# needs a buffer of this size and no more, and each write is one durable write.
from config.settings import PAGE, PART

__all__ = ["HEADER", "PAGE", "PART", "VERSION", "WITH_DATA", "Close", "Kind", "Record", "pack", "padded", "unpack"]

HEADER = 512
VERSION = 2

_MAGIC = b"DNRECORD"
_FIELDS = struct.Struct("<8sHHI Q16s 16sQ QQQII IQQ 16s16s46s64s64s64s")
_UNUSED = 0  # version 1 had the number of a segment here
_CRC = struct.Struct("<I")
_CRC_AT = HEADER - _CRC.size


class Kind(IntEnum):
    """What a record says. The numbers are on disk: never reuse one."""

    ASSOCIATION_OPENED = 1
    INSTANCE = 2  # the whole data set, or its last part
    PART = 3  # a part of what an INSTANCE or a MESSAGE completes
    ASSOCIATION_CLOSED = 4
    ASSOCIATION_REFUSED = 5
    INSTANCE_REFUSED = 6
    NODE_STARTED = 7
    NODE_STOPPED = 8
    SEGMENT_ENDED = 9  # the writer will add nothing to this use of the segment
    ASSOCIATIONS_ENDED = 10  # how many ended badly that have no entry of their own
    MESSAGE = 11  # a request of another service than storage: what it asks, then its data set, or their last part
    DAMAGED = 255  # never on disk: the reader's word for a record that no longer matches its checksum


class Close(StrEnum):
    """How an association ended."""

    RELEASED = "released"
    ABORTED_BY_PEER = "aborted-by-peer"
    ABORTED_BY_US = "aborted-by-us"
    IDLE = "idle"
    LOST = "lost"  # the connection broke, or the listener died


_KINDS = frozenset(Kind)
WITH_DATA = frozenset((Kind.INSTANCE, Kind.MESSAGE))  # what has a data set, the last of its parts


@dataclass(frozen=True, slots=True)
class Record:
    """A record's header.

    A write that failed may have left its bytes all the same, and is tried again in another segment. So a record has two
    numbers within its association: `sequence`, which a repeated write keeps, from 0; and `attempt`, which counts the
    writes, from 1. `after` is the last attempt before it that is known to be on disk, 0 where there is none.
    """

    kind: Kind
    epoch: int
    salt: bytes
    association: UUID
    sequence: int
    received_ns: int
    length: int = 0  # bytes of payload in this record
    total: int = 0  # bytes of the data set up to and with this record
    part: int = 0  # index of this part of the data set
    context_id: int = 0
    attempt: int = 1
    after: int = 0
    calling: str = ""
    called: str = ""
    address: str = ""
    sop_class: str = ""
    sop_instance: str = ""
    transfer_syntax: str = ""
    payload_crc: int = 0
    version: int = VERSION


def padded(length: int) -> int:
    """Bytes that a record with `length` bytes of payload takes in a segment."""
    return -(-(HEADER + length) // PAGE) * PAGE


def pack(record: Record, payload_crc: int) -> bytes:
    """The HEADER bytes of `record`."""
    texts = (
        record.calling,
        record.called,
        record.address,
        record.sop_class,
        record.sop_instance,
        record.transfer_syntax,
    )
    fields = _FIELDS.pack(
        _MAGIC,
        VERSION,
        record.kind,
        record.context_id,
        record.epoch,
        record.salt,
        record.association.bytes,
        record.sequence,
        record.received_ns,
        record.length,
        record.total,
        record.part,
        payload_crc,
        _UNUSED,
        record.attempt,
        record.after,
        *(text.encode("utf-8", "replace") for text in texts),
    ).ljust(_CRC_AT, b"\0")
    return fields + _CRC.pack(crc32c(fields))


def unpack(header: bytes, epoch: int, salt: bytes) -> Record | None:
    """The record whose HEADER bytes these are, or None where they are no header of this use of the segment."""
    if len(header) < HEADER or not header.startswith(_MAGIC):
        return None
    if _CRC.unpack_from(header, _CRC_AT)[0] != crc32c(header[:_CRC_AT]):
        return None
    _, version, kind, context_id, its_epoch, its_salt, *numbers = _FIELDS.unpack_from(header)
    if version not in (1, VERSION) or its_epoch != epoch or its_salt != salt or kind not in _KINDS:
        return None
    association, sequence, received_ns, length, total, part, payload_crc, *rest = numbers
    _, attempt, after, *texts = rest
    if version == 1:
        attempt, after = sequence + 1, sequence
    calling, called, address, sop_class, sop_instance, transfer_syntax = (
        text.rstrip(b"\0").decode("utf-8", "replace") for text in texts
    )
    return Record(
        kind=Kind(kind),
        epoch=epoch,
        salt=salt,
        association=UUID(bytes=association),
        sequence=sequence,
        received_ns=received_ns,
        length=length,
        total=total,
        part=part,
        context_id=context_id,
        attempt=attempt,
        after=after,
        calling=calling,
        called=called,
        address=address,
        sop_class=sop_class,
        sop_instance=sop_instance,
        transfer_syntax=transfer_syntax,
        payload_crc=payload_crc,
        version=version,
    )
