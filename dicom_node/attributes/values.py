"""Whether a value is valid by itself, so that it may be copied: VR, multiplicity, length, repertoire, defined terms.

PS3.5 6.2 for the value representations, PS3.3 for the few values that it enumerates and for what an item of a sequence
must have. Nothing here says what a value means.
"""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pydicom import Dataset
from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from dicom_node.attributes.reader import is_uid, items_of, text_of

CHARACTER_SET = 0x0008_0005
LATIN_1 = "ISO_IR 100"

# VRs of text whose characters are those of Specific Character Set; others have the default's.
EXTENDED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_WHOLE = frozenset({"LT", "ST", "UR", "UT"})  # a backslash parts no values in these
_LINES = "\t\n\f\r"
_LONGEST = 0xFFFE  # bytes that a length of 16 bits can tell (PS3.5 7.1.2)
_SIZES = {
    "AT": 4, "US": 2, "SS": 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8, "FL": 4, "FD": 8, "OW": 2, "OL": 4, "OF": 4, "OD": 8,
    "OV": 8, "OB": 1, "UN": 1,
}  # fmt: skip
_ENUMERATED: Mapping[str, frozenset[str]] = {
    "PatientSex": frozenset("MFO"),
    "PatientIdentityRemoved": frozenset({"YES", "NO"}),
    "QualityControlSubject": frozenset({"YES", "NO"}),
    "SmokingStatus": frozenset({"YES", "NO", "UNKNOWN"}),
    "PatientSexNeutered": frozenset({"ALTERED", "UNALTERED"}),
    "PregnancyStatus": frozenset("1234"),
    "Laterality": frozenset("LR"),
    "LossyImageCompression": frozenset({"00", "01"}),
    "ConsentForDistributionFlag": frozenset({"NO", "YES", "WITHDRAWN"}),
}
# What an item has to have for the sequence to be of use (type 1), by the sequence; of a code any one of three values.
_CODE = (("CodeMeaning",), ("CodeValue", "LongCodeValue", "URNCodeValue"))
_REFERENCE = (("ReferencedSOPClassUID",), ("ReferencedSOPInstanceUID",))
_NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "OtherPatientIDsSequence": (("PatientID",), ("TypeOfPatientID",)),
    "ReferencedStudySequence": _REFERENCE,
    "ReferencedPatientSequence": _REFERENCE,
    "IssuerOfAccessionNumberSequence": (("LocalNamespaceEntityID", "UniversalEntityID"),),
    "IssuerOfAdmissionIDSequence": (("LocalNamespaceEntityID", "UniversalEntityID"),),
    "IssuerOfServiceEpisodeIDSequence": (("LocalNamespaceEntityID", "UniversalEntityID"),),
}
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TIME = re.compile(r"([01][0-9]|2[0-3])([0-5][0-9](([0-5][0-9]|60)(\.[0-9]{1,6})?)?)?")
_DATE_TIME = re.compile(
    r"[0-9]{4}([01][0-9]([0-3][0-9]([0-2][0-9]([0-5][0-9]([0-6][0-9](\.[0-9]{1,6})?)?)?)?)?)?([+-][0-9]{4})?"
)


def _date(text: str) -> bool:
    try:
        return len(text) == 8 and text.isascii() and text.isdigit() and bool(datetime.strptime(text, "%Y%m%d"))
    except ValueError:
        return False


def _name(text: str) -> bool:
    """Up to three groups of up to five components and 64 characters (PS3.5 6.2.1)."""
    groups = text.split("=")
    return len(groups) <= 3 and all(len(one) <= 64 and one.count("^") <= 4 for one in groups)


def _like(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _of(most: int) -> Callable[[str], bool]:
    return lambda text: len(text) <= most


# One value of each VR of text; spaces around it do not count.
_TEXTS: Mapping[str, Callable[[str], bool]] = {
    "AE": _of(16),
    "AS": _like(r"[0-9]{3}[DWMY]"),
    "CS": _like(r"[A-Z0-9_ ]{1,16}"),
    "DA": _date,
    "DS": lambda text: len(text) <= 16 and _DECIMAL.fullmatch(text) is not None,
    "DT": lambda text: _DATE_TIME.fullmatch(text) is not None,
    "IS": lambda text: re.fullmatch(r"[+-]?[0-9]{1,11}", text) is not None and -(2**31) <= int(text) < 2**31,
    "LO": _of(64),
    "LT": _of(10240),
    "PN": _name,
    "SH": _of(16),
    "ST": _of(1024),
    "TM": lambda text: _TIME.fullmatch(text) is not None,
    "UC": _of(1 << 31),
    "UI": is_uid,
    "UR": _like(r"[!-~]*"),
    "UT": _of(1 << 31),
}


def fault(dataset: Dataset, key: str | int, character_set: Sequence[str] = ()) -> str:
    """Why an element of `dataset` is not valid by itself, in words that follow its name; empty where it is.

    `character_set` are the terms of what encloses it.
    """
    tag = Tag(key)
    vr = vr_of(dataset, tag)
    if vr is None:
        return "has a value representation that it cannot have"
    if vr == "SQ":
        return _fault_of_items(dataset, tag, character_set)
    value = raw_value(dataset, tag)
    if vr in _SIZES:
        wrong = _fault_of_size(value, vr, tag)
        return wrong or _fault_of_term(text_of(dataset, tag), tag)
    text = decoded(value, character_set if vr in EXTENDED else ())
    return "has characters that it cannot have" if text is None else _fault_of_text(text, vr, tag)


def legible(dataset: Dataset, key: str | int, character_set: Sequence[str] = ()) -> bool:
    """Whether an element is text that can be read and written, be it too long, of no such form or none of its terms."""
    tag = Tag(key)
    vr = vr_of(dataset, tag)
    if vr is None or vr not in _TEXTS:
        return False
    value = raw_value(dataset, tag)
    text = decoded(value, character_set if vr in EXTENDED else ())
    return text is not None and len(value) <= _LONGEST and (vr in _WHOLE or not any(one in text for one in _LINES))


def raw_value(dataset: Dataset, tag: BaseTag) -> bytes:
    """The bytes of a value that pydicom has not converted, without what pads them; text that it has, as ASCII."""
    element = dataset.get_item(tag, keep_deferred=True)
    if isinstance(element, RawDataElement):
        return (element.value or b"").rstrip(b"\0") if element.VR not in _SIZES else element.value or b""
    return text_of(dataset, tag).encode("ascii", "replace")


def vr_of(dataset: Dataset, tag: BaseTag) -> str | None:
    """The VR of an element by the dictionary, where the bytes may be of it; None where what the file states forbids it.

    One text may pass for another; neither text for numbers nor anything for a sequence.
    """
    element = dataset.get_item(tag, keep_deferred=True)
    stated = element.VR
    known = _dictionary_vrs(tag)
    if not known:
        return stated if stated in _SIZES or stated in _TEXTS or stated == "SQ" else None
    if stated in known:
        return stated
    if stated in (None, "UN"):
        return known[0] if len(known) == 1 or known[0] == "SQ" else "UN"
    return known[0] if stated in _TEXTS and known[0] in _TEXTS else None


def _dictionary_vrs(tag: BaseTag) -> list[str]:
    try:
        return dictionary_VR(tag).split(" or ")
    except KeyError:
        return []


def decoded(value: bytes, terms: Sequence[str]) -> str | None:
    """Text in a Specific Character Set; None where that does not explain it."""
    known = [term.strip(" ") for term in terms] or [""]
    try:
        if len(known) == 1 and b"\x1b" not in value:
            text = value.decode("ascii" if known[0] in ("", "ISO_IR 6") else python_encoding[known[0]])
        else:
            with warnings.catch_warnings(action="ignore"):
                text = decode_bytes(value, convert_encodings(known), set(map(ord, _LINES)))
    except (LookupError, UnicodeError, ValueError):
        return None
    odd = any((ord(one) < 0x20 and one not in _LINES) or 0x7F <= ord(one) < 0xA0 or one == "\ufffd" for one in text)
    return None if odd else text


def _fault_of_text(text: str, vr: str, tag: BaseTag) -> str:
    if vr not in _WHOLE and any(one in text for one in _LINES):
        return "has characters that it cannot have"
    parts = [text.rstrip(" ")] if vr in _WHOLE else [part.strip(" ") for part in text.split("\\")]
    if parts == [""]:
        return ""
    if not _may_be(len(parts), tag):
        return f"has {len(parts)} values"
    if not all(map(_TEXTS[vr], filter(None, parts))):
        return f"is no value of its kind ({vr})"
    return _fault_of_term(text, tag)


def _fault_of_term(text: str, tag: BaseTag) -> str:
    terms = _ENUMERATED.get(keyword_for_tag(tag))
    return "is none of its enumerated values" if terms and text.strip(" ") and text.strip(" ") not in terms else ""


def _fault_of_size(value: bytes, vr: str, tag: BaseTag) -> str:
    count, rest = divmod(len(value), _SIZES[vr])
    if rest or (value and vr[0] != "O" and vr != "UN" and not _may_be(count, tag)):
        return f"is no value of its kind ({vr})"
    return ""


def _may_be(count: int, tag: BaseTag) -> bool:
    """Whether the dictionary allows so many values: "1", "1-3", "2-2n" (PS3.5 6.4)."""
    try:
        least, _, most = dictionary_VM(tag).partition("-")
    except KeyError:
        return True
    if not most:
        return count == int(least)
    if most.endswith("n"):
        return count >= int(least) and count % int(most[:-1] or 1) == 0
    return int(least) <= count <= int(most)


def _fault_of_items(dataset: Dataset, tag: BaseTag, character_set: Sequence[str]) -> str:
    items = items_of(dataset, tag)
    if not items:
        return "" if _is_empty(dataset, tag) else "is no sequence of items"
    keyword = keyword_for_tag(tag)
    needed = _NEEDED.get(keyword, _CODE if keyword.endswith("CodeSequence") else ())
    for item in items:
        if any(not any(text_of(item, one) for one in choice) for choice in needed):
            return "has an item without what it needs"
        terms = text_of(item, CHARACTER_SET).split("\\") if CHARACTER_SET in item else character_set
        if any(fault(item, inner, terms) for inner in item.keys()):  # noqa: SIM118  (iterating would convert)
            return "has an item that is not valid"
    return ""


def _is_empty(dataset: Dataset, tag: BaseTag) -> bool:
    element = dataset.get_item(tag, keep_deferred=True)
    return not element.value
