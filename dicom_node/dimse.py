"""Command sets as bytes (PS3.7 section 6.3 and annex E): implicit VR little endian, group 0000.

The one codec of the node, for requests that come in and for those that it makes.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from dicom_node.outside import LONGEST_UID, ascii_words, is_uid
from domain.errors import NodeError

__all__ = [
    "LONGEST_COMMAND",
    "Answer",
    "Command",
    "Malformed",
    "Operation",
    "Status",
    "decode_answer",
    "decode_command",
    "decode_status",
    "encode_cancel",
    "encode_query",
    "encode_request",
    "encode_response",
    "is_uid",
]

_WITH_DATA_SET, _NO_DATA_SET = 0x0001, 0x0101
# A C-STORE-RQ is some 200 bytes; nothing that we answer comes near this.
LONGEST_COMMAND = 1 << 16

_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_SOP_CLASS, _REQUESTED_CLASS, _SOP_INSTANCE, _REQUESTED_INSTANCE = 0x0002, 0x0003, 0x1000, 0x1001
_FIELD, _MESSAGE_ID, _ANSWERED_ID, _PRIORITY, _DATA_SET_TYPE = 0x0100, 0x0110, 0x0120, 0x0700, 0x0800
_STATUS, _COMMENT, _ERROR_ID, _EVENT_TYPE, _ACTION_TYPE = 0x0900, 0x0902, 0x0903, 0x1002, 0x1008
_MOVE_DESTINATION, _REMAINING, _COMPLETED, _FAILED, _WARNED = 0x0600, 0x1020, 0x1021, 0x1022, 0x1023
_OF_AN_ANSWER = (_STATUS, _DATA_SET_TYPE, _REMAINING, _COMPLETED, _FAILED, _WARNED)


class Malformed(NodeError):
    """The bytes are no command set, or lack what it cannot do without."""


class Status(IntEnum):
    """Statuses that we answer (PS3.7 annex C, PS3.4 table B.2-1)."""

    SUCCESS = 0x0000
    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    NO_SUCH_INSTANCE = 0x0112
    NO_SUCH_EVENT = 0x0113
    INVALID_ARGUMENT = 0x0115
    INVALID_INSTANCE = 0x0117
    NO_SUCH_CLASS = 0x0118
    CLASS_INSTANCE_CONFLICT = 0x0119
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122  # as a Failure Reason alone (PS3.18 table I.2-2)


class Operation(IntEnum):
    """Command fields of requests that we know."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    C_CANCEL = 0x0FFF
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150


# Which element says what is asked, where the operation alone does not (PS3.7 sections 10.3.1 and 10.3.5).
_TYPE_ID = {Operation.N_EVENT_REPORT: _EVENT_TYPE, Operation.N_ACTION: _ACTION_TYPE}
_OF_REQUESTED = {Operation.N_GET, Operation.N_SET, Operation.N_ACTION, Operation.N_DELETE}
_HAS_PRIORITY = {Operation.C_STORE}
_RESPONSE = 0x8000


@dataclass(frozen=True, slots=True)
class Command:
    """A command set, as far as an answer needs it.

    `message_id` of a response is that of the request which it answers, `status` its status; `type_id` is the Event Type
    ID of an N-EVENT-REPORT and the Action Type ID of an N-ACTION.
    """

    field: int
    message_id: int
    has_data_set: bool
    sop_class: str
    sop_instance: str
    type_id: int | None = None
    status: int | None = None

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(self.field & _RESPONSE) and self.field != Operation.C_CANCEL


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the responses to a query, with the numbers of sub-operations of a C-GET or C-MOVE where it has them."""

    status: int
    has_data_set: bool
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warned: int | None = None

    @property
    def is_pending(self) -> bool:
        """Whether others follow (PS3.7 C.1.1.3)."""
        return self.status in (0xFF00, 0xFF01)


def decode_command(data: bytes | bytearray) -> Command:
    """The request in `data`; raises Malformed where it is no command set, or lacks what an answer needs."""
    elements = _elements(data)
    number = {tag: _number_of(elements[tag]) for tag in (_FIELD, _MESSAGE_ID, _DATA_SET_TYPE) if tag in elements}
    field = number.get(_FIELD)
    if field is None or (_MESSAGE_ID not in number and field != Operation.C_CANCEL and not field & _RESPONSE):
        raise Malformed("command set lacks its command field or message id")
    if field & _RESPONSE and field != Operation.C_CANCEL:
        return _response(field, elements)
    return Command(
        field=field,
        message_id=number.get(_MESSAGE_ID, 0),
        has_data_set=number.get(_DATA_SET_TYPE, _NO_DATA_SET) != _NO_DATA_SET,
        sop_class=_uid(elements.get(_SOP_CLASS) or elements.get(_REQUESTED_CLASS)),
        sop_instance=_uid(elements.get(_SOP_INSTANCE) or elements.get(_REQUESTED_INSTANCE)),
        type_id=_optional(elements, _TYPE_ID[Operation(field)]) if field in _TYPE_ID else None,
    )


def _response(field: int, elements: Mapping[int, bytes]) -> Command:
    return Command(
        field=field,
        message_id=_optional(elements, _ANSWERED_ID) or 0,
        has_data_set=(_optional(elements, _DATA_SET_TYPE) or _NO_DATA_SET) != _NO_DATA_SET,
        sop_class=_uid(elements.get(_SOP_CLASS)),
        sop_instance=_uid(elements.get(_SOP_INSTANCE)),
        status=_optional(elements, _STATUS),
    )


def _optional(elements: Mapping[int, bytes], tag: int) -> int | None:
    return _number_of(elements[tag]) if tag in elements else None


def decode_status(data: bytes | bytearray) -> int:
    """The status of the response in `data`; raises Malformed where it has none."""
    status = _elements(data).get(_STATUS)
    if status is None:
        raise Malformed("command set lacks its status")
    return _number_of(status)


def encode_request(
    operation: Operation, message_id: int, sop_class: str, sop_instance: str = "", type_id: int | None = None
) -> bytes:
    """A request (PS3.7 sections 9.3 and 10.3); one that names an instance announces a data set, at medium priority.

    `type_id` is the Event Type ID of an N-EVENT-REPORT and the Action Type ID of an N-ACTION.
    """
    requested = operation in _OF_REQUESTED
    return _command_set(
        _text(_REQUESTED_CLASS if requested else _SOP_CLASS, sop_class),
        _number(_FIELD, operation),
        _number(_MESSAGE_ID, message_id),
        _number(_PRIORITY, 0) if sop_instance and operation in _HAS_PRIORITY else b"",
        _number(_DATA_SET_TYPE, _WITH_DATA_SET if sop_instance else _NO_DATA_SET),
        _text(_REQUESTED_INSTANCE if requested else _SOP_INSTANCE, sop_instance),
        b"" if type_id is None else _number(_TYPE_ID[operation], type_id),
    )


def encode_query(operation: Operation, message_id: int, sop_class: str, move_to: str = "") -> bytes:
    """A C-FIND, C-GET or C-MOVE request (PS3.7 9.3.2 to 9.3.4), whose identifier follows, at medium priority.

    `move_to` is the AE title that a C-MOVE sends to.
    """
    return _command_set(
        _text(_SOP_CLASS, sop_class),
        _number(_FIELD, operation),
        _number(_MESSAGE_ID, message_id),
        _text(_MOVE_DESTINATION, move_to, pad=b" "),
        _number(_PRIORITY, 0),
        _number(_DATA_SET_TYPE, _WITH_DATA_SET),
    )


def encode_cancel(message_id: int) -> bytes:
    """A C-CANCEL of the request with this id (PS3.7 9.3.2.3), which nobody answers."""
    return _command_set(
        _number(_FIELD, Operation.C_CANCEL),
        _number(_ANSWERED_ID, message_id),
        _number(_DATA_SET_TYPE, _NO_DATA_SET),
    )


def decode_answer(data: bytes | bytearray) -> Answer:
    """The response in `data` to a query; raises Malformed where it is none, or has no status."""
    elements = _elements(data)
    numbers = {tag: _number_of(elements[tag]) for tag in _OF_AN_ANSWER if tag in elements}
    if _STATUS not in numbers:
        raise Malformed("command set lacks its status")
    return Answer(
        status=numbers[_STATUS],
        has_data_set=numbers.get(_DATA_SET_TYPE, _NO_DATA_SET) != _NO_DATA_SET,
        remaining=numbers.get(_REMAINING),
        completed=numbers.get(_COMPLETED),
        failed=numbers.get(_FAILED),
        warned=numbers.get(_WARNED),
    )


def encode_response(
    command: Command,
    status: int,
    comment: str = "",
    *,
    has_data_set: bool = False,
    sop_instance: str = "",
    error_id: int | None = None,
) -> bytes:
    """The response to `command`; `comment` of at most 64 characters goes with a failure.

    `sop_instance` is the one that was made where an N-CREATE named none, `error_id` what the service calls the failure.
    """
    type_of = _TYPE_ID.get(Operation(command.field)) if command.field in _TYPE_ID else None
    return _command_set(
        _text(_SOP_CLASS, command.sop_class),
        _number(_FIELD, command.field | _RESPONSE),
        _number(_ANSWERED_ID, command.message_id),
        _number(_DATA_SET_TYPE, _WITH_DATA_SET if has_data_set else _NO_DATA_SET),
        _number(_STATUS, status),
        _text(_COMMENT, comment[:64], pad=b" "),
        b"" if error_id is None else _number(_ERROR_ID, error_id),
        _text(_SOP_INSTANCE, command.sop_instance or sop_instance),
        b"" if type_of is None or command.type_id is None else _number(type_of, command.type_id),
    )


def _elements(data: bytes | bytearray) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    offset = 0
    while offset < len(data):
        try:
            group, element, length = _ELEMENT.unpack_from(data, offset)
        except struct.error as error:
            raise Malformed("command set ends within an element") from error
        offset += _ELEMENT.size + length
        if group or offset > len(data):
            raise Malformed("command set holds what is no command element")
        elements[element] = bytes(data[offset - length : offset])
    return elements


def _number_of(value: bytes) -> int:
    if len(value) != _US.size:
        raise Malformed("command set holds a number of another length")
    return int(_US.unpack(value)[0])


def _command_set(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def _uid(value: bytes | None) -> str:
    # A character more than the longest UID keeps what is too long from passing for one.
    return ascii_words(value or b"", LONGEST_UID + 1)


def _number(element: int, value: int) -> bytes:
    return _ELEMENT.pack(0, element, 2) + _US.pack(value)


def _text(element: int, value: str, pad: bytes = b"\0") -> bytes:
    if not value:
        return b""
    data = value.encode("ascii", "replace")
    data += pad * (len(data) % 2)
    return _ELEMENT.pack(0, element, len(data)) + data
