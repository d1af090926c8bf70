"""What came in the place of a data set in its transfer syntax, where that can be told by how it begins."""

from dicom_node.elements import DEFLATED, EXPLICIT_BIG
from dicom_node.intake.faults import Fault
from dicom_node.intake.header import UnreadableHeader

# Every data set of an instance begins with an element of group 0008, whose VR has two capitals.
_GROUP = 0x0008


def told(error: UnreadableHeader, start: bytes, transfer_syntax: str) -> UnreadableHeader:
    """The same fault of what begins with `start`, with what it is where nothing of a data set was found in it."""
    what = _kind(start, transfer_syntax) if error.fault is Fault.NO_DATA_SET else ""
    if not what:
        return error
    return UnreadableHeader(
        f"it is no DICOM data set in its transfer syntax, but {what}", error.uids, fault=error.fault
    )


def _kind(start: bytes, transfer_syntax: str) -> str:
    if start[128:132] == b"DICM":
        return "a whole file, with preamble and file meta: a data set alone is sent (PS3.7 9.3.1.1)"
    if transfer_syntax == DEFLATED or not (start[4:6].isalpha() and start[4:6].isupper()):
        return ""
    is_big = transfer_syntax == EXPLICIT_BIG
    if int.from_bytes(start[:2], "little" if is_big else "big") != _GROUP:
        return ""
    return "one in little endian" if is_big else "one in big endian"
