"""Opens DICOM files of any writer, and is the one place that knows what pydicom raises for bytes that are damaged.

Only pydicom's own work stands inside the guards, so that a defect of ours is seen as one. A Specific Character Set that
pydicom cannot read hides nothing: the default repertoire is read in its place (PS3.5 6.1.2).
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar

from pydicom import FileDataset, dcmread
from pydicom.charset import python_encoding
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag, Tag

from dicom_node.elements import DEFLATED
from domain.errors import Retryable, UnusableInput

T = TypeVar("T")
# A file by its path, or one that is open: then whoever reads it need have no right to open it.
Source: TypeAlias = Path | BinaryIO

# What pydicom and its decoders raise, on reading or on the first use of an element, for bytes that are not what they
# claim to be.
DAMAGED = (
    ValueError, TypeError, AttributeError, LookupError, OverflowError, NotImplementedError, RuntimeError, EOFError,
    struct.error, zlib.error, BytesLengthException, InvalidDicomError,
)  # fmt: skip

_CHARACTER_SET = BaseTag(0x0008_0005)
# Preamble, prefix and the element that says how long the rest of the meta information is (PS3.10 7.1).
_BEFORE_META = 128 + 4 + 12
# What pydicom knows the default repertoire by; as a term it is none, for that has none (PS3.3 C.12.1.1.2).
_DEFAULT = "ISO_IR 6"


def opened(path: Source, name: str, tags: Sequence[str | int], pixels: bool = False) -> FileDataset:
    """The elements `tags` of the file at `path`, without what follows its head unless its `pixels` are among them.

    `name` is what errors call the file. Raises UnusableInput where it is damaged or names no instance, Retryable where
    it cannot be opened: it is a file of ours, and will be there again.
    """
    wanted = tags_of(tuple(tags))
    try:
        dataset = read_with(path, lambda file: dcmread(file, stop_before_pixels=not pixels, specific_tags=wanted))
    except InvalidDicomError as error:
        raise UnusableInput(f"{name} is not a DICOM file") from error
    except OSError as error:
        if _is_damage(error):
            raise _damaged(name) from error
        raise Retryable(f"{name} cannot be opened: {error.strerror}") from error
    except DAMAGED as error:
        raise _damaged(name) from error
    return dataset


@cache
def tags_of(keys: tuple[str | int, ...]) -> list[BaseTag]:
    """The tags of keywords or numbers; looking a keyword up takes longer than reading what it names."""
    return [Tag(key) for key in keys]


def read_with(path: Source, read: Callable[[Path | BinaryIO], T]) -> T:
    """What `read` makes of the file; where it fails for a character set that nobody knows, of the file without that.

    Raises what `read` raises.
    """
    try:
        return read(_at_its_start(path))
    except (LookupError, ValueError):
        plain = _without_character_set(path)
        if plain is None:
            raise
        return read(plain)


def by_pydicom(work: Callable[[], T], refusal: str) -> T:
    """What a call of pydicom's own gives; raises UnusableInput, which says `refusal`, where bytes are damaged.

    `work` is that call and nothing else: what it raises counts as damage, which a defect of ours is not.
    """
    try:
        return work()
    except DAMAGED as error:
        raise UnusableInput(refusal) from error
    except OSError as error:
        if _is_damage(error):
            raise UnusableInput(refusal) from error
        raise


def _damaged(name: str) -> UnusableInput:
    return UnusableInput(f"{name} is cut short or damaged: have it sent again")


def _is_damage(error: OSError) -> bool:
    """Whether it is pydicom's own word for items that end within a tag: what a system says of a file has a number."""
    return error.errno is None


def known_character_set(terms: str) -> bool:
    """Whether each of the terms, parted by backslashes, is one of PS3.3 C.12.1.1.2; no term is known."""
    return all(term.strip(" ") in python_encoding.keys() - {_DEFAULT} for term in terms.split("\\"))


def _without_character_set(path: Source) -> BytesIO | None:
    """The file with the default repertoire for its Specific Character Set; None where its own is one that is known."""
    path = _at_its_start(path)
    whole = path.read_bytes() if isinstance(path, Path) else path.read()
    try:
        meta = read_partial(BytesIO(whole), lambda *_: True).file_meta
        if meta.get("TransferSyntaxUID") == DEFLATED:
            return _deflated_without(whole, _BEFORE_META + meta.FileMetaInformationGroupLength)
        copy = BytesIO(whole)
        little = bool(read_partial(copy, _is_behind, specific_tags=[_CHARACTER_SET]).original_encoding[1])
    except DAMAGED:
        return None
    return copy if _made_plain(copy, "<" if little else ">") else None


def _at_its_start(source: Source) -> Source:
    if not isinstance(source, Path):
        source.seek(0)
    return source


def _is_behind(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) >= int(_CHARACTER_SET)


def _deflated_without(whole: bytes, start: int) -> BytesIO | None:
    """As `_without_character_set`, of a file whose data set is deflated from `start` on (PS3.5 A.5)."""
    inflated = BytesIO(zlib.decompress(whole[start:], -zlib.MAX_WBITS))
    read_dataset(inflated, is_implicit_VR=False, is_little_endian=True, stop_when=_is_behind)
    if not _made_plain(inflated, "<"):
        return None
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return BytesIO(whole[:start] + deflate.compress(inflated.getvalue()) + deflate.flush())


def _made_plain(copy: BytesIO, order: str) -> bool:
    """Write the default repertoire over the Specific Character Set where `copy` stands; False where that is known."""
    at = copy.tell()
    head = copy.read(8)
    if len(head) < 8 or struct.unpack(f"{order}HH", head[:4]) != (0x0008, 0x0005):
        return False
    length: int = (
        struct.unpack(f"{order}H", head[6:])[0] if head[4:6] == b"CS" else struct.unpack(f"{order}I", head[4:])[0]
    )
    terms = copy.read(length).decode("ascii", "replace")
    if known_character_set(terms):
        return False
    copy.seek(at + 8)
    copy.write(_DEFAULT.encode().ljust(length)[:length] if length >= len(_DEFAULT) else b" " * length)
    copy.seek(0)
    return True
