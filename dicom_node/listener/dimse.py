"""Command sets as bytes (PS3.7 section 6.3 and annex E): implicit VR little endian, group 0000."""

import re
import struct
from dataclasses import dataclass
from enum import IntEnum

from dicom_node.listener.pdu import AbortReason, ProtocolError
from dicom_node.listener.words import plain

NO_DATA_SET = 0x0101
# A C-STORE-RQ is some 200 bytes; nothing that we answer comes near this.
LONGEST_COMMAND = 1 << 16
LONGEST_UID = 64

_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_SOP_CLASS, _REQUESTED_CLASS, _SOP_INSTANCE, _REQUESTED_INSTANCE = 0x0002, 0x0003, 0x1000, 0x1001
_FIELD, _MESSAGE_ID, _DATA_SET_TYPE = 0x0100, 0x0110, 0x0800
# Digits and dots; a leading zero in a component is against PS3.5 section 9.1 but devices in use write it.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class Status(IntEnum):
    """Statuses that we answer (PS3.7 annex C, PS3.4 table B.2-1)."""

    SUCCESS = 0x0000
    INVALID_INSTANCE = 0x0117
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNIZED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    CANNOT_UNDERSTAND = 0xC000


class Operation(IntEnum):
    """Command fields of requests that we know."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    C_CANCEL = 0x0FFF


@dataclass(frozen=True, slots=True)
class Command:
    """A command set, as far as an answer needs it."""

    field: int
    message_id: int
    has_data_set: bool
    sop_class: str
    sop_instance: str

    @property
    def is_response(self) -> bool:
        """Whether it answers a request, of which we make none."""
        return bool(self.field & 0x8000) and self.field != Operation.C_CANCEL


def decode_command(data: bytes | bytearray) -> Command:
    """The command set in `data`; raises ProtocolError where it is none, or lacks what an answer needs."""
    try:
        elements = dict(_elements(data))
        number = {
            tag: _US.unpack(value)[0] for tag, value in elements.items() if tag in (_FIELD, _MESSAGE_ID, _DATA_SET_TYPE)
        }
    except struct.error as error:
        raise ProtocolError(AbortReason.INVALID_PARAMETER, f"command set cannot be read: {error}") from error
    field = number.get(_FIELD)
    if field is None or (_MESSAGE_ID not in number and field != Operation.C_CANCEL and not field & 0x8000):
        raise ProtocolError(AbortReason.INVALID_PARAMETER, "command set lacks its command field or message id")
    return Command(
        field=field,
        message_id=number.get(_MESSAGE_ID, 0),
        has_data_set=number.get(_DATA_SET_TYPE, NO_DATA_SET) != NO_DATA_SET,
        sop_class=_uid(elements.get(_SOP_CLASS) or elements.get(_REQUESTED_CLASS)),
        sop_instance=_uid(elements.get(_SOP_INSTANCE) or elements.get(_REQUESTED_INSTANCE)),
    )


def encode_response(command: Command, status: int, comment: str = "") -> bytes:
    """The response to `command`, without a data set; `comment` of at most 64 characters goes with a failure."""
    elements = (
        _text(_SOP_CLASS, command.sop_class),
        _number(_FIELD, command.field | 0x8000),
        _number(0x0120, command.message_id),
        _number(_DATA_SET_TYPE, NO_DATA_SET),
        _number(0x0900, status),
        _text(0x0902, comment[:64], pad=b" "),
        _text(_SOP_INSTANCE, command.sop_instance),
    )
    body = b"".join(elements)
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def is_uid(text: str) -> bool:
    """Whether `text` can name an instance."""
    return len(text) <= LONGEST_UID and _UID.fullmatch(text) is not None


def _elements(data: bytes | bytearray) -> list[tuple[int, bytes]]:
    elements, offset = [], 0
    while offset < len(data):
        group, element, length = _ELEMENT.unpack_from(data, offset)
        offset += _ELEMENT.size + length
        if group or offset > len(data):
            raise ProtocolError(AbortReason.INVALID_PARAMETER, "command set holds what is no command element")
        elements.append((element, bytes(data[offset - length : offset])))
    return elements


def _uid(value: bytes | None) -> str:
    return plain(value or b"", LONGEST_UID + 1)


def _number(element: int, value: int) -> bytes:
    return _ELEMENT.pack(0, element, 2) + _US.pack(value)


def _text(element: int, value: str, pad: bytes = b"\0") -> bytes:
    if not value:
        return b""
    data = value.encode("ascii", "replace")
    data += pad * (len(data) % 2)
    return _ELEMENT.pack(0, element, len(data)) + data
