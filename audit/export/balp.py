"""IHE's Basic Audit Log Patterns (BALP 1.1.3), as far as they are about what the node does.

They are for operations of REST. One is the node's: a person reads by its API what was found in a study, which is the
profile Read. Those that name a patient need one, and the trail knows none. All other entries are AuditEvents of FHIR
without a profile.
"""

from audit.export.codes import ACCESSED, DCM_URI
from audit.export.dicom import address_type
from audit.export.message import AuditMessage, Did, ObjectRole, Outcome, Participant, ParticipantObject
from domain.json_records import Json, JsonObject

READ = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Read"

_THO = "http://terminology.hl7.org/CodeSystem/"
_REST: JsonObject = {"system": f"{_THO}audit-event-type", "code": "rest", "display": "Restful Operation"}
_READS: JsonObject = {"system": "http://hl7.org/fhir/restful-interaction", "code": "read", "display": "read"}
_CLIENT: JsonObject = {"system": DCM_URI, "code": "110152", "display": "Destination Role ID"}
_SERVER: JsonObject = {"system": DCM_URI, "code": "110153", "display": "Source Role ID"}
_USER: JsonObject = {"system": f"{_THO}v3-ParticipationType", "code": "IRCP", "display": "information recipient"}
_OTHER: JsonObject = {"system": f"{_THO}audit-entity-type", "code": "4", "display": "Other"}
_REQUEST: JsonObject = {
    "system": "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType",
    "code": "XrequestId",
}


def is_read(message: AuditMessage) -> bool:
    """Whether a person read something of a study by the API, from an address that is known."""
    asked = message.request and message.did is Did.READ and message.event == ACCESSED
    person = any(one.requestor and one.address and one.role is None for one in message.participants)
    studies = sum(map(_is_study, message.objects))
    return bool(asked and person and studies == 1 and message.outcome is Outcome.SUCCESS)


def as_read(resource: dict[str, Json], message: AuditMessage) -> JsonObject:
    """The resource of such a message as the profile has it: client, server and user, the study and the request."""
    subtypes, entities, meta = resource["subtype"], resource["entity"], resource["meta"]
    assert isinstance(subtypes, list)
    assert isinstance(entities, list)
    assert isinstance(meta, dict)
    accessed: JsonObject = {"system": DCM_URI, "code": ACCESSED.value, "display": ACCESSED.meaning}
    # Exactly one entity is of the type that the profile's data is of.
    kept = [
        one if _is_study(each) else {**one, "type": _OTHER} for one, each in zip(entities, message.objects, strict=True)
    ]
    request: JsonObject = {"what": {"identifier": {"value": message.request}}, "type": _REQUEST}
    return {
        **resource,
        "meta": {**meta, "profile": [READ]},
        "type": _REST,
        "subtype": [_READS, accessed, *subtypes],
        "agent": _agents(message.participants),
        "entity": [*kept, request],
    }


def _agents(participants: tuple[Participant, ...]) -> list[JsonObject]:
    user = next(one for one in participants if one.requestor)
    ours = next(one for one in participants if not one.requestor)
    return [
        _agent(_CLIENT, user.address, user.address),
        _agent(_SERVER, ours.user, ours.address or ours.user),
        {"type": _coded(_USER), "who": {"identifier": {"value": user.user}}, "name": user.user, "requestor": True},
    ]


def _agent(kind: JsonObject, who: str, address: str) -> JsonObject:
    network: JsonObject = {"address": address, "type": address_type(address)}
    return {"type": _coded(kind), "who": {"identifier": {"value": who}}, "requestor": False, "network": network}


def _coded(coding: JsonObject) -> JsonObject:
    return {"coding": [coding]}


def _is_study(one: ParticipantObject) -> bool:
    return one.role is ObjectRole.REPORT
