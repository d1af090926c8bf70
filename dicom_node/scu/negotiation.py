"""What an association is asked for with, and what a peer agrees to (PS3.8 9.3.2 to 9.3.4), by pynetdicom's codec."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import build_context

from config.peers import Peer
from dicom_node.outside import words
from dicom_node.pdu import HEAD, PduType
from dicom_node.scu.securing import identity
from domain.errors import Retryable
from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

# (abstract syntax, transfer syntax): one presentation context each, so that what is accepted is known exactly.
Context = tuple[str, str]

OUR_MAX_PDU = 16_384  # bytes: answers are a hundred

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_UNKNOWN_CALLER = (1, 3)  # source and reason of a rejection: PS3.8 table 9-21
_ASSOCIATE_HEAD = 68  # bytes of an A-ASSOCIATE-AC before its items (PS3.8 table 9-17)
# What pynetdicom's codec raises for an answer that is none, and warns of where a warning is an error.
_MALFORMED = (UserWarning, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, struct.error)
_REFUSALS = {  # PS3.8 table 9-18
    1: "the destination refused it without a reason",
    2: "the destination refused it without a reason",
    3: "the destination does not support its SOP class",
    4: "the destination does not support its transfer syntax",
}


@dataclass(frozen=True)
class Negotiated:
    """What the peer agreed to. `accepted` holds a context id each, `refused` a reason each."""

    accepted: Mapping[Context, int]
    refused: Mapping[Context, str]
    max_pdu: int
    implementation: str


def request(peer: Peer, calling: str, contexts: Sequence[Context], provides: Sequence[str]) -> bytes:
    """The A-ASSOCIATE-RQ; raises Retryable where a file that says who we are cannot be used."""
    largest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    largest.maximum_length_received = OUR_MAX_PDU
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    primitive = A_ASSOCIATE()
    primitive.application_context_name = _APPLICATION_CONTEXT
    primitive.called_ae_title = peer.aet
    primitive.calling_ae_title = calling
    named = identity(peer)
    roles = map(_provider, provides)
    primitive.user_information = [largest, implementation, *roles, version, *([named] if named else [])]
    primitive.presentation_context_definition_list = [
        _numbered(number, context) for number, context in enumerate(contexts)
    ]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def _provider(sop_class: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = sop_class, False, True
    return role


def _numbered(number: int, context: Context) -> object:
    proposal = build_context(context[0], context[1])
    proposal.context_id = 2 * number + 1
    return proposal


def negotiated(kind: int, body: bytes, contexts: Sequence[Context], our_aet: str) -> Negotiated:
    """What the PDU that answers agrees to; raises Retryable where the peer says no, or nothing that can be read."""
    whole = HEAD.pack(kind, len(body)) + body
    try:
        if kind == PduType.ASSOCIATE_RJ:
            raise Retryable(_rejection(whole, our_aet))
        if kind != PduType.ASSOCIATE_AC:
            raise Retryable("the destination aborted the association")
        if len(body) < _ASSOCIATE_HEAD:
            raise ValueError(f"{len(body)} bytes")
        return _accepted(whole, contexts)
    except _MALFORMED as error:  # whose words quote what the destination sent
        fault = type(error).__name__
        raise Retryable(f"the destination's answer to the association request is malformed ({fault})") from error


def _accepted(whole: bytes, contexts: Sequence[Context]) -> Negotiated:
    pdu = A_ASSOCIATE_AC()
    pdu.decode(whole)
    answer = pdu.to_primitive()
    results = {result.context_id: result for result in answer.presentation_context_definition_results_list}
    accepted, refused = {}, {}
    for number, context in enumerate(contexts):
        result = results.get(2 * number + 1)
        if result is not None and result.result == 0 and context[1] in result.transfer_syntax:
            accepted[context] = 2 * number + 1
        else:
            refused[context] = _REFUSALS.get(result.result if result else 1, _REFUSALS[1])
    version = (item.implementation_version_name for item in answer.user_information if _names_version(item))
    return Negotiated(accepted, refused, answer.maximum_length_received or 0, words(next(version, None) or ""))


def _names_version(item: object) -> bool:
    return isinstance(item, ImplementationVersionNameNotification)


def _rejection(whole: bytes, our_aet: str) -> str:
    pdu = A_ASSOCIATE_RJ()
    pdu.decode(whole)
    lasting = "for good" if pdu.result == 1 else "for the moment"
    called_as = f"; it was called as {our_aet}" if (pdu.source, pdu.reason_diagnostic) == _UNKNOWN_CALLER else ""
    return f"the destination rejected the association {lasting}: {pdu.reason_str}{called_as}"
