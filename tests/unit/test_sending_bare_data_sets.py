"""A data set without file meta information is sent where its bytes leave no doubt, and refused with the reason."""

import struct
from pathlib import Path

import pytest

from dicom_node.elements import IMPLICIT
from dicom_node.part10 import head
from dicom_node.scu.bare import sendable
from dicom_node.scu.store import Outgoing
from domain.errors import UnusableInput
from tests.support.counterparts import data

CR = "1.2.840.10008.5.1.4.1.1.1"


def element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


WHOLE = (
    element(8, 0x16, CR.encode() + b"\0") + element(8, 0x18, b"1.2.3.44") + element(0x7FE0, 0x10, bytes(64))
)  # fmt: skip


def test_a_real_radiograph_without_file_meta_is_sendable() -> None:
    found = sendable(data("cxr_cr", "implicitLittleEndian.dcm"))
    assert (found.sop_class, found.transfer_syntax, found.bare) == (CR, IMPLICIT, True)


def test_a_part_10_file_is_sent_as_its_file_meta_says(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(head(CR, "1.2.3", "1.2.840.10008.1.2.1") + WHOLE)
    found = sendable(tmp_path / "a")
    assert (found.transfer_syntax, found.bare) == ("1.2.840.10008.1.2.1", False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has no file meta information"),
        (b"hello, this is no image", "it has no file meta information"),
        (WHOLE[:-1], "how it is encoded is not known"),
        (WHOLE + b"\x08\0", "how it is encoded is not known"),
        (WHOLE[26 + 8 :], "how it is encoded is not known|it has no file meta information"),
        (element(8, 0x16, CR.encode() + b"\0"), "it names no SOP class and instance"),
        (b"\x08\0\x16\0UI\x1a\0" + CR.encode() + b"\0", "how it is encoded is not known"),
    ],
)
def test_what_leaves_a_doubt_is_refused_with_the_reason(content: bytes, reason: str, tmp_path: Path) -> None:
    assert sendable_bytes(WHOLE, tmp_path).bare
    with pytest.raises(UnusableInput, match=reason):
        sendable_bytes(content, tmp_path)


def sendable_bytes(content: bytes, folder: Path) -> Outgoing:
    (folder / "a").write_bytes(content)
    return sendable(folder / "a")
