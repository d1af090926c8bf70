"""An entry of the trail as a message of PS3.15 A.5.

The trail knows no patient, so that no message names one: where a table of A.5.3 wants a patient beside the study, there
is none (docs/audit.md).
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from audit.actions import AuditEvent
from audit.chain import Row
from audit.export import codes
from audit.export.kinds import Kind, kind
from audit.export.message import AuditMessage, ObjectRole, Outcome, Participant, ParticipantObject
from audit.trail import Actor, Entry, entry_of
from domain.visible import visible

#: What A.5.3.2 has the log of audit messages called.
LOG_NAME = "Security Audit Log"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
_STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
#: Details in which an entry names whom the node sent to or asked.
_ASKED = ("destination", "source", "provider", "witness", "receiver")
_LISTS = ("instances", "objects", "set_aside")
_UID_LETTERS = frozenset("0123456789.")
_LONGEST_UID = 64


def audit_message(row: Row, study_uids: Mapping[str, str], site: str = "") -> AuditMessage:
    """What `row` says. `study_uids` has the Study Instance UID of internal ids, as far as they are known.

    What the row's text is does not matter: what is no entry goes out as that (`audit.trail.NO_ENTRY`).
    """
    entry = entry_of(row.number, row.entry)
    how = kind(entry.action)
    return AuditMessage(
        number=row.number,
        digest=row.hash.hex(),
        at=_moment(entry.at),
        event=codes.EVENTS[how.event.value],
        types=(*how.types, codes.own(visible(entry.action))),
        did=how.did,
        outcome=how.outcome,
        said="" if how.outcome is Outcome.SUCCESS else _reason(entry),
        participants=tuple(_participants(entry, how)),
        source=site or _host(entry.by) or "dicom-node",
        objects=tuple(_objects(row, entry, how, study_uids)),
        request=visible(_text(entry.details, "request")),
    )


def _reason(entry: Entry) -> str:
    return visible(_text(entry.details, "reason") or _text(entry.details, "error"))


def _moment(at: str) -> datetime:
    try:
        return datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        return _EPOCH


def _text(details: Mapping[str, object], name: str) -> str:
    value = details.get(name)
    return value if isinstance(value, str) else ""


def _host(by: Actor) -> str:
    return visible(by.host) if isinstance(by.host, str) else ""


def _participants(entry: Entry, how: Kind) -> Iterator[Participant]:
    """The person where one acted, our process, and the peer that sent to it, was sent to, or was asked."""
    user = visible(_text(entry.details, "user"))
    address = visible(_text(entry.details, "address"))
    caller = visible(_text(entry.details, "caller"))
    if user:
        yield Participant(user, requestor=True, address="" if caller else address)
    if caller or (address and not user):
        titles = (caller,) if caller else ()
        yield Participant(caller or address, not user, codes.SOURCE, titles, address)
    yield _ourselves(entry, how, others=bool(user or caller or address))
    for name in _ASKED:
        if other := visible(_text(entry.details, name)):
            yield _other(other, how)


def _ourselves(entry: Entry, how: Kind, *, others: bool) -> Participant:
    called = visible(_text(entry.details, "called"))
    host = _host(entry.by)
    role = visible(entry.by.role) if isinstance(entry.by.role, str) else ""
    return Participant(
        f"{role or 'unknown'}@{host or 'unknown'}",
        requestor=not others and how.event is not AuditEvent.ACTIVITY,
        role=_our_role(entry, how),
        ae_titles=(called,) if called else (),
        address=host,
    )


def _our_role(entry: Entry, how: Kind) -> codes.Code:
    """By the tables of A.5.3: what begins and ends is an application; who is sent to or imports is a destination."""
    if how.event is AuditEvent.ACTIVITY:
        return codes.APPLICATION
    if how.event in (AuditEvent.BEGIN_TRANSFERRING, AuditEvent.EXPORT):
        return codes.SOURCE
    if how.event in (AuditEvent.TRANSFERRED, AuditEvent.QUERY):
        return codes.DESTINATION if "caller" in entry.details else codes.SOURCE
    return codes.DESTINATION if how.event is AuditEvent.IMPORT else codes.APPLICATION


def _other(name: str, how: Kind) -> Participant:
    """Whom we sent to or asked; beyond the site's own domain that is a medium, reached by its address (CID 405)."""
    if how.event is AuditEvent.EXPORT:
        return Participant(name, role=codes.DESTINATION_MEDIA, media=codes.BY_URI)
    if how.event is AuditEvent.IMPORT:
        return Participant(name, role=codes.SOURCE_MEDIA, media=codes.BY_URI)
    return Participant(name, role=codes.DESTINATION)


def _objects(row: Row, entry: Entry, how: Kind, study_uids: Mapping[str, str]) -> Iterator[ParticipantObject]:
    if how.event is AuditEvent.QUERY:
        asked = _MODALITY_WORKLIST if "items" in entry.details else _STUDY_ROOT_FIND
        said = json.dumps(entry.details, ensure_ascii=True, sort_keys=True, default=str).encode()
        yield ParticipantObject(asked, codes.SOP_CLASS_UID, ObjectRole.REPORT, "", query=said)
    if study := _study(entry, study_uids):
        yield study
    yield _entry_object(row, how)


def _study(entry: Entry, study_uids: Mapping[str, str]) -> ParticipantObject | None:
    uid = _text(entry.details, "study_uid") or study_uids.get(entry.study or "", "")
    instances, count = _instances(entry.details)
    known: tuple[tuple[str, bytes], ...] = (("study", entry.study.encode("utf-8", "replace")),) if entry.study else ()
    if _is_uid(uid):
        kind_of_id, shown = codes.STUDY_INSTANCE_UID, uid
    elif entry.study:
        kind_of_id, shown = codes.own("study"), visible(entry.study)
    else:
        return None
    return ParticipantObject(
        shown, kind_of_id, ObjectRole.REPORT, "study", details=known, instances=instances, count=count
    )


def _entry_object(row: Row, how: Kind) -> ParticipantObject:
    """The entry itself, named by its hash (RFC 6920), so that whoever has it can find it on the trail and prove it."""
    named = "ni:///sha-256;" + urlsafe_b64encode(row.hash).rstrip(b"=").decode("ascii")
    return ParticipantObject(
        named,
        codes.URI,
        ObjectRole.SECURITY_RESOURCE,
        LOG_NAME if how.event is AuditEvent.LOG_USED else "entry of the trail",
        details=(
            ("number", str(row.number).encode()),
            ("hash", row.hash.hex().encode()),
            ("entry", row.entry.encode("utf-8", "replace")),
        ),
    )


def _instances(details: Mapping[str, object]) -> tuple[tuple[str, ...], int | None]:
    """SOP Instance UIDs of an entry that lists some: each with its digest or status, or with its kind before it."""
    for name in _LISTS:
        listed = details.get(name)
        if isinstance(listed, list):
            return tuple(filter(None, map(_uid_of, listed))), len(listed)
    return (), None


def _uid_of(item: object) -> str:
    parts = item if isinstance(item, list) else [item]
    return next((part for part in parts[:2] if isinstance(part, str) and _is_uid(part)), "")


def _is_uid(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_UID and _UID_LETTERS.issuperset(text) and "." in text
