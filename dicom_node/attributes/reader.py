"""Attributes that the node needs, of images of any writer: the value, or a refusal that names attribute and image.

Values are taken from the bytes by what the dictionary says of the attribute, so that neither a VR that nobody knows nor
a neighbour that is broken stands in the way. What an attribute says where it is no identity is in the refusal too.
"""

import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydicom import Dataset
from pydicom.datadict import dictionary_description, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID
from pydicom.valuerep import DSfloat

from dicom_node.attributes.files import DAMAGED, Source, opened, tags_of
from domain.errors import UnusableInput

# Numbers in binary, by their VR (PS3.5 6.2).
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
# A decimal string (DS) or integer string (IS), as long as anybody writes them; sixteen characters are what DS may have.
_DECIMAL = re.compile(r"[+-]?([0-9]{1,32}(\.[0-9]{0,32})?|\.[0-9]{1,32})([eE][+-]?[0-9]{1,4})?")
_LONGEST_DS = 16
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
_SHOWN = 64
# What a refusal shows: numbers and UIDs, as wrong as they may be, and the units of PS3.3 C.8.9.1.1.3 and C.11.1.1.2.
_SHOWABLE = re.compile(
    r"[0-9+\-.,eE\\ ]*|CNTS|NONE|CM2|CM2ML|PCNT|CPS|BQML|MGMINML|UMOLMINML|MLMING|MLG|1CM|UMOLML|PROPCNTS|PROPCPS"
    r"|MLMINML|MLML|GML|STDDEV|OD|HU|US|MGML|Z_EFF|ED|EDW|HU_MOD|PCT|BW|LBM|LBMJANMA|BSA|IBW"
)


@dataclass(frozen=True, eq=False)
class Attributes:
    """What one image says, or one frame of it. `name` is what refusals call it.

    `groups` are the functional groups of a frame, its own before those that all frames share (PS3.3 C.7.6.16.1).
    """

    dataset: Dataset
    name: str
    groups: tuple[Dataset, ...] = ()

    def frame(self, number: int) -> "Attributes":
        """Frame `number` (from 1) of an image with functional groups; of one without them, the image itself."""
        own, shared = self.items("PerFrameFunctionalGroupsSequence"), self.items("SharedFunctionalGroupsSequence")
        groups = (*own[number - 1 : number], *shared[:1])
        return replace(self, name=f"frame {number} of {self.name}", groups=groups) if groups else self

    def text(self, keyword: str, macro: str = "") -> str:
        """The value as text, its parts parted by backslashes; empty where there is none.

        Looked for in the functional group macro `macro` first, then, as writers put it there too, in the image itself.
        """
        return next(filter(None, (text_of(one, keyword) for one in self._holders(macro))), "")

    def words(self, keyword: str, macro: str = "") -> list[str]:
        """The parts of the value as text."""
        text = self.text(keyword, macro)
        return [part.strip(" ") for part in text.split("\\")] if text else []

    def decimals(self, keyword: str, count: int, macro: str = "") -> tuple[DSfloat, ...]:
        """Exactly `count` finite numbers, each with the digits that the image has, where a DS holds them.

        Raises UnusableInput where they are absent or not that.
        """
        numbers = decimals_of(self._needed(keyword, macro))
        if numbers is None or len(numbers) != count:
            raise self._no_numbers(keyword, count, macro)
        return numbers

    def decimals_if_sound(self, keyword: str, count: int, macro: str = "") -> tuple[DSfloat, ...] | None:
        """As `decimals`, and None where they are absent or not that."""
        numbers = decimals_of(self.text(keyword, macro))
        return numbers if numbers and len(numbers) == count else None

    def numbers(self, keyword: str, count: int, macro: str = "") -> tuple[float, ...]:
        """As `decimals`, without their digits."""
        numbers = numbers_of(self._needed(keyword, macro))
        if numbers is None or len(numbers) != count:
            raise self._no_numbers(keyword, count, macro)
        return numbers

    def number(self, keyword: str, macro: str = "") -> float:
        """As `numbers`, of one."""
        return self.numbers(keyword, 1, macro)[0]

    def whole(self, keyword: str, least: int, most: int = 0xFFFF) -> int:
        """A whole number from `least` to `most`; raises UnusableInput where it is absent or none."""
        number = self.number(keyword)
        if not (number.is_integer() and least <= number <= most):
            raise self.wrong(keyword, f"is no whole number from {least} to {most}", self.text(keyword))
        return int(number)

    def count_of_frames(self) -> int:
        """Number of Frames; 1 where it says none that can be, for an image has one at least (PS3.3 C.7.6.6)."""
        stated = numbers_of(self.text("NumberOfFrames")) or ()
        return int(stated[0]) if len(stated) == 1 and stated[0].is_integer() and stated[0] >= 1 else 1

    def uid(self, keyword: str) -> str:
        """What names something; raises UnusableInput where it is absent or none."""
        text = self.text(keyword)
        if not is_uid(text):
            raise UnusableInput(f"{self.name} states no {title(keyword)}" + (" that is one" if text else ""))
        return text

    def items(self, keyword: str) -> Sequence[Dataset]:
        """The items of a sequence of the image; none where it is absent or none that can be read."""
        return items_of(self.dataset, keyword)

    def wrong(self, keyword: str, said: str, value: str) -> UnusableInput:
        """The refusal of an attribute's value, which is none that is of the patient."""
        return UnusableInput(f"{title(keyword)} of {self.name} {said}: {shown(value)}")

    def _needed(self, keyword: str, macro: str) -> str:
        text = self.text(keyword, macro)
        if not text:
            broken = any(is_there(one, keyword) for one in self._holders(macro))
            raise UnusableInput(f"{self.name} states no {title(keyword)}{' that can be read' if broken else ''}")
        return text

    def _no_numbers(self, keyword: str, count: int, macro: str) -> UnusableInput:
        said = f"is not {count} numbers" if count > 1 else "is not a number"
        return self.wrong(keyword, said, self.text(keyword, macro))

    def _holders(self, macro: str) -> Iterator[Dataset]:
        for group in self.groups if macro else ():
            yield from items_of(group, macro)[:1]
        yield self.dataset


def opened_image(path: Source, file: str, tags: Sequence[str | int], pixels: bool = False) -> Attributes:
    """The elements `tags` of an instance's file, which errors call by its Instance Number, or by its UID.

    `file` is what they call it before that is known. Raises as `attributes.files.opened` does, and UnusableInput where
    the file names no instance: of one that ends within encapsulated pixel data, pydicom returns no element at all.
    """
    dataset = opened(path, file, tags, pixels)
    uid = text_of(dataset, "SOPInstanceUID")
    if not uid:
        raise UnusableInput(f"{file} is cut short or damaged, for it names no instance: have it sent again")
    number = numbers_of(text_of(dataset, "InstanceNumber")) or ()
    named = len(number) == 1 and number[0].is_integer()
    return Attributes(dataset, f"image {int(number[0])}" if named else f"instance {shown(uid)}")


def numbers_of(text: str) -> tuple[float, ...] | None:
    """The finite decimals that backslashes part; None where one of them is none, or there is none at all."""
    parts = [part.strip(" ") for part in text.split("\\")]
    if not all(map(_DECIMAL.fullmatch, parts)):
        return None
    numbers = tuple(map(float, parts))
    return numbers if all(map(math.isfinite, numbers)) else None


def decimals_of(text: str) -> tuple[DSfloat, ...] | None:
    """As `numbers_of`, each with its own digits; with more than a DS may have, rounded so that it may be written."""
    if numbers_of(text) is None:
        return None
    return tuple(_decimal(part.strip(" ")) for part in text.split("\\"))


def _decimal(text: str) -> DSfloat:
    return DSfloat(text) if len(text) <= _LONGEST_DS else DSfloat(float(text), auto_format=True)


def text_of(dataset: Dataset, key: str | int) -> str:
    """The value of an element as text, up to its first NUL; empty for none, and for what is no text or number."""
    tag = _tag(key)
    if tag not in dataset:
        return ""
    element = dataset.get_item(tag, keep_deferred=True)
    if not isinstance(element, RawDataElement):
        return _joined(element.value)
    value = element.value or b""
    code = _BINARY.get(element.VR if element.VR in _BINARY else _dictionary_vr(tag, element.VR))
    if code:
        return _unpacked(value, ("<" if element.is_little_endian else ">") + code)
    return value.decode("ascii", "replace").partition("\0")[0].strip(" ")


def is_there(dataset: Dataset, key: str | int) -> bool:
    """Whether the element has a value, whatever that is."""
    tag = _tag(key)
    if tag not in dataset:
        return False
    value = dataset.get_item(tag, keep_deferred=True).value
    return bool(value.strip(b"\0 ") if isinstance(value, bytes) else value)


def items_of(dataset: Dataset, key: str | int) -> Sequence[Dataset]:
    """The items of a sequence; none where it is absent or none that can be read."""
    tag = _tag(key)
    if tag not in dataset:
        return ()
    try:
        value = dataset[tag].value
    except (*DAMAGED, OSError):  # pydicom's too, for items that end within a tag; no file is read any more
        return ()
    return value if isinstance(value, DicomSequence) else ()


def is_uid(text: str) -> bool:
    """Whether `text` can name something; a leading zero in a component is against PS3.5 9.1, but in use."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def class_name(sop_class: str) -> str:
    """What the standard calls a SOP class."""
    name = UID(sop_class).name if is_uid(sop_class) else ""
    return name if name != sop_class and name else "of no known class"


def title(key: str | int) -> str:
    """What the standard calls an attribute of its dictionary."""
    return dictionary_description(Tag(key))


def shown(value: str) -> str:
    """A value as a refusal may show it: one of numbers, UIDs or terms. Whatever else stands there may be a name."""
    if not _SHOWABLE.fullmatch(value):
        return "text, which is not shown"
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


def _tag(key: str | int) -> BaseTag:
    return tags_of((key,))[0]


def _dictionary_vr(tag: BaseTag, stated: str | None) -> str:
    """The VR of an element that states none, or none that is known: binary numbers are told by the dictionary alone."""
    if stated and stated != "UN" and stated.isalpha() and stated.isupper():
        return stated
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return ""


def _unpacked(value: bytes, code: str) -> str:
    size = struct.calcsize(code)
    if not value or len(value) % size:
        return ""
    return "\\".join(repr(number) for (number,) in struct.iter_unpack(code, value))


def _joined(value: object) -> str:
    """A value that pydicom has converted already."""
    if value is None or isinstance(value, DicomSequence | bytes):
        return ""
    parts = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
    return "\\".join(map(str, parts))
