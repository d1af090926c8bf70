"""A-ASSOCIATE-RQ and -AC as bytes (PS3.8 sections 9.3.2 and 9.3.3, PS3.7 annex D.3.3).

Items of unknown types are skipped, as the standard asks, and so is what a sender may propose and we do not negotiate
(asynchronous operations, extended negotiation): no answer to it means the default. A transfer syntax or
a role that is named by no UID is passed over, and what is proposed beside it is judged as if it were not there.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dicom_node.elements import IMPLICIT
from dicom_node.outside import LONGEST_UID, ascii_words, is_uid
from dicom_node.pdu import HEAD, MOST_CONTEXTS, AbortReason, PduType, ProtocolError
from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

_CUT_SHORT = "the A-ASSOCIATE-RQ is cut short"
_WRONG_LENGTH = "an item of the A-ASSOCIATE-RQ is not as long as it must be"

_FIXED = struct.Struct(">H2x16s16s32x")
_ITEM = struct.Struct(">BxH")
_CONTEXT, _CONTEXT_ANSWER = struct.Struct(">B3x"), struct.Struct(">BxBx")
_APPLICATION, _CONTEXT_RQ, _CONTEXT_AC, _ABSTRACT, _TRANSFER, _USER = 0x10, 0x20, 0x21, 0x30, 0x40, 0x50
_MAX_LENGTH, _CLASS_UID, _ROLE, _VERSION_NAME = 0x51, 0x52, 0x54, 0x55
_IDENTITY, _IDENTITY_ANSWER = 0x58, 0x59


@dataclass(frozen=True)
class ProposedContext:
    """A presentation context that the peer proposes."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class AnsweredContext:
    """Our answer to it; `result` by PS3.8 table 9-18, `transfer_syntax` only where it is 0 (acceptance)."""

    id: int
    abstract_syntax: str
    transfer_syntax: str | None
    result: int


@dataclass(frozen=True)
class ProposedIdentity:
    """Who speaks (PS3.7 D.3.3.7.1): `kind` by table D.3-14; `secondary` is a passcode. Neither is ever shown."""

    kind: int
    wants_answer: bool
    primary: bytes = field(repr=False)
    secondary: bytes = field(repr=False)


@dataclass(frozen=True)
class RequestHead:
    """The fixed fields of an A-ASSOCIATE-RQ: who calls whom. `titles` are the two AE titles as received."""

    protocol_version: int
    titles: bytes
    called: str
    calling: str


@dataclass(frozen=True)
class AssociateRequest(RequestHead):
    """An A-ASSOCIATE-RQ. `roles` map a SOP class to (SCU, SCP) proposed."""

    application_context: str
    contexts: tuple[ProposedContext, ...]
    max_pdu: int = 0
    implementation_class_uid: str = ""
    implementation_version: str = ""
    roles: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    identity: ProposedIdentity | None = None


def decode_head(body: bytes) -> RequestHead:
    """The fixed fields alone of the request in `body`, for the answer may not need more; raises ProtocolError."""
    try:
        version, called, calling = _FIXED.unpack_from(body)
    except struct.error as error:
        raise ProtocolError(AbortReason.INVALID_PARAMETER, _CUT_SHORT) from error
    return RequestHead(version, called + calling, _text(called), _text(calling))


def decode_request(body: bytes) -> AssociateRequest:
    """The request in `body`, what follows a PDU's type and length; raises ProtocolError."""
    try:
        return _decode(body)
    except (struct.error, IndexError) as error:
        raise ProtocolError(AbortReason.INVALID_PARAMETER, _WRONG_LENGTH) from error


def encode_acceptance(
    request: AssociateRequest,
    contexts: tuple[AnsweredContext, ...],
    roles: Mapping[str, tuple[int, int]],
    max_pdu: int,
    *,
    identified: bool = False,
) -> bytes:
    """The A-ASSOCIATE-AC that answers `request`; `max_pdu` is the longest P-DATA-TF that we take.

    `identified` says that its user identity was looked at and is true.
    """
    told = identified and request.identity is not None and request.identity.wants_answer
    user = b"".join(
        (
            _item(_MAX_LENGTH, struct.pack(">I", max_pdu)),
            _item(_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode("ascii")),
            *(_item(_ROLE, _encode_role(uid, *role)) for uid, role in roles.items()),
            _item(_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode("ascii")),
            # A server response of no length (PS3.7 D.3.3.7.2).
            *([_item(_IDENTITY_ANSWER, bytes(2))] if told else []),
        )
    )
    body = b"".join(
        (
            # The title fields shall hold what was received, and are not tested (PS3.8 table 9-17).
            struct.pack(">H2x32s32x", 1, request.titles),
            _item(_APPLICATION, APPLICATION_CONTEXT.encode("ascii")),
            *(_encode_context(context) for context in contexts),
            _item(_USER, user),
        )
    )
    return HEAD.pack(PduType.ASSOCIATE_AC, len(body)) + body


def _decode(body: bytes) -> AssociateRequest:
    head = decode_head(body)
    application, user = "", b""
    contexts: list[ProposedContext] = []
    for kind, item in _items(body[_FIXED.size :]):
        if kind == _APPLICATION:
            application = _uid(item)
        elif kind == _CONTEXT_RQ:
            if len(contexts) == MOST_CONTEXTS:
                raise ProtocolError(AbortReason.INVALID_PARAMETER, f"more than {MOST_CONTEXTS} presentation contexts")
            contexts.append(_decode_context(item))
        elif kind == _USER:
            user = item
    subitems = list(_items(user))
    single = dict(subitems)
    return AssociateRequest(
        **vars(head),
        application_context=application,
        contexts=tuple(contexts),
        max_pdu=struct.unpack(">I", single[_MAX_LENGTH])[0] if _MAX_LENGTH in single else 0,
        implementation_class_uid=_text(single.get(_CLASS_UID, b"")),
        implementation_version=_text(single.get(_VERSION_NAME, b"")),
        roles=dict(role for kind, item in subitems if kind == _ROLE and (role := _decode_role(item))),
        identity=_decode_identity(single[_IDENTITY]) if _IDENTITY in single else None,
    )


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        kind, length = _ITEM.unpack_from(data, offset)
        offset += _ITEM.size + length
        if offset > len(data):
            raise ProtocolError(AbortReason.INVALID_PARAMETER, f"item {kind:#04x} is longer than what holds it")
        yield kind, data[offset - length : offset]


def _decode_context(item: bytes) -> ProposedContext:
    (ident,) = _CONTEXT.unpack_from(item)
    abstract, transfers = "", []
    for kind, value in _items(item[_CONTEXT.size :]):
        if kind == _ABSTRACT:
            abstract = _uid(value)
        elif kind == _TRANSFER and is_uid(uid := _uid(value)):
            transfers.append(uid)
    return ProposedContext(ident, abstract, tuple(transfers))


def _decode_role(item: bytes) -> tuple[str, tuple[int, int]] | None:
    """The role, or None where the item is none (PS3.7 annex D.3.3.4)."""
    length = int.from_bytes(item[:2], "big")
    uid = _uid(item[2 : 2 + length])
    return (uid, (item[-2], item[-1])) if len(item) == length + 4 and is_uid(uid) else None


def _decode_identity(item: bytes) -> ProposedIdentity:
    kind, wants_answer, length = struct.unpack_from(">BBH", item)
    primary, rest = item[4 : 4 + length], item[4 + length :]
    (more,) = struct.unpack_from(">H", rest)
    secondary = rest[2 : 2 + more]
    if len(primary) < length or len(secondary) < more:
        raise ProtocolError(AbortReason.INVALID_PARAMETER, _WRONG_LENGTH)
    return ProposedIdentity(kind, bool(wants_answer), primary, secondary)


def _encode_role(uid: str, scu: int, scp: int) -> bytes:
    return struct.pack(">H", len(uid)) + uid.encode("ascii") + bytes((scu, scp))


def _encode_context(context: AnsweredContext) -> bytes:
    # A refused context still carries the item, whose value is not significant (PS3.8 section 9.3.3.2).
    syntax = (context.transfer_syntax or IMPLICIT).encode("ascii")
    return _item(_CONTEXT_AC, _CONTEXT_ANSWER.pack(context.id, context.result) + _item(_TRANSFER, syntax))


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _uid(value: bytes) -> str:
    # A byte more than the longest UID keeps what is too long from passing for one, and records short.
    return ascii_words(value, LONGEST_UID + 1)


def _text(value: bytes) -> str:
    return ascii_words(value, 64)
