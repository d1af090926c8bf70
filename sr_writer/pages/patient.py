"""Whose study a document is of, in words: what a hospital wants at the head of a page that stays in its archive.

Names are as the source wrote them, in its own character set; nothing of this reaches a page that leaves names out.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import title
from sr_writer.encoding.elements import read
from sr_writer.source import Source

# What pydicom raises on the first use of a value that is not what its VR says.
_WRONG = (AttributeError, IndexError, KeyError, LookupError, NotImplementedError, OverflowError, TypeError, ValueError)
_UNSTATED, _UNREADABLE, _NO_LETTERS = "not stated", "cannot be read", "in letters that this page has not"
_TAKEN_FROM = {
    "name": "PatientName",
    "patient_id": "PatientID",
    "birth_date": "PatientBirthDate",
    "study_date": "StudyDate",
    "accession": "AccessionNumber",
}


@dataclass(frozen=True)
class Head:
    """Values in words; "not stated" where the source says nothing, "cannot be read" where what it says is broken."""

    name: str
    patient_id: str
    birth_date: str
    study_date: str
    accession: str
    institution: str

    @property
    def lines(self) -> tuple[str, ...]:
        """Who, then which study."""
        return (
            f"{self.name}; ID {self.patient_id}; born {self.birth_date}",
            f"Study of {self.study_date}; accession {self.accession}; {self.institution}",
        )


def head(source: Source, printable: Callable[[str], bool]) -> Head:
    """The head of a document about this study, whose page has the letters that are `printable`.

    Whose it is stands there as in the header of every result; the institution, which no result has, as in the source.
    """
    header = read(source.identity)
    image = opened(source.instances[0].file, "a file of the source", ["SpecificCharacterSet", "InstitutionName"])
    said = Head(
        name=_name(header, printable),
        patient_id=_text(header, "PatientID", printable),
        birth_date=_date(header, "PatientBirthDate"),
        study_date=_date(header, "StudyDate"),
        accession=_text(header, "AccessionNumber", printable),
        institution=_institution(image, printable),
    )
    return replace(said, **{field: getattr(said, field).replace(_UNSTATED, _UNREADABLE) for field in _broken(source)})


def _broken(source: Source) -> list[str]:
    """What was left out of every result because it is broken, which is not as if it had never been stated."""
    left_out = [remark.partition(" of the source ")[0] for remark in source.remarks]
    return [field for field, keyword in _TAKEN_FROM.items() if title(keyword) in left_out]


def _institution(header: Dataset, printable: Callable[[str], bool]) -> str:
    """The institution; what stands in place of one says that it is the institution's, for no word before it does."""
    said = _text(header, "InstitutionName", printable)
    return f"institution {said}" if said in {_UNSTATED, _UNREADABLE, _NO_LETTERS} else said


def _name(header: Dataset, printable: Callable[[str], bool]) -> str:
    """`Yamada, Tarou`: the first way to write it (PS3.5 section 6.2.1) that the page has letters for."""
    try:
        written = header.get("PatientName") or ""
        name = written if isinstance(written, PersonName) else PersonName(str(written))
        groups = [str(one) for one in (name.alphabetic, name.ideographic, name.phonetic) if str(one).strip("^ ")]
    except _WRONG:
        return "Name cannot be read"
    if not groups:
        return "Name not stated"
    shown = next((one for one in groups if printable(one)), None)
    if shown:
        return _spoken(shown)
    return f"Name in {_script(groups[0])} letters that this page has not, see the header of this object"


def _script(name: str) -> str:
    """Whose letters a name is written in (`Greek`), by what Unicode calls the first that is not Latin."""
    called = (unicodedata.name(letter, "OTHER").removeprefix("HALFWIDTH ") for letter in name if letter.isalpha())
    first = next((one.split()[0] for one in called if not one.startswith("LATIN")), "OTHER")
    return {"CJK": "Han", "OTHER": "other"}.get(first, first.capitalize())


def _spoken(name: str) -> str:
    family, given, middle, prefix, suffix = (part.strip() for part in (name.split("^") + [""] * 5)[:5])
    first = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, first) if part)


def _text(header: Dataset, keyword: str, printable: Callable[[str], bool]) -> str:
    try:
        said = str(header.get(keyword) or "").strip()
    except _WRONG:
        return _UNREADABLE
    if said and not printable(said):
        return _NO_LETTERS
    return said or _UNSTATED


def _date(header: Dataset, keyword: str) -> str:
    """`1970-01-01`; any other value as it stands."""
    said = _text(header, keyword, str.isascii)
    return f"{said[:4]}-{said[4:6]}-{said[6:]}" if len(said) == 8 and said.isdigit() else said
