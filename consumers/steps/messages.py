"""Requests of other services than storage, as the spool brings them: each to the handler of its SOP class.

The table of handlers, a module each. A handler changes rows and the trail in the transaction of the batch; it is called
once for a record, however often that comes. What it cannot take goes into quarantine, as an instance does, and the next
one goes on.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from audit.trail import Transaction
from consumers.steps import availability, commitment, procedure_steps
from dicom_node import outside
from dicom_node.commitment import PUSH_MODEL
from dicom_node.intake.faults import Fault
from dicom_node.intake.filing import Unreadable
from dicom_node.intake.header import Uids
from dicom_node.part10 import head
from dicom_node.procedures import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from dicom_node.spool import Entry, decode_message
from domain.errors import Permanent
from domain.json_records import JsonObject

_UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Message:
    """A request that the listener has taken; `entry` says who sent it, when, and what it is about.

    `type` is its Event Type ID or Action Type ID, None where it has none; `details` what its service added, every text
    in them made safe; `object_key` where its data set lies in the object store, "" where its handler keeps none;
    `spool` is the identity of the one that it came by. `descriptions` says whether what people wrote is kept.
    """

    entry: Entry
    spool: str
    operation: int
    type: int | None
    details: JsonObject = field(default_factory=dict)
    object_key: str = ""
    descriptions: bool = True

    @property
    def data(self) -> bytes:
        """The data set as it was sent; raises DamagedRecord where the disk gives other bytes than before."""
        return decode_message(self.entry.data())[1]


@dataclass(frozen=True)
class Handler:
    """What is done with the requests of one SOP class.

    `take` gets each in the transaction of its batch, before that locks studies, so that it locks none; it raises
    Permanent where it cannot. `folder` is where their data sets go in the object store, before that, as Part 10 files
    named by their digest; "" where they are not kept.
    """

    take: Callable[[Transaction, Message, datetime], None]
    folder: str = ""


HANDLERS: Mapping[str, Handler] = {
    PUSH_MODEL: Handler(commitment.take),
    MODALITY_PERFORMED_PROCEDURE_STEP: Handler(procedure_steps.take, folder="requests"),
    INSTANCE_AVAILABILITY_NOTIFICATION: Handler(availability.take),
}


def read(entry: Entry, spool: str) -> Message:
    """The message in an entry of the spool; raises DamagedRecord, and Permanent where it is none."""
    try:
        asked, data = decode_message(entry.data())
        operation, kind = asked["operation"], asked["type"]
    except (ValueError, KeyError) as error:
        raise Permanent("the record holds no message") from error
    if not isinstance(operation, int) or not (kind is None or isinstance(kind, int)):
        raise Permanent("the record holds no message")
    handler = HANDLERS.get(entry.sop_class)
    key = _key(handler.folder, _digest(entry, data)) if handler is not None and handler.folder else ""
    details = {name: value for name, value in asked.items() if name not in ("operation", "type")}
    return Message(entry, spool, operation, kind, outside.details(details), key)


def take(transaction: Transaction, message: Message, now: datetime) -> None:
    """Have it handled; raises Permanent where nobody does."""
    handler = HANDLERS.get(message.entry.sop_class)
    if handler is None:
        raise Permanent(f"nobody handles requests of SOP class {message.entry.sop_class}")
    handler.take(transaction, message, now)


def file_of(message: Message) -> Iterator[bytes]:
    """Its data set as a Part 10 file, piece by piece."""
    one = message.entry
    return iter((head(one.sop_class, one.sop_instance, one.transfer_syntax), message.data))


def unreadable(entry: Entry, reason: str) -> Unreadable:
    """In the place of a message that nobody takes, kept for inspection."""
    data = decode_message(entry.data())[1] if entry.size else b""
    digest = _digest(entry, data)

    def pieces() -> Iterator[bytes]:
        return iter((head(entry.sop_class, entry.sop_instance, entry.transfer_syntax), data))

    return Unreadable(entry, digest, _key(_UNREADABLE, digest), reason, Fault.DEFECT, Uids(), pieces)


def _digest(entry: Entry, data: bytes) -> str:
    return hashlib.sha256(head(entry.sop_class, entry.sop_instance, entry.transfer_syntax) + data).hexdigest()


def _key(folder: str, digest: str) -> str:
    return f"{folder}/{digest[:2]}/{digest}.dcm"
