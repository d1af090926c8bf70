"""One instance on its way from the spool into the object store: header, digest, Part 10 file. Stores nothing itself."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from dicom_node.intake.frames import LONGEST_HEAD, frame_spacing
from dicom_node.intake.header import Header, OutOfData, read_header
from dicom_node.part10 import head
from dicom_node.spool import Entry
from domain.errors import UnusableInput

# Instances up to this size are held whole for a moment; larger ones are read twice from the spool and streamed.
_WHOLE = 8 << 20


@dataclass(frozen=True)
class Filed:
    """An instance to be stored under `key`; `pieces` give its Part 10 file, `digest` is the SHA-256 (hex) of that."""

    entry: Entry
    digest: str
    key: str
    header: Header
    pieces: Callable[[], Iterator[bytes]] = field(repr=False)


@dataclass(frozen=True)
class Unreadable:
    """An instance to be stored under `key` for inspection; `fault` says why it cannot be filed."""

    entry: Entry
    digest: str
    key: str
    fault: str
    pieces: Callable[[], Iterator[bytes]] = field(repr=False)


def file(entry: Entry) -> Filed | Unreadable:
    """The instance with a key made from its digest, so that storing it twice leaves one object."""
    chunks = _chunks(entry)
    read = _read(entry, chunks)
    uid = read.sop_uid if isinstance(read, Header) else entry.sop_instance
    meta = head(entry.sop_class, uid, entry.transfer_syntax)
    digest = hashlib.sha256(meta)
    for chunk in chunks():
        digest.update(chunk)
    key = _key(read, digest.hexdigest())

    def pieces() -> Iterator[bytes]:
        return _pieces(meta, chunks)

    if isinstance(read, Header):
        return Filed(entry, digest.hexdigest(), key, read, pieces)
    return Unreadable(entry, digest.hexdigest(), key, read, pieces)


def _key(read: Header | str, digest: str) -> str:
    """A study's objects lie together: file systems place a folder's files side by side, and spread folders."""
    if isinstance(read, str):
        return f"unreadable/{digest[:2]}/{digest}.dcm"
    study = hashlib.sha256(read.study_uid.encode()).hexdigest()[:32]
    return f"instances/{study[:2]}/{study}/{digest}.dcm"


def _chunks(entry: Entry) -> Callable[[], Iterator[bytes]]:
    if entry.size > _WHOLE:
        return entry.chunks
    data = entry.data()
    return lambda: iter((data,))


def _pieces(meta: bytes, chunks: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    yield meta
    yield from chunks()


def _read(entry: Entry, chunks: Callable[[], Iterator[bytes]]) -> Header | str:
    start = next(chunks(), b"")
    try:
        header = _header(entry, start, chunks)
    except UnusableInput as error:
        return str(error)
    if header.frames > 1 and header.slice_spacing is None:
        meta = head(entry.sop_class, header.sop_uid, entry.transfer_syntax)
        return replace(header, slice_spacing=frame_spacing(meta + _longer(chunks)))
    return header


def _header(entry: Entry, start: bytes, chunks: Callable[[], Iterator[bytes]]) -> Header:
    try:
        return read_header(start, entry.transfer_syntax)
    except OutOfData:
        if len(start) >= entry.size:
            raise
        return read_header(_longer(chunks), entry.transfer_syntax)


def _longer(chunks: Callable[[], Iterator[bytes]]) -> bytes:
    collected = bytearray()
    for chunk in chunks():
        collected += chunk
        if len(collected) >= LONGEST_HEAD:
            break
    return bytes(collected)
