"""Coded concepts that may leave: those of the standard's schemes, in the standard's own words where it has some.

A code's value and its meaning are fields that anybody can write a name into. So a code stays where it is known: in
pydicom's dictionary of PS3.16, to a model package of the node, or, of SNOMED CT, by its check digit.
"""

from collections.abc import Collection, Mapping
from functools import cache

from pydicom.dataset import Dataset
from pydicom.sr import _concepts_dict

from dicom_node.attributes.reader import text_of
from dicom_node.deidentification.words import Cleaner
from domain.findings import Code

_VALUES = ("CodeValue", "LongCodeValue")
_SNOMED = frozenset({"SCT"})
_SHORTEST, _LONGEST = 6, 18  # digits of a SNOMED CT identifier
# Verhoeff's check digit, as SNOMED CT identifiers have it: the dihedral group of ten and its permutation.
_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


class Codes:
    """Judges coded concepts; `known` are those of the node's model packages."""

    def __init__(self, cleaner: Cleaner, known: Collection[Code] = ()) -> None:
        self._cleaner = cleaner
        self._known: Mapping[tuple[str, str], str] = {(one.scheme, one.value): one.meaning for one in known}

    def meaning(self, item: Dataset) -> str | None:
        """What the concept of a code's item is called where the code may stay; None where it may not."""
        scheme, value = (
            text_of(item, "CodingSchemeDesignator"),
            next(filter(None, (text_of(item, k) for k in _VALUES)), ""),
        )
        found = self._known.get((scheme, value)) or _standard().get((scheme, value))
        if found is not None:
            return found
        if scheme in _SNOMED and is_snomed(value):
            return self._cleaner.text(text_of(item, "CodeMeaning")) or "concept"
        return None


def is_code(item: Dataset) -> bool:
    """Whether an item is a coded concept (PS3.3 8.8)."""
    return any(keyword in item for keyword in (*_VALUES, "URNCodeValue", "CodingSchemeDesignator"))


def is_snomed(value: str) -> bool:
    """Whether the value has the form and the check digit of a SNOMED CT identifier."""
    if not (value.isascii() and value.isdigit() and _SHORTEST <= len(value) <= _LONGEST):
        return False
    check = 0
    for position, digit in enumerate(reversed(value)):
        check = _dihedral(check, _permuted(int(digit), position % 8))
    return check == 0


def _permuted(digit: int, times: int) -> int:
    for _ in range(times):
        digit = _PERMUTED[digit]
    return digit


def _dihedral(a: int, b: int) -> int:
    """The product of two elements of the dihedral group of order ten."""
    turned = (a % 5 + b) % 5 if a < 5 else (a - b) % 5
    return turned + 5 * ((a >= 5) ^ (b >= 5))


@cache
def _standard() -> Mapping[tuple[str, str], str]:
    """The meaning of each code that pydicom's dictionary of PS3.16 knows."""
    found = {}
    dictionary: Mapping[str, Mapping[str, Mapping[str, tuple[str, list[int]]]]] = _concepts_dict.concepts  # type: ignore[assignment]
    for scheme, concepts in dictionary.items():
        for codes in concepts.values():
            found.update({(scheme, value): meaning for value, (meaning, _) in codes.items()})
    return found
