"""The words that results are written in, and how a code is written.

Text that the node adds is ASCII, so that every character set that a source may have declared holds it.
"""

import re
import unicodedata

from highdicom.sr import CodedConcept

from domain.findings import Code, ModelIdentity
from domain.profiles import ResultKind
from domain.rejections import Cause
from sr_writer.codes import concepts

_NAMES = {
    ResultKind.SEG: "segmentation",
    ResultKind.SR_REGIONS: "outlines",
    ResultKind.SR: "report",
    ResultKind.SR_LIKELIHOODS: "findings",
    ResultKind.PM: "map",
    ResultKind.GSPS: "overlay",
    ResultKind.SC: "page",
    ResultKind.KOS: "key images",
    ResultKind.PDF: "PDF",
    ResultKind.TEXT: "text",
    ResultKind.IMPRESSION: "impression",
}
NOT_VERIFIED = "AI generated, not verified"
_DEMO = "AI demo, unverified, not for clinical use"  # its warning in a description
_UNVERIFIED = "AI, unverified"  # as much of it as a list of series has room for
_SUBJECT = 13  # letters of what a result is of: with them, twenty tell one kind from another
_CANDIDATES, _CAND = "candidates", " cand."
DEMONSTRATION = "demonstration model, not for clinical use"

# Behind the scanner's own series in a list by number; a result is told apart by its description and UID.
REJECTION_SERIES_NUMBER = 9011
_FIRST_NUMBER = 9001
SERIES_NUMBERS = {
    kind: number + (number >= REJECTION_SERIES_NUMBER) for number, kind in enumerate(ResultKind, _FIRST_NUMBER)
}

_PROCEDURES = {
    "CR": concepts.RADIOGRAPHY,
    "CT": concepts.CT,
    "DX": concepts.RADIOGRAPHY,
    "MR": concepts.MRI,
    "NM": concepts.NM,
    "PT": concepts.PET,
}
_MODALITIES = {
    one.value: one
    for one in (
        concepts.COMPUTED_RADIOGRAPHY,
        concepts.COMPUTED_TOMOGRAPHY,
        concepts.DIGITAL_RADIOGRAPHY,
        concepts.MAGNETIC_RESONANCE,
        concepts.NUCLEAR_MEDICINE,
        concepts.POSITRON_EMISSION,
    )
}
# Letters of European languages that Unicode does not take apart, and signs of writing and measuring.
_IN_ASCII = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{LEFT SINGLE QUOTATION MARK}": "'", "“": '"', "”": '"', "„": '"',
        "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{MULTIPLICATION SIGN}": "x", "≤": "<=", "≥": ">=", "°": " deg",
        "\N{MICRO SIGN}": "u", "μ": "u",
    }
)  # fmt: skip


def concept(code: Code) -> CodedConcept:
    """The code as DICOM writes it; its meaning in ASCII, at most 64 characters."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=short(code.meaning))


def procedure(modality: str) -> Code:
    """The procedure reported, of CID 100."""
    return _PROCEDURES.get(modality, concepts.IMAGING_PROCEDURE)


def modality(name: str) -> Code:
    """The modality as CID 29 codes it: the DCM code is the value of Modality."""
    return _MODALITIES.get(name) or Code(name or "OT", "DCM", name or "Other Modality")


def plain(text: str) -> str:
    """`text` in printable ASCII: no accents, `ss` for `ß`, `?` for what has no equal and a delimiter (PS3.5 6.1)."""
    bare = unicodedata.normalize("NFKD", text.translate(_IN_ASCII))
    letters = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" and letter != "\\" else "?" for letter in letters)


def short(text: str) -> str:
    """`text` as a value of VR LO: ASCII, at most 64 characters."""
    return plain(text)[:64].strip()


def series_description(model: ModelIdentity, kind: ResultKind, about: str = "", number: int = 1) -> str:
    """What a list of series shows, most of which cut it off: what this one is, that no person has looked, the model.

    `about` stands for what the model's title says that its results are of: `Lungs, segmentation; AI, unverified`. Of
    the study's results by this model, those from the second on begin with which they are, by `number`: `Result 2,
    segmentation: Lungs; AI, unverified`.
    """
    demonstration = ", demo" if model.demonstration else ""
    name = plain(about) or subject(model.title)
    what = f"Result {number}, {_NAMES[kind]}: {name}" if number > 1 else f"{name}, {_NAMES[kind]}"
    return short(f"{what}; {_UNVERIFIED}{demonstration}; {model.name}")


def rejection_description(model: ModelIdentity, cause: Cause, number: int) -> str:
    """What a list of series shows of a rejection note: what became of which result."""
    demonstration = ", demo" if model.demonstration else ""
    return short(f"{cause.capitalize()}: result {number}, {subject(model.title)}; AI{demonstration}; {model.name}")


def subject(title: str) -> str:
    """What a model's results are of, in a word or two: the beginning of its title.

    Candidates stay candidates, lest a list of series name a finding that there may not be: `Nodule cand.`.
    """
    first, *others = re.split(r" (?:in|on|of|for)\b|[(:;,]", plain(title).strip(), maxsplit=1)[0].split() or ["Results"]
    if others and others[-1].lower() == _CANDIDATES:
        of = [first, *others][-2]
        return f"{of[0].upper()}{of[1 : _SUBJECT - len(_CAND)]}{_CAND}"
    said = first[:_SUBJECT]
    for word in others:
        if len(f"{said} {word}") > _SUBJECT:
            break
        said = f"{said} {word}"
    return said


def warning(model: ModelIdentity) -> str:
    """The sentence that every result of this model carries."""
    return f"{NOT_VERIFIED}; {DEMONSTRATION}" if model.demonstration else NOT_VERIFIED


def content_description(model: ModelIdentity, edition: str = "") -> str:
    """All that `warning` says in 64 characters, beside what is said of an `edition` that has one."""
    said = _DEMO if model.demonstration else NOT_VERIFIED
    return short(f"{said}; {edition}" if edition else said)
