"""What a service is besides storage and verification: one whose requests have a meaning of their own.

It says which operations it takes and judges each request, which is held in memory whole; the dialogue writes what is
taken into the spool before it answers success, and `index` brings it into the database (`consumers.steps.messages`). So
an answer rests on what the listener can know: it has no database. Which there are: `dicom_node.listener.provided`.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from dicom_node.dimse import Command, Operation, Status
from dicom_node.elements import EXPLICIT, IMPLICIT
from dicom_node.offers import Offers
from dicom_node.outside import LONGEST_UID, is_uid
from dicom_node.spool import Peer
from domain.json_records import JsonObject
from domain.statuses import SUCCESS, is_taken

# A request of a hundred thousand references is 15 MB. What is longer is read to its end and refused.
LONGEST = 16 << 20
# What the requests of all associations may hold together: many that come slowly shall not take the machine's memory.
_ROOM = 8 * LONGEST


def _nothing() -> None:
    """No more is to be done."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole. `type` is its Event Type ID or Action Type ID, None where it has none."""

    operation: Operation
    type: int | None
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: bytes
    peer: Peer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets. It is recorded where `status` is success or a warning.

    `details` go with the record, `data` is the response's data set in the request's transfer syntax, `sop_instance` the
    instance that was made where the request named none, `error_id` the failure in the service's own words (PS3.7 annex
    C). `recorded` is called when the record is durable, before the answer is sent: what the service remembers of it.
    `held` is entered by who records, and left when that is done or has failed.
    """

    status: int = SUCCESS
    comment: str = ""
    data: bytes = b""
    sop_instance: str = ""
    error_id: int | None = None
    details: JsonObject = field(default_factory=dict)
    recorded: Callable[[], None] = _nothing
    held: AbstractContextManager[object] = field(default_factory=nullcontext)

    @property
    def is_taken(self) -> bool:
        """Whether it was done, so that it is to be recorded."""
        return is_taken(self.status)


@dataclass(frozen=True)
class Service:
    """A service of one SOP class, which is the abstract syntax of its presentation context.

    `judge` decides by the request alone, or by files of its own; it is called from many threads. `longest` bounds its
    data sets in bytes. `reports` says that a peer may be its provider too, and report to us (PS3.7 annex D.3.3.4);
    `offers` are reports of ours that a peer may be told on its own associations.
    """

    sop_class: str
    operations: frozenset[Operation]
    judge: Callable[[Request], Answer]
    longest: int = LONGEST
    reports: bool = False
    offers: Offers | None = None


# Data sets of services are small and never compressed (PS3.5 section 10.1).
TRANSFER_SYNTAXES = frozenset((IMPLICIT, EXPLICIT))


def refusal(service: Service, command: Command) -> Answer | None:
    """Why a request is none of the service's, whatever its data set says (PS3.7 section 10.1 and annex C.5)."""
    if command.field not in service.operations:
        return Answer(Status.UNRECOGNIZED_OPERATION, f"operation {command.field:#06x} is not offered")
    if command.sop_class != service.sop_class:
        return Answer(Status.NO_SUCH_CLASS, "SOP class is not that of the presentation context")
    if command.sop_instance and not is_uid(command.sop_instance):
        what = f"longer than {LONGEST_UID}" if len(command.sop_instance) > LONGEST_UID else "no UID"
        return Answer(Status.INVALID_INSTANCE, f"SOP Instance UID is {what}")
    return None


class Room:
    """The memory that requests under way share."""

    def __init__(self, most: int = _ROOM) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes more, which are then taken."""
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
        return fits

    def give_back(self, size: int) -> None:
        """So many bytes are free again."""
        with self._lock:
            self._left += size
