"""The PDUs of the upper layer that have no variable items (PS3.8 section 9.3), and why an association is aborted."""

import struct
from enum import IntEnum

from domain.errors import NodeError

HEAD = struct.Struct(">BxI")  # type, length of what follows
FRAGMENT_HEAD = struct.Struct(">BxIIBB")  # the same, then the PDV's length, context id and control byte
PDV_HEAD = struct.Struct(">IBB")

RELEASE_RP = HEAD.pack(0x06, 4) + bytes(4)
# Contexts have an odd id of one byte each (PS3.8 section 9.3.2.2).
MOST_CONTEXTS = 128
_LONGEST_NAME = 4 + 64  # an item that holds a UID: its head, then the UID (PS3.5 section 9.1)
_MOST_SYNTAXES = 32  # for each of them a private UID of full length, or every one of the standard's
# What an A-ASSOCIATE-RQ can need, for the standard states no bound (PS3.8 section 9.3.2): the fixed fields, the
# application context, each presentation context with its abstract and transfer syntaxes, and a user information item,
# whose own length field ends at 65,535.
LONGEST_ASSOCIATE = 68 + _LONGEST_NAME + MOST_CONTEXTS * (8 + (1 + _MOST_SYNTAXES) * _LONGEST_NAME) + 4 + 0xFFFF

COMMAND, LAST = 0x01, 0x02  # bits of the message control header (PS3.8 annex E.2)


class PduType(IntEnum):
    """PDU types (PS3.8 section 9.3)."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    DATA = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


class AbortReason(IntEnum):
    """Reasons of the service provider (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ProtocolError(NodeError):
    """The peer broke the protocol: the association is aborted with `reason` and never gets past this package."""

    def __init__(self, reason: AbortReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class TlsAtPlainPort(ProtocolError):
    """The peer speaks TLS where none is spoken."""


class PeerGone(NodeError):
    """The transport connection ended."""


class PeerAborted(NodeError):
    """The peer sent an A-ABORT."""


class PeerSilent(NodeError):
    """No byte came, or none went, for as long as the settings allow."""


def reject(result: int, source: int, code: int) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    return HEAD.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, result, source, code))


def abort_by_user() -> bytes:
    """An A-ABORT of the service user, which gives no reason (PS3.8 table 9-26)."""
    return HEAD.pack(PduType.ABORT, 4) + bytes(4)


def abort_by_provider(reason: AbortReason) -> bytes:
    """An A-ABORT of the service provider (PS3.8 table 9-26)."""
    return HEAD.pack(PduType.ABORT, 4) + bytes((0, 0, 2, reason))


def command_fragments(context_id: int, command: bytes, longest: int) -> bytes:
    """P-DATA-TF PDUs with one PDV each that carry `command`; `longest` is the peer's maximum length, 0 for none."""
    return _fragments(context_id, COMMAND, command, longest)


def message_fragments(context_id: int, command: bytes, data: bytes, longest: int) -> bytes:
    """As `command_fragments`, with the data set that the command announces; without one where `data` is empty."""
    return _fragments(context_id, COMMAND, command, longest) + _fragments(context_id, 0, data, longest)


def _fragments(context_id: int, control: int, whole: bytes, longest: int) -> bytes:
    room = max(longest - PDV_HEAD.size, 1) if longest else max(len(whole), 1)
    return b"".join(
        _fragment(context_id, control | (LAST if start + room >= len(whole) else 0), whole[start : start + room])
        for start in range(0, len(whole), room)
    )


def _fragment(context_id: int, control: int, piece: bytes) -> bytes:
    return FRAGMENT_HEAD.pack(PduType.DATA, len(piece) + 6, len(piece) + 2, context_id, control) + piece
