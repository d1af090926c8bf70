"""One instance on its way from the spool into the object store: header, digest, Part 10 file. Stores nothing itself."""

import hashlib
import mmap
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dicom_node import deflated, elements, outside
from dicom_node.intake import foreign
from dicom_node.intake.faults import Fault
from dicom_node.intake.frames import LONGEST_HEAD, frame_planes
from dicom_node.intake.header import Header, Uids, UnreadableHeader, read_header, read_pieces
from dicom_node.intake.identity import PatientMarks
from dicom_node.part10 import head
from dicom_node.spool import DamagedRecord, Entry
from domain.errors import Retryable

# Instances up to this size are held whole for a moment; larger ones are read twice from the spool and streamed.
_WHOLE = 8 << 20
_PIECE = 1 << 20


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
    """An instance to be stored under `key` for inspection; `reason` says why it cannot be filed, `fault` of which kind.

    `uids` say where it belongs, as far as that could be read.
    """

    entry: Entry
    digest: str
    key: str
    reason: str
    fault: Fault
    uids: Uids
    pieces: Callable[[], Iterator[bytes]] = field(repr=False)


def file(entry: Entry, marks: PatientMarks | None = None) -> Filed | Unreadable:
    """The instance with a key made from its digest, so that storing it twice leaves one object.

    `marks` digest whom it names. Raises Retryable where the log cannot be read now, DamagedRecord where it gives other
    bytes than it was given.
    """
    try:
        return _file(entry, marks)
    except (OSError, MemoryError) as error:
        raise Retryable(f"the log cannot be read: {type(error).__name__}") from error


def safe(entry: Entry, read: Callable[[], Iterator[bytes]]) -> Entry:
    """The entry with every text that a peer chose made safe for database, trail and file, its data read by `read`."""
    return replace(
        entry,
        calling=outside.words(entry.calling),
        called=outside.words(entry.called),
        address=outside.words(entry.address),
        sop_class=outside.words(entry.sop_class),
        # Whatever stands there instead of a UID, it may be a name.
        sop_instance=entry.sop_instance if outside.is_uid(entry.sop_instance) else "",
        transfer_syntax=outside.words(entry.transfer_syntax),
        details=outside.details(entry.details) if entry.details else {},
        read=read,
    )


@dataclass(frozen=True)
class Reread:
    """An instance of the object store, read again; `size` is that of its data set in bytes."""

    header: Header
    sop_class: str
    transfer_syntax: str
    size: int


def reread(path: Path, marks: PatientMarks | None = None) -> Reread:
    """The instance in the Part 10 file at `path`, whom it names by `marks`; raises Retryable or UnusableInput."""
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_HEAD)
        size = path.stat().st_size
    except OSError as error:
        raise Retryable(f"{path.name} cannot be read: {error.strerror}") from error
    meta, begins = elements.file_meta(start)
    sop_class, syntax = (outside.ascii_words(meta.get(number, b"")) for number in (0x02, 0x10))
    header = read_pieces(lambda: _from(path, begins), syntax, marks)
    return Reread(_laid_out(header, start[begins:], syntax), sop_class, syntax, size - begins)


def _from(path: Path, begins: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(begins)
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise Retryable(f"{path.name} cannot be read: {error.strerror}") from error


def damaged(entry: Entry, reason: str) -> Unreadable:
    """In the place of an instance whose bytes the disk lost; there is no object."""
    uids = Uids(sop=entry.sop_instance)
    return Unreadable(entry, _digest_of_place(entry, reason), "", reason, Fault.LOST, uids, _nothing)


def unfiled(entry: Entry, filing: Filed | Unreadable | None, reason: str) -> Unreadable:
    """In the place of a record that no table takes; its object, where it has one, stays under its key."""
    if filing is None:
        return replace(damaged(entry, reason), uids=Uids(), fault=Fault.DEFECT)
    if isinstance(filing, Unreadable):
        return replace(filing, reason=reason, fault=Fault.DEFECT)
    return Unreadable(entry, filing.digest, filing.key, reason, Fault.DEFECT, _uids(filing.header), _nothing)


def judged(filing: Filed, path: Callable[[str], Path]) -> Filed | Unreadable:
    """What was too long to be held whole when it was read, by its object, which has room for that; `path` says where.

    Raises Retryable where that cannot be read.
    """
    if filing.entry.size <= _WHOLE:
        return filing
    try:
        with path(filing.key).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            syntax = filing.entry.transfer_syntax
            read_header(data, syntax, whole=True, begins=len(data) - filing.entry.size)
    except OSError as error:
        raise Retryable(f"{filing.key} cannot be read: {error.strerror}") from error
    except UnreadableHeader as error:
        return Unreadable(filing.entry, filing.digest, filing.key, str(error), error.fault, error.uids, _nothing)
    except Exception as error:  # the same wall as in _read
        return unfiled(filing.entry, filing, f"it cannot be judged: {where(error)}")
    return filing


def where(error: BaseException) -> str:
    """A defect in a word that says nothing of the instance, as an error's own text may: its type, and the line."""
    frames = traceback.extract_tb(error.__traceback__)
    line = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{line}"


def _file(entry: Entry, marks: PatientMarks | None) -> Filed | Unreadable:
    chunks = _chunks(entry)
    read = _read(entry, chunks, marks)
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
    return Unreadable(entry, digest.hexdigest(), key, str(read), read.fault, read.uids, pieces)


def _digest_of_place(entry: Entry, reason: str) -> str:
    """Tells what has no bytes from its like, the same each time that it is read."""
    return hashlib.sha256(f"{entry.association}:{entry.sequence}:{reason}".encode()).hexdigest()


def _nothing() -> Iterator[bytes]:
    return iter(())


def _key(read: Header | UnreadableHeader, digest: str) -> str:
    """A study's objects lie together: file systems place a folder's files side by side, and spread folders."""
    if isinstance(read, UnreadableHeader):
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


def _read(entry: Entry, chunks: Callable[[], Iterator[bytes]], marks: PatientMarks | None) -> Header | UnreadableHeader:
    try:
        header = _header(entry, chunks, marks)
        if header.frames > 1:
            header = _laid_out(header, _longer(chunks), entry.transfer_syntax)
    except UnreadableHeader as error:
        return foreign.told(error, next(chunks(), b""), entry.transfer_syntax)
    except (OSError, MemoryError, DamagedRecord):
        raise  # what this machine lacks, and what its disk lost, says nothing about the instance
    except Exception as error:
        # The wall between bytes from outside and the index: whatever they bring a reader to, the next instance goes
        # on. A list of what may be raised would always be one name short.
        return UnreadableHeader(f"its header cannot be read: {where(error)}", Uids(), fault=Fault.DEFECT)
    return _as_announced(_believed(header, entry), entry)


def _believed(header: Header, entry: Entry) -> Header:
    """A frame has a bit at least: where there are more than that, as in what has no pixels, nothing is said of them."""
    most = 8 * entry.size * (deflated.MOST_OF_ONE if entry.transfer_syntax == elements.DEFLATED else 1)
    return header if header.frames <= most else replace(header, frames=1)


def _as_announced(header: Header, entry: Entry) -> Header | UnreadableHeader:
    """The header, where the command that brought the data set spoke of this instance (PS3.4 B.2.3, status A900H)."""
    what = "class" if header.sop_class and header.sop_class != entry.sop_class else ""
    if entry.sop_instance and header.sop_uid != entry.sop_instance:
        what = f"{what} and instance" if what else "instance"
    if not what:
        return header
    said = f"the command that sent it names another SOP {what} than its data set (PS3.4 B.2.3, A900H)"
    return UnreadableHeader(said, _uids(header), fault=Fault.OTHER_INSTANCE)


def _uids(header: Header) -> Uids:
    return Uids(header.study_uid, header.series_uid, header.sop_uid)


def _laid_out(header: Header, data: bytes, transfer_syntax: str) -> Header:
    """The header with what the functional groups say of the frames, where there are any."""
    if header.frames == 1:
        return header
    planes = frame_planes(data, transfer_syntax)
    spacing = planes.spacing if header.slice_spacing is None else header.slice_spacing
    orientation = header.orientation or planes.orientation
    return replace(header, slice_spacing=spacing, places=planes.places, orientation=orientation)


def _header(entry: Entry, chunks: Callable[[], Iterator[bytes]], marks: PatientMarks | None) -> Header:
    start = next(chunks(), b"")
    try:
        return read_header(start, entry.transfer_syntax, marks, whole=len(start) >= entry.size)
    except UnreadableHeader as error:
        if not error.more or len(start) >= entry.size:
            raise
        return read_pieces(chunks, entry.transfer_syntax, marks)


def _longer(chunks: Callable[[], Iterator[bytes]]) -> bytes:
    collected = bytearray()
    for chunk in chunks():
        collected += chunk
        if len(collected) >= LONGEST_HEAD:
            break
    return bytes(collected)
