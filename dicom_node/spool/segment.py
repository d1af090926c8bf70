"""The file of one segment: a page that says whose it is, a page that says how far the reader is, then records."""

import os
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from crc32c import crc32c

from dicom_node.spool.records import HEADER, PAGE, Record, unpack

RECORDS = 2 * PAGE  # offset of the first record
SUFFIX = ".seg"
NO_RUN = UUID(int=0)

_VERSION = 1
_HEADER_MAGIC, _CHECKPOINT_MAGIC = b"DNSEGMNT", b"DNCHKPNT"
_MARK = struct.Struct("<8sI")  # magic and version, which both pages begin with
_HEADER = struct.Struct("<8sII QQ 16s16s")
_CHECKPOINT = struct.Struct("<8sII QQ")
_CRC = struct.Struct("<I")
_ZEROES = 1 << 20
# Where page 0 holds its header a second time: without it no record of the segment can be told from old bytes.
_COPY = PAGE // 2


@dataclass(frozen=True)
class SegmentHeader:
    """Page 0, written by the listener. `epoch` counts the uses of the segment; 0 is a segment that was never used.

    `run` is the start of the listener process that writes this use, `salt` the secret that its records repeat.
    """

    number: int
    epoch: int
    size: int
    run: UUID
    salt: bytes

    def next_use(self, run: UUID) -> "SegmentHeader":
        """The header that opens the segment's next use."""
        return SegmentHeader(self.number, self.epoch + 1, self.size, run, secrets.token_bytes(16))


@dataclass(frozen=True)
class Checkpoint:
    """Page 1, written by the reader: in this epoch all records before `offset` are in store and database.

    `finished` says that no other record will follow: the segment is free for its next use.
    """

    epoch: int
    offset: int
    finished: bool


def make_segment(path: Path, number: int, size: int) -> None:
    """Make a free segment of `size` bytes at `path`, each block written and synced; raises OSError."""
    draft = path.with_suffix(".new")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # Space that is only reserved is converted at its first write, which costs the journal's commit that this saves.
        zeroes = bytes(_ZEROES)
        for offset in range(0, size, _ZEROES):
            _write(fd, zeroes[: min(_ZEROES, size - offset)], offset)
        write_header(fd, SegmentHeader(number, 0, size, NO_RUN, bytes(16)))
        os.fsync(fd)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    draft.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_header(fd: int, header: SegmentHeader) -> None:
    """Write page 0; durable on return where `fd` is O_DSYNC."""
    fields = _HEADER.pack(
        _HEADER_MAGIC, _VERSION, header.number, header.epoch, header.size, header.run.bytes, header.salt
    )
    sealed = _sealed(fields)
    _write(fd, sealed[:_COPY] + sealed[:_COPY], 0)


def read_header(fd: int) -> SegmentHeader | None:
    """Page 0, or None where it is damaged."""
    return parse_header(os.pread(fd, PAGE, 0))


def parse_header(page: bytes) -> SegmentHeader | None:
    """The header in `page`, or None where it is damaged."""
    fields = _opened(page, _HEADER, _HEADER_MAGIC) or _opened(page[_COPY:], _HEADER, _HEADER_MAGIC)
    if fields is None:
        return None
    _, _, number, epoch, size, run, salt = _HEADER.unpack(fields)
    return SegmentHeader(number, epoch, size, UUID(bytes=run), salt)


def write_checkpoint(fd: int, checkpoint: Checkpoint) -> None:
    """Write page 1; durable on return where `fd` is O_DSYNC."""
    fields = _CHECKPOINT.pack(_CHECKPOINT_MAGIC, _VERSION, checkpoint.finished, checkpoint.epoch, checkpoint.offset)
    _write(fd, _sealed(fields), PAGE)


def read_checkpoint(fd: int, epoch: int) -> Checkpoint:
    """Page 1 if it speaks of `epoch`; else (an older use, or damaged) the checkpoint before the first record."""
    fields = _opened(os.pread(fd, PAGE, PAGE), _CHECKPOINT, _CHECKPOINT_MAGIC)
    if fields is None:
        return Checkpoint(epoch, RECORDS, finished=False)
    _, _, finished, of, offset = _CHECKPOINT.unpack(fields)
    return Checkpoint(epoch, offset, bool(finished)) if of == epoch else Checkpoint(epoch, RECORDS, finished=False)


def size_on_disk(fd: int) -> int:
    """Bytes of the file: less than its header says once the segment was cut at its last proven record."""
    return os.fstat(fd).st_size


def is_free(fd: int, header: SegmentHeader) -> bool:
    """Whether the segment holds nothing that the reader still needs."""
    return header.epoch == 0 or read_checkpoint(fd, header.epoch).finished


def read_record(fd: int, header: SegmentHeader, offset: int) -> Record | None:
    """The record header at `offset`, or None where there is none of this use. Its payload is not looked at."""
    if offset + PAGE > header.size:
        return None
    return unpack(os.pread(fd, HEADER, offset), header.epoch, header.salt)


def find_record(fd: int, header: SegmentHeader, start: int) -> int | None:
    """The offset of the first record header of this use at or after `start`."""
    for base in range(start, header.size, _ZEROES):
        block = os.pread(fd, _ZEROES, base)
        for offset in range(0, len(block), PAGE):
            if unpack(block[offset : offset + HEADER], header.epoch, header.salt) is not None:
                return base + offset
    return None


def segment_files(folder: Path) -> list[tuple[int, Path]]:
    """Number and path of each segment in a listener's folder, in order."""
    files = [(int(path.stem), path) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit()]
    return sorted(files)


def segment_path(folder: Path, number: int) -> Path:
    """Where segment `number` lies."""
    return folder / f"{number:06d}{SUFFIX}"


def listener_folders(root: Path) -> list[tuple[int, Path]]:
    """Index and folder of each listener process under the spool's root."""
    return sorted((int(path.name), path) for path in root.iterdir() if path.name.isdigit() and path.is_dir())


def _sealed(fields: bytes) -> bytes:
    return (fields + _CRC.pack(crc32c(fields))).ljust(PAGE, b"\0")


def _opened(page: bytes, layout: struct.Struct, magic: bytes) -> bytes | None:
    """The fields in `page`, of `layout`; None where it is damaged or of another version."""
    end = layout.size
    if (
        len(page) < end + _CRC.size
        or not page.startswith(magic)
        or _CRC.unpack_from(page, end)[0] != crc32c(page[:end])
    ):
        return None
    return page[:end] if _MARK.unpack_from(page) == (magic, _VERSION) else None


def _write(fd: int, data: bytes, offset: int) -> None:
    if os.pwrite(fd, data, offset) != len(data):
        raise OSError("short write")
