"""The head of a Part 10 file (PS3.10 section 7): preamble and file meta before a data set kept as received."""

import struct

from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_PREAMBLE = bytes(128) + b"DICM"
_SHORT = struct.Struct("<HH2sH")
# (0002,0001) File Meta Information Version has VR OB, hence the long form.
_VERSION = struct.pack("<HH2sHI", 0x0002, 0x0001, b"OB", 0, 2) + b"\0\1"


def head(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Everything that stands before the data set in the file; the same instance always gets the same head.

    So the sender's AE title is left out: it is in the index, and the same instance from elsewhere is the same file.
    """
    elements = b"".join(
        (
            _VERSION,
            _element(0x0002, b"UI", sop_class, b"\0"),
            _element(0x0003, b"UI", sop_instance, b"\0"),
            _element(0x0010, b"UI", transfer_syntax, b"\0"),
            _IMPLEMENTATION,
        )
    )
    return _PREAMBLE + _SHORT.pack(0x0002, 0x0000, b"UL", 4) + struct.pack("<I", len(elements)) + elements


def _element(number: int, vr: bytes, value: str, padding: bytes) -> bytes:
    text = value.encode("ascii", "replace")
    text += padding * (len(text) % 2)
    return _SHORT.pack(0x0002, number, vr, len(text)) + text


_IMPLEMENTATION = _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID, b"\0") + _element(
    0x0013, b"SH", IMPLEMENTATION_VERSION_NAME, b" "
)
