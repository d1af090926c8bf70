"""Part 10 files out of encoded elements, in the transfer syntaxes that results take."""

import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID

from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from domain.profiles import DEFLATED, IMPLICIT

Buffer = bytes | bytearray | memoryview


def part10(dataset: Dataset, body: Sequence[Buffer], transfer_syntax: str) -> tuple[Buffer, ...]:
    """The whole file; `body` is the data set in Explicit VR Little Endian, its Pixel Data as `transfer_syntax` has it.

    `dataset` says which instance of which SOP class it is.
    """
    head = _file_head(dataset, transfer_syntax)
    if transfer_syntax == DEFLATED:
        return (head, *_deflated(body))
    if transfer_syntax == IMPLICIT:
        return (head, _implicit(body))
    return (head, *body)


def _deflated(body: Sequence[Buffer]) -> Iterator[bytes]:
    """RFC 1951 without a head (PS3.5 section A.5), of even length."""
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    size = 0
    for piece in (*map(squeeze.compress, body), squeeze.flush()):
        size += len(piece)
        yield piece
    yield b"\0" * (size % 2)


def _implicit(body: Sequence[Buffer]) -> bytes:
    """The data set without value representations; the bytes of every value stay as they are."""
    dataset = read_dataset(BytesIO(b"".join(body)), is_implicit_VR=False, is_little_endian=True)
    _unfold(dataset)
    out = DicomBytesIO()
    out.is_little_endian = out.is_implicit_VR = True
    write_dataset(out, dataset)
    return out.getvalue()


def _unfold(dataset: Dataset) -> None:
    """Read every sequence: pydicom would write the bytes of one that it has not read as they are."""
    for tag in dataset.keys():  # noqa: SIM118  (iterating would convert every element)
        if dataset.get_item(tag).VR == "SQ":
            for item in dataset[tag].value:
                _unfold(item)


def _file_head(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Preamble, prefix and file meta information (PS3.10 section 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # counted while it is written
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    out = DicomBytesIO()
    out.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(out, meta, enforce_standard=False)
    return out.getvalue()
