"""The coding schemes that a package's codes may be of, and whether a code can be written into a DICOM object.

Schemes and their UIDs: PS3.16 table 8-1. A scheme of one's own begins with 99 (PS3.16 section 8.2).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from domain.findings import Code


@dataclass(frozen=True)
class Scheme:
    """A coding scheme: its UID, its name, and what its code values look like."""

    uid: str
    name: str
    values: str = r"[\x21-\x7e]+"


SCHEMES: Mapping[str, Scheme] = {
    "DCM": Scheme("1.2.840.10008.2.16.4", "DICOM Controlled Terminology", r"[0-9A-Z]+"),
    "FMA": Scheme("2.16.840.1.113883.6.119", "Foundational Model of Anatomy", r"[0-9]+"),
    "IBSI": Scheme("1.2.840.10008.2.16.13", "Image Biomarker Standardisation Initiative", r"[0-9A-Z]{4}"),
    "LN": Scheme("2.16.840.1.113883.6.1", "LOINC", r"[0-9]{1,7}-[0-9]"),
    "NCIt": Scheme("2.16.840.1.113883.3.26.1.1", "NCI Thesaurus", r"C[0-9]+"),
    "RADLEX": Scheme("2.16.840.1.113883.6.256", "RadLex", r"R(ID|PID)[0-9]+"),
    "SCT": Scheme("2.16.840.1.113883.6.96", "SNOMED CT", r"[1-9][0-9]{5,17}"),
    "UCUM": Scheme("2.16.840.1.113883.6.8", "Unified Code for Units of Measure"),
    "UMLS": Scheme("2.16.840.1.113883.6.86", "UMLS concept unique identifiers", r"C[0-9]{7}"),
}
# CID 244: right, left, right and left, unilateral.
SIDES = (("24028007", "SCT"), ("7771000", "SCT"), ("51440002", "SCT"), ("66459002", "SCT"))
_PRIVATE = re.compile(r"99[0-9A-Za-z_-]{1,14}")
_ONE_OF_OUR_OWN = Scheme("", "", r"[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]*[\x21-\x5b\x5d-\x7e])?")

# Verhoeff's check digit, with which a SNOMED CT identifier ends: the products of the dihedral group of order ten, and
# a permutation for each place.
_PRODUCTS = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PLACES = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def is_private(scheme: str) -> bool:
    """Whether a coding scheme designator is that of a local scheme."""
    return bool(_PRIVATE.fullmatch(scheme))


def fault(code: Code, unit: bool) -> tuple[str, str] | None:
    """Which part of the code is wrong, and what it must be; None where nothing is.

    Value and scheme are SH, the meaning LO (PS3.3 section 8, PS3.5 section 6.2). A `unit` is of UCUM, nothing else is.
    """
    scheme = _ONE_OF_OUR_OWN if is_private(code.scheme) else SCHEMES.get(code.scheme)
    if scheme is None:
        return (
            "scheme",
            f"must be one of {', '.join(SCHEMES)}, or one's own that begins with 99 (at most 16 characters)",
        )
    if unit != (code.scheme == "UCUM"):
        return "scheme", "must be UCUM" if unit else "is of units; this is none"
    if not 0 < len(code.value) <= 16 or not re.fullmatch(scheme.values, code.value):
        return "value", f"is no code of {scheme.name or code.scheme} (at most 16 characters)"
    if code.scheme == "SCT" and not _checks(code.value):
        return "value", "is no code of SNOMED CT: its last digit does not go with the others"
    if not 0 < len(code.meaning) <= 64 or not _readable(code.meaning):
        return "meaning", "must have 1 to 64 characters, of the Latin alphabet, without backslash"
    return None


def _checks(identifier: str) -> bool:
    check = "0"
    for place, digit in enumerate(reversed(identifier)):
        check = _PRODUCTS[int(check)][int(_PLACES[place % 8][int(digit)])]
    return check == "0"


def _readable(text: str) -> bool:
    """Whether something is left of it in ASCII, in which results are written (an accent may go)."""
    bare = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return text == text.strip() and all(" " <= letter <= "~" and letter != "\\" for letter in bare)
