"""A second look at what is about to leave, by other means than the scrubber's: no list of attributes, no pydicom.

Whom the study's objects name is gathered once; then the bytes of each file that came of them are searched for every
such word, number and UID, as they stand in any of the encodings that DICOM files are written in. What has one of them
does not leave, whatever the scrubber thinks of it.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_node.attributes.files import DAMAGED
from dicom_node.attributes.reader import is_uid, items_of, text_of

# What identifies without being a name (VR PN): ids, numbers, addresses, whole values.
_IDENTIFYING = (
    "PatientID", "AccessionNumber", "PatientBirthDate", "StudyID", "PatientTelephoneNumbers", "PatientAddress",
    "InstitutionName", "InstitutionAddress", "AdmissionID", "RequestedProcedureID", "ScheduledProcedureStepID",
    "PerformedProcedureStepID", "DeviceSerialNumber", "StationName", "MilitaryRank", "PatientMotherBirthName",
    "FillerOrderNumberImagingServiceRequest", "PlacerOrderNumberImagingServiceRequest", "StudyInstanceUID",
    "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "MedicalRecordLocator", "ServiceEpisodeID",
    "OtherPatientIDs", "InsurancePlanIdentification", "PatientReligiousPreference",
    "CountryOfResidence", "RegionOfResidence", "IssuerOfPatientID",
)  # fmt: skip
# What a station is called too, where nobody gave it a name.
_MAKERS = ("Manufacturer", "ManufacturerModelName")
_SEQUENCES = ("OtherPatientIDsSequence", "RequestAttributesSequence", "ReferencedRequestSequence")
_WORD = re.compile(r"[^\W_]+")
_SHORTEST_WORD = 3  # two letters stand in every file
_SHORTEST_ID = 4
_SHORTEST_NUMBER = 6  # of digits alone: shorter ones stand among the measures of every image
# What is written where nobody is named or nothing is known; an export that was taken in again among it.
_NOBODY = frozenset({
    "ANONYM", "ANONYMISED", "ANONYMIZED", "ANONYMOUS", "DEFAULT", "EMPTY", "NAME", "NONE", "NULL", "OTHER", "PSEUDONYM",
    "REMOVED", "TEST", "UNDEFINED", "UNKNOWN", "UNSPECIFIED",
})  # fmt: skip
_SHORTEST_IN_PIXELS = 7  # letters: shorter ones come by chance
# What text may be written in: PS3.3 C.12.1.1.2, and what programs write besides.
_ENCODINGS = ("latin-1", "utf-8", "iso8859-2", "iso8859-5", "iso8859-7", "cp1252", "shift-jis", "iso2022_jp", "euc-kr",
              "gb18030", "utf-16-le", "utf-16-be")  # fmt: skip
_PIXELS = (b"\xe0\x7f\x10\x00", b"\xe0\x7f\x08\x00", b"\xe0\x7f\x09\x00")
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")


@dataclass
class Identity:
    """Who a study's objects name: `words` of persons' names, `values` of ids and the like, whole."""

    words: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    _made: tuple[tuple[int, int], "Search"] | None = None

    def add(self, source: Dataset) -> None:
        """What one object names, at any depth."""
        for name in _names(source):
            self.words.update(one for one in _WORD.findall(name) if one.upper() not in _NOBODY)
        makers = " ".join(text_of(source, one) for one in _MAKERS).upper()
        self.values.update(one for one in _values(source) if _is_somebody(one) and one.upper() not in makers)

    def search(self) -> "Search":
        """What searches files for it: made once for all that was added until now."""
        known = len(self.words), len(self.values)
        if self._made is None or self._made[0] != known:
            self._made = known, Search((one for one in self.words if len(one) >= _SHORTEST_WORD), self.values)
        return self._made[1]


class Search:
    """Searches files for words and values."""

    def __init__(self, words: Iterable[str], values: Iterable[str]) -> None:
        words, values = set(words), set(values)
        self._forms = {form for one in words | values for form in _forms(one)}
        # UIDs are no text that somebody hides in pixels.
        hidden = (one for one in words | values if len(one) >= _SHORTEST_IN_PIXELS and not is_uid(one))
        self._in_pixels = {form for one in hidden for form in _forms(one)}

    def finds(self, part10: bytes, but: Iterable[str] = ()) -> bool:
        """Whether one of them stands in the file's bytes, by itself; in pixels anyhow.

        `but` are whole sentences that every file has: people are called by some of their words.
        """
        head, pixels = _parted(part10.lower())
        for sentence in but:
            head = head.replace(sentence.lower().encode(), b"")
        return any(_stands(one, head) for one in self._forms) or any(one in pixels for one in self._in_pixels)


def _stands(form: bytes, content: bytes) -> bool:
    """Whether it stands somewhere with no letter and no digit beside it."""
    at = content.find(form)
    while at >= 0:
        beside = content[max(0, at - 1) : at] + content[at + len(form) : at + len(form) + 1]
        if not any(one in _LETTERS for one in beside) and not (form.isdigit() and _is_fraction(content, at, form)):
            return True
        at = content.find(form, at + 1)
    return False


def _is_fraction(content: bytes, at: int, form: bytes) -> bool:
    """Whether digits are of a number with a decimal point, before it or after it."""
    before, after = content[max(0, at - 2) : at], content[at + len(form) :][:2]
    return any(len(two) == 2 and two.replace(b".", b"").isdigit() and b"." in two for two in (before, after))


def _is_somebody(value: str) -> bool:
    """Whether an id, or another value, can tell anybody apart."""
    shortest = _SHORTEST_NUMBER if value.isdigit() else _SHORTEST_ID
    return len(value) >= shortest and value.upper() not in _NOBODY


def _forms(text: str) -> Iterator[bytes]:
    """Its bytes in each encoding that has its letters; bytes know small letters of ASCII alone."""
    for encoding in _ENCODINGS:
        for written in {text, text.lower(), text.upper()}:
            with suppress(UnicodeEncodeError):
                yield written.encode(encoding).lower()


def _parted(content: bytes) -> tuple[bytes, bytes]:
    """What comes before the pixels, and they."""
    at = max(content.rfind(one + vr) for one in _PIXELS for vr in (b"ow", b"ob", b"of", b"od"))
    return (content, b"") if at < 0 else (content[:at], content[at:])


def _names(source: Dataset) -> Iterator[str]:
    for element in _elements(source):
        if element.VR == "PN" and element.value:
            yield from map(str, element.value if element.VM > 1 else [element.value])


def _elements(source: Dataset) -> Iterator[DataElement]:
    """Every element at any depth that can be read."""
    for tag in source.keys():  # noqa: SIM118 - reading an element may fail, and by itself
        try:
            element = source[tag]
            items = element.value if element.VR == "SQ" else ()
        except (*DAMAGED, OSError):  # pydicom's too, for items that end within a tag
            continue
        yield element
        for item in items:
            yield from _elements(item)


def _values(source: Dataset) -> Iterator[str]:
    for holder in (source, *(item for keyword in _SEQUENCES for item in items_of(source, keyword))):
        for keyword in _IDENTIFYING:
            yield from filter(None, (one.strip() for one in text_of(holder, keyword).split("\\")))
