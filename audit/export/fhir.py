"""A message of PS3.15 A.5 as a resource AuditEvent of FHIR R4, which was made from that message.

The id of a resource is the hash of its entry: whoever sends one again sends the same resource.
"""

from base64 import b64encode
from collections.abc import Iterator

from audit.export.balp import as_read, is_read
from audit.export.codes import DCM_URI, OWN_UID, Code
from audit.export.dicom import address_type
from audit.export.message import AuditMessage, Participant, ParticipantObject
from domain.json_records import Json, JsonObject

_THO = "http://terminology.hl7.org/CodeSystem/"
_ENTITY_TYPE = {"system": _THO + "audit-entity-type", "code": "2", "display": "System Object"}
_SOURCE_TYPE = {"system": _THO + "security-source-type", "code": "4", "display": "Application Server"}
_ROLES = {3: "Report", 13: "Security Resource", 20: "Job"}
_DICOM_UID = "urn:dicom:uid"
_URI = "urn:ietf:rfc:3986"
#: Tag of a resource by its entry, for servers that give ids themselves.
ENTRY_TAG = f"urn:oid:{OWN_UID}.1"
#: FHIR has each text be something, and no longer than 1 MiB.
_NONE = "-"


def resource_id(message: AuditMessage) -> str:
    """64 letters, which FHIR allows an id to have at the most."""
    return message.digest


def audit_event(message: AuditMessage) -> JsonObject:
    """The resource, as JSON has it: of IHE's profile Read (BALP) where it is about what that is for."""
    resource = _audit_event(message)
    return as_read(resource, message) if is_read(message) else resource


def _audit_event(message: AuditMessage) -> dict[str, Json]:
    return {
        "resourceType": "AuditEvent",
        "id": resource_id(message),
        "meta": {"tag": [{"system": ENTRY_TAG, "code": resource_id(message)}]},
        "type": _coding(message.event),
        "subtype": [_coding(one) for one in message.types],
        "action": message.did.value,
        "recorded": message.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "outcome": str(message.outcome.value),
        **({"outcomeDesc": message.said} if message.said else {}),
        "agent": [_agent(one) for one in message.participants],
        "source": {"observer": {"display": message.source or _NONE}, "type": [_SOURCE_TYPE]},
        "entity": [_entity(one) for one in message.objects],
    }


def _coding(code: Code) -> JsonObject:
    system = DCM_URI if code.scheme == "DCM" else f"urn:oid:{OWN_UID}"
    return {"system": system, "code": " ".join(code.value.split()) or _NONE, "display": code.meaning or _NONE}


def _agent(one: Participant) -> JsonObject:
    agent: dict[str, Json] = {}
    if one.role:
        agent["type"] = {"coding": [_coding(one.role)]}
    agent["who"] = {"identifier": {"value": one.user or _NONE}}
    if one.ae_titles:
        agent["altId"] = f"AETITLES={';'.join(one.ae_titles)}"
    agent["name"] = one.user or _NONE
    agent["requestor"] = one.requestor
    if one.media:
        agent["media"] = _coding(one.media)
    if one.address:
        agent["network"] = {"address": one.address, "type": address_type(one.address)}
    return agent


def _entity(one: ParticipantObject) -> JsonObject:
    role = {"system": _THO + "object-role", "code": str(one.role.value), "display": _ROLES[one.role.value]}
    entity: dict[str, Json] = {"what": {"identifier": _identifier(one)}, "type": _ENTITY_TYPE, "role": role}
    if one.query is None:
        entity["name"] = one.name or _NONE
    else:
        entity["query"] = _base64(one.query)
    if details := list(_details(one)):
        entity["detail"] = details
    return entity


def _identifier(one: ParticipantObject) -> JsonObject:
    if one.id_type.scheme == "DCM":
        return {"system": _DICOM_UID, "value": f"urn:oid:{one.id}"}
    system = f"urn:oid:{OWN_UID}" if one.id_type.scheme else _URI
    return {"system": system, "value": one.id or _NONE}


def _details(one: ParticipantObject) -> Iterator[JsonObject]:
    yield from ({"type": name, "valueBase64Binary": _base64(value)} for name, value in one.details if value)
    if one.count is not None:
        yield {"type": "instances", "valueString": str(one.count)}
    for uid in one.instances:
        yield {"type": "instance", "valueString": f"urn:oid:{uid}"}


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")
