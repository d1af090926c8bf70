"""A message of PS3.15 A.5 as XML (A.5.1), in UTF-8 and without blanks between elements."""

from base64 import b64encode
from ipaddress import ip_address
from xml.etree.ElementTree import Element, SubElement, tostring

from audit.export.codes import Code
from audit.export.message import AuditMessage, Participant, ParticipantObject, ever_shorter

#: MSGID of the messages of PS3.15 A.6 and A.7.
MESSAGE_ID = "DICOM+RFC3881"

_RFC_3881 = "RFC-3881"
_APPLICATION_SERVER = "4"  # A.5.1.2.1


def dicom_xml(message: AuditMessage, most: int | None = None) -> str:
    """The XML of `message`; with less in it where it were longer than `most` bytes (`ever_shorter`)."""
    text = ""
    for one in ever_shorter(message):
        text = tostring(_message(one), encoding="unicode")
        if most is None or len(text.encode()) <= most:
            break
    return text


def _message(message: AuditMessage) -> Element:
    root = Element("AuditMessage")
    _event(root, message)
    for participant in message.participants:
        _participant(root, participant)
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=message.source)
    SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    for each in message.objects:
        _object(root, each)
    return root


def _event(root: Element, message: AuditMessage) -> None:
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=message.did.value,
        EventDateTime=message.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        EventOutcomeIndicator=str(message.outcome.value),
    )
    _coded(event, "EventID", message.event)
    for one in message.types:
        _coded(event, "EventTypeCode", one)
    if message.said:
        SubElement(event, "EventOutcomeDescription").text = message.said


def _coded(parent: Element, name: str, code: Code) -> None:
    scheme = code.scheme or _RFC_3881
    given = {"csd-code": code.value, "codeSystemName": scheme, "displayName": code.meaning}
    SubElement(parent, name, {**given, "originalText": code.meaning})


def _participant(root: Element, one: Participant) -> None:
    given = {"UserID": one.user}
    if one.ae_titles:
        given["AlternativeUserID"] = f"AETITLES={';'.join(one.ae_titles)}"  # A.5.2.2
    given["UserIsRequestor"] = "true" if one.requestor else "false"
    if one.address:
        given["NetworkAccessPointID"] = one.address
        given["NetworkAccessPointTypeCode"] = address_type(one.address)
    element = SubElement(root, "ActiveParticipant", given)
    if one.role:
        _coded(element, "RoleIDCode", one.role)
    if one.media:
        _coded(SubElement(element, "MediaIdentifier"), "MediaType", one.media)


def address_type(address: str) -> str:
    """NetworkAccessPointTypeCode: 2 of an IP address, 1 of a host's name."""
    try:
        ip_address(address)
    except ValueError:
        return "1"
    return "2"


def _object(root: Element, one: ParticipantObject) -> None:
    # Each is a system object (2): persons are participants.
    kind = {"ParticipantObjectTypeCode": "2", "ParticipantObjectTypeCodeRole": str(one.role.value)}
    element = SubElement(root, "ParticipantObjectIdentification", {"ParticipantObjectID": one.id, **kind})
    _coded(element, "ParticipantObjectIDTypeCode", one.id_type)
    if one.query is None:
        SubElement(element, "ParticipantObjectName").text = one.name
    else:
        SubElement(element, "ParticipantObjectQuery").text = _base64(one.query)
    for name, value in one.details:
        SubElement(element, "ParticipantObjectDetail", type=name, value=_base64(value))
    if one.count is not None:
        _instances(SubElement(element, "ParticipantObjectDescription"), one)


def _instances(description: Element, one: ParticipantObject) -> None:
    given = {"UID": one.sop_class} if one.sop_class else {}
    sop_class = SubElement(description, "SOPClass", {**given, "NumberOfInstances": str(one.count)})
    for uid in one.instances:
        SubElement(sop_class, "Instance", UID=uid)


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")
