"""Coded concepts that may leave: those of the standard's schemes, in the standard's own words where it has some.

A code's value and its meaning are fields that anybody can write a name into. So a code stays where it is known: to
pydicom's dictionary of PS3.16, to a model package of the node, to the table below, or, of SNOMED CT, by a check digit.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import cast

from pydicom.dataset import Dataset
from pydicom.sr import _concepts_dict, _snomed_dict

from dicom_node.attributes.reader import text_of
from dicom_node.deidentification.words import Cleaner
from domain.coding import fault
from domain.findings import Code

_VALUES = ("CodeValue", "LongCodeValue")
_SNOMED, _SNOMED_RT, _LANGUAGES = "SCT", ("SRT", "SNM3", "99SDM"), ("RFC5646", "RFC3066")
_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
# What PS3.16 has and pydicom's dictionary has not: units (UCUM), kinds of evaluations.
_BESIDES: Mapping[tuple[str, str], str] = {
    **{
        ("UCUM", value): meaning
        for value, meaning in {
            "1": "no units", "{ratio}": "ratio", "{pixels}": "pixels", "%": "percent", "ml": "milliliter",
            "l": "liter", "mm2": "square millimeter", "mm3": "cubic millimeter", "mg/cm3": "milligram per cubic cm",
            "g/ml": "gram per milliliter", "Bq/ml": "becquerel per milliliter", "deg": "degree", "g": "gram",
            "ms": "millisecond", "s": "second",
        }.items()
    },
    ("UMLS", "C0034375"): "Qualitative Evaluations",
}  # fmt: skip

# What content items say of the patient (PS3.16 TID 1007, TID 3602): name, id, birth date, sex, age, size, weight, and
# indices of body size. Moved with the other dates, a birth date says how far to whoever knows the birthday.
_OF_THE_SUBJECT = frozenset({
    *(("DCM", one) for one in (
        "121022", "121029", "121030", "121031", "121032", "121033", "121036", "121037", "121110", "121118", "113872",
    )),
    *(("LN", one) for one in (
        "8302-2", "8301-4", "3137-7", "3138-5", "29463-7", "3141-9", "8277-6", "3140-1", "39156-5", "30525-0",
        "21112-8", "46098-0", "21840-4", "76689-9",
    )),
    *(("SCT", one) for one in (
        "397669002", "424144002", "184099003", "263495000", "248152002", "248153007", "734000001", "429019009",
        "50373000", "1153637007", "27113001", "726527001", "60621009", "301898006",
    )),
})  # fmt: skip


class Codes:
    """Judges coded concepts; `known` are those of the node's model packages."""

    def __init__(self, cleaner: Cleaner, known: Collection[Code] = ()) -> None:
        self._cleaner = cleaner
        self._known: Mapping[tuple[str, str], str] = {(one.scheme, one.value): one.meaning for one in known}

    def meaning(self, item: Dataset) -> str | None:
        """What the concept of a code's item is called where the code may stay; None where it may not."""
        scheme = text_of(item, "CodingSchemeDesignator")
        value = next(filter(None, (text_of(item, keyword) for keyword in _VALUES)), "")
        found = self._known.get((scheme, value)) or _standard().get((scheme, value))
        if found is not None or not _is_sound(scheme, value):
            return found
        return self._cleaner.text(text_of(item, "CodeMeaning")) or "concept"


def is_code(item: Dataset) -> bool:
    """Whether an item is a coded concept (PS3.3 8.8)."""
    return any(keyword in item for keyword in (*_VALUES, "URNCodeValue", "CodingSchemeDesignator"))


def is_of_the_subject(item: Dataset) -> bool:
    """Whether a concept names what is asked of a patient and not of images."""
    value = next(filter(None, (text_of(item, keyword) for keyword in _VALUES)), "")
    return (text_of(item, "CodingSchemeDesignator"), value) in _OF_THE_SUBJECT


def _is_sound(scheme: str, value: str) -> bool:
    """Whether a value that is not listed can be nothing but a code."""
    if scheme == _SNOMED:
        return fault(Code(value, scheme, "any"), unit=False) is None
    return scheme in _LANGUAGES and bool(_LANGUAGE.fullmatch(value))


@cache
def _standard() -> Mapping[tuple[str, str], str]:
    """The meaning of each code that is listed, those of SNOMED RT, which came before SNOMED CT, among them."""
    found = dict(_BESIDES)
    dictionary = cast("Mapping[str, Mapping[str, Mapping[str, tuple[str, object]]]]", _concepts_dict.concepts)
    for scheme, concepts in dictionary.items():
        for codes in concepts.values():
            found.update({(scheme, value): meaning for value, (meaning, _) in codes.items()})
    for earlier, now in _snomed_dict.mapping["SRT"].items():
        found.update({(one, earlier): found[_SNOMED, now] for one in _SNOMED_RT if (_SNOMED, now) in found})
    return found
