"""What one entry of the trail says in the terms of PS3.15 A.5: neither XML nor JSON yet.

FHIR's AuditEvent was made from the same message, so that both are written from here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum

from audit.export.codes import Code


class Did(StrEnum):
    """EventActionCode."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class Outcome(IntEnum):
    """EventOutcomeIndicator: minor is what is tried again or refused, serious what ended."""

    SUCCESS = 0
    MINOR = 4
    SERIOUS = 8


class ObjectType(IntEnum):
    """ParticipantObjectTypeCode, as far as the node has any."""

    SYSTEM = 2


class ObjectRole(IntEnum):
    """ParticipantObjectTypeCodeRole, as far as the node has any."""

    REPORT = 3
    SECURITY_RESOURCE = 13
    JOB = 20


@dataclass(frozen=True)
class Participant:
    """ActiveParticipant: a person, a process of ours, or a peer. `address` is an IP address or a host's name."""

    user: str
    requestor: bool = False
    role: Code | None = None
    ae_titles: tuple[str, ...] = ()
    address: str = ""
    media: Code | None = None


@dataclass(frozen=True)
class ParticipantObject:
    """ParticipantObjectIdentification. It has a name or a query; `details` are of a type and bytes.

    `instances` are SOP Instance UIDs, `count` how many there are, also where none is listed; None where it is of none.
    """

    id: str
    id_type: Code
    role: ObjectRole
    name: str
    query: bytes | None = None
    details: tuple[tuple[str, bytes], ...] = ()
    sop_class: str = ""
    instances: tuple[str, ...] = ()
    count: int | None = None


@dataclass(frozen=True)
class AuditMessage:
    """One message of PS3.15 A.5.3. `number` and `digest` (hex) are the entry's on the trail; `at` is its moment.

    `request` is the id of the request to the node's own API that it is about, where it is about one.
    """

    number: int
    digest: str
    at: datetime
    event: Code
    types: tuple[Code, ...]
    did: Did
    outcome: Outcome
    said: str
    participants: tuple[Participant, ...]
    source: str
    objects: tuple[ParticipantObject, ...]
    request: str = ""


_LONGEST = 200  # letters of a text where nothing else made a message short enough
_MOST = 8  # participants and objects, likewise
_ENTRY = "entry"


def ever_shorter(message: AuditMessage) -> Iterator[AuditMessage]:
    """The message, and then with less in it: without the entry's own text, without lists of instances, cut.

    For receivers that take no more than so many bytes. What is left out stands on the trail, by the entry's number.
    """
    yield message
    lighter = replace(message, objects=tuple(map(_without_entry, message.objects)))
    yield lighter
    counted = replace(lighter, objects=tuple(replace(one, instances=()) for one in lighter.objects))
    yield counted
    yield replace(
        counted,
        said=counted.said[:_LONGEST],
        types=tuple(replace(one, value=one.value[:_LONGEST], meaning=one.meaning[:_LONGEST]) for one in counted.types),
        participants=tuple(map(_cut_participant, counted.participants[:_MOST])),
        objects=tuple(map(_cut_object, counted.objects[:_MOST])),
    )


def _without_entry(one: ParticipantObject) -> ParticipantObject:
    left = tuple(detail for detail in one.details if detail[0] != _ENTRY)
    return one if left == one.details else replace(one, details=(*left, ("left out", b"entry")))


def _cut_participant(one: Participant) -> Participant:
    titles = tuple(title[:_LONGEST] for title in one.ae_titles[:_MOST])
    return replace(one, user=one.user[:_LONGEST], ae_titles=titles, address=one.address[:_LONGEST])


def _cut_object(one: ParticipantObject) -> ParticipantObject:
    details = tuple((name, value[:_LONGEST]) for name, value in one.details[:_MOST])
    query = None if one.query is None else one.query[:_LONGEST]
    return replace(one, id=one.id[:_LONGEST], name=one.name[:_LONGEST], query=query, details=details)
