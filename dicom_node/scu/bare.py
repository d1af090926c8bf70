"""Data sets that somebody saved without preamble and file meta information (PS3.10 7.1), as old archives export them.

Such a file does not say how it is encoded. It is sent where its bytes leave no doubt that it is implicit VR little
endian, the default transfer syntax, in which no pixel data is compressed (PS3.5 10.1): it begins in group 0008 and
names its instance, and its elements fill it to the last byte.
"""

import re
from pathlib import Path

from dicom_node import elements
from dicom_node.scu.store import Outgoing, outgoing
from domain.errors import UnusableInput

_UID = re.compile(rb"[0-9]+(\.[0-9]+)+")
_CLASS, _INSTANCE = 0x0008_0016, 0x0008_0018
_FIRST = b"\x08\x00"
_MOST = 1 << 30  # bytes, which are held in memory
_UNKNOWN = "it has no file meta information, so that how it is encoded is not known"


def sendable(path: Path) -> Outgoing:
    """The Part 10 file or the bare data set at `path`; raises UnusableInput where it is neither beyond doubt."""
    try:
        return outgoing(path)
    except elements.NoFileMeta:
        return _bare(path)


def _bare(path: Path) -> Outgoing:
    try:
        with path.open("rb") as file:
            head = file.read(len(_FIRST))
            if head[:2] != _FIRST:
                raise UnusableInput("it is not a DICOM Part 10 file: it has no file meta information")
            data = head + file.read(_MOST)
    except OSError as error:
        raise UnusableInput(f"{path.name} cannot be read: {error.strerror}") from error
    if data[4:6].isupper() or len(data) > _MOST:
        raise UnusableInput(_UNKNOWN)
    return Outgoing(path, *_names(data), elements.IMPLICIT, bare=True)


def _names(data: bytes) -> tuple[str, str]:
    """SOP class and SOP instance of a data set that is whole."""
    try:
        values = {
            tag: data[start:end].rstrip(b"\0 ")
            for parents, tag, start, end in elements.walk(data, elements.IMPLICIT)
            if not parents and tag in (_CLASS, _INSTANCE)
        }
    except UnusableInput as error:
        raise UnusableInput(f"{_UNKNOWN}: {error}") from error
    found = [value for tag in (_CLASS, _INSTANCE) if _UID.fullmatch(value := values.get(tag, b""))]
    if len(found) < 2:
        raise UnusableInput(f"{_UNKNOWN}, and it names no SOP class and instance")
    return found[0].decode("ascii"), found[1].decode("ascii")
