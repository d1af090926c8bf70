"""What a reader of the spool gets: one entry for each thing that happened between a peer and the listener."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from dicom_node.spool.records import PART, Kind
from domain.json_records import JsonObject, json_object

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Holder(Protocol):
    """What keeps marks: a segment that is being read, or the roster of associations."""

    def advance(self) -> None:
        """Move the durable checkpoint past all leading marks that are done."""
        ...


@dataclass(eq=False, slots=True)
class Mark:
    """One record's place in its segment; `done` once the reader's user has taken it over for good.

    It is `passed` once the durable checkpoint has passed it. `last` leads from an instance's part to the mark of its
    last record, whose `instance` names it by association and sequence.
    """

    holder: Holder
    end: int = 0
    done: bool = False
    passed: bool = False
    last: "Mark | None" = None
    instance: tuple[UUID, int] | None = None


class Marked(Protocol):
    """What was taken over for good, by its records' places: an entry, or what is left of one that waits for that."""

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The places of its records."""
        ...


def settle(marks: Iterable[Mark]) -> None:
    """Declare that all of `marks` are done, and move the checkpoints."""
    holders: dict[int, Holder] = {}
    for mark in marks:
        mark.done = True
        holders[id(mark.holder)] = mark.holder
    for holder in holders.values():
        holder.advance()


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Of one association the entries come in the order in which they happened: ASSOCIATION_OPENED, then INSTANCE,
    MESSAGE and INSTANCE_REFUSED, then ASSOCIATION_CLOSED. After a restart of the reader what was not checkpointed comes
    again, so that an entry may come twice, with the same `association` and `sequence`. `details` by kind:

    ASSOCIATION_OPENED  implementation_class_uid, implementation_version, max_pdu (of the peer), contexts (a list of
        id, abstract_syntax, transfer_syntax or null, result by PS3.8 table 9-18)
    ASSOCIATION_CLOSED  how (a `Close` value), reason (text), stored, refused, bytes, counted (there where an
        ASSOCIATIONS_ENDED stands for it); a close that the reader makes up because the listener died in the middle has
        how = "lost" and no counts
    ASSOCIATIONS_ENDED  how, reason, count (how many of the same caller ended so, having stored nothing, since the last
        such entry; titles and address are empty where several callers are counted together)
    ASSOCIATION_REFUSED  result, source, code (PS3.8 table 9-21; null where the association was accepted with no
        context at all), reason (text), count (how many of the same caller for the same reason, since the last such
        entry; titles and address are empty where several callers are counted together)
    INSTANCE_REFUSED  status (PS3.7 annex C), reason (text), count (how many of the association for the same reason,
        since the last such entry); UIDs are empty where the sender gave none, or several are counted together
    INSTANCE  none
    MESSAGE  none: `decode_message` of its data tells what is asked
    DAMAGED  reason (text); the UIDs name an instance that was acknowledged and whose bytes on disk no longer match
        their checksum, and are empty where not even its header does, or where records are missing altogether
    NODE_STARTED, NODE_STOPPED  pid
    """

    kind: Kind
    listener: int  # index of the listener process
    association: UUID  # of the run, for NODE_STARTED, NODE_STOPPED, ASSOCIATION_REFUSED and ASSOCIATIONS_ENDED
    sequence: int  # of this record within its association, from 0
    received_ns: int  # ns since 1970 UTC, when the last byte had come
    calling: str  # AE titles without padding
    called: str
    address: str  # of the peer, without port
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    context_id: int
    size: int  # bytes of the data set, of all parts together
    marks: tuple[Mark, ...] = field(repr=False)
    read: Callable[[], Iterator[bytes]] = field(repr=False)
    details: JsonObject = field(default_factory=dict)

    @property
    def received(self) -> datetime:
        """When the last byte had come, aware, in UTC."""
        return _EPOCH + timedelta(microseconds=self.received_ns // 1000)

    def chunks(self) -> Iterator[bytes]:
        """The data set as the sender encoded it (no preamble, no file meta), in pieces of at most `PART` bytes.

        Valid until the entry is checkpointed. Raises DamagedRecord where the disk gives other bytes than before.
        """
        return self.read()

    def data(self) -> bytes:
        """The whole data set at once; for instances that are known to be small (see `size`)."""
        pieces = list(self.read())
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def encode_message(details: JsonObject, data: bytes) -> bytes:
    """The payload of a message: what is asked, on a line of JSON, and the data set behind it.

    `details` have operation (a command field, PS3.7 annex E.1), type (Event Type ID, Action Type ID or null), and what
    the service that took it has added.
    """
    return json.dumps(details, separators=(",", ":")).encode() + b"\n" + data


def decode_message(payload: bytes) -> tuple[JsonObject, bytes]:
    """What `encode_message` was given; raises ValueError where it was not that."""
    details, _, data = payload.partition(b"\n")
    return json_object(details), data


def encode_details(details: JsonObject) -> bytes:
    """Compact JSON, the payload of a record that is no instance; at most PART bytes."""
    encoded = json.dumps(details, separators=(",", ":")).encode()
    return encoded if len(encoded) <= PART else b'{"reason":"details are too long to be recorded"}'
