"""The words and codes that results are written in.

Text that the node adds is ASCII, so that every character set that a source may have declared holds it.
"""

import unicodedata

from highdicom.sr import CodedConcept

from domain.findings import Code, ModelIdentity
from domain.profiles import Kind

NOT_VERIFIED = "AI generated, not verified"
DEMONSTRATION = "demonstration model, not for clinical use"

# Behind the scanner's own series in a list by number; a result is told apart by its description and UID.
SERIES_NUMBERS = {kind: 9001 + number for number, kind in enumerate(Kind)}

COMMENT = CodedConcept("121106", "DCM", "Comment")
ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")
CERTAINTY = CodedConcept("111012", "DCM", "Certainty of Finding")
PERCENT = CodedConcept("%", "UCUM", "Percent")
PRESENCE = CodedConcept("121052", "DCM", "Presence of property")
PRESENT = CodedConcept("52101004", "SCT", "Present")
ABSENT = CodedConcept("272519000", "SCT", "Absent")
ANATOMICAL_STRUCTURE = ("123037004", "SCT")

# CID 100 "Quantitative Diagnostic Imaging Procedures": nothing in the source names the body region in this code set.
_PROCEDURE = {
    "CT": CodedConcept("25045-6", "LN", "CT unspecified body region"),
    "MR": CodedConcept("25056-3", "LN", "MRI unspecified body region"),
    "PT": CodedConcept("44136-0", "LN", "PET unspecified body region"),
    "NM": CodedConcept("49118-3", "LN", "NM unspecified body region"),
}
_MODALITY = {
    "CR": "Computed Radiography",
    "CT": "Computed Tomography",
    "DX": "Digital Radiography",
    "MR": "Magnetic Resonance",
    "NM": "Nuclear Medicine",
    "PT": "Positron emission tomography",
}
_ANY_PROCEDURE = CodedConcept("363679005", "SCT", "Imaging procedure")
_RADIOGRAPHY = CodedConcept("43468-8", "LN", "XR unspecified body region")


def concept(code: Code) -> CodedConcept:
    """The code as DICOM writes it; its meaning in ASCII, at most 64 characters."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=short(code.meaning))


def procedure(modality: str) -> CodedConcept:
    """The procedure reported, of CID 100."""
    return _RADIOGRAPHY if modality in ("CR", "DX") else _PROCEDURE.get(modality, _ANY_PROCEDURE)


def modality(name: str) -> CodedConcept:
    """The modality as CID 29 codes it: the DCM code is the value of Modality."""
    return CodedConcept(name or "OT", "DCM", _MODALITY.get(name, name or "Other Modality"))


def plain(text: str) -> str:
    """`text` in printable ASCII: accents dropped, what has no equal replaced, no value delimiter (PS3.5 6.1)."""
    bare = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" and letter != "\\" else "?" for letter in letters)


def short(text: str) -> str:
    """`text` as a value of VR LO: ASCII, at most 64 characters."""
    return plain(text)[:64].strip()


def series_description(model: ModelIdentity) -> str:
    """What a list of series shows: that no person has looked, then the model."""
    kind = " (demonstration)" if model.demonstration else ""
    return short(f"{NOT_VERIFIED}{kind}: {model.title}")


def warning(model: ModelIdentity) -> str:
    """The sentence that every result of this model carries."""
    return f"{NOT_VERIFIED}; {DEMONSTRATION}" if model.demonstration else NOT_VERIFIED


def content_description(model: ModelIdentity) -> str:
    """The most important part of `warning` in 64 characters."""
    return DEMONSTRATION.capitalize() if model.demonstration else NOT_VERIFIED
