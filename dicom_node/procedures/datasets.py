"""The data sets of such messages: read whole, and within limits, before anything is looked at."""

from collections.abc import Iterator
from io import BytesIO

from pydicom import Dataset
from pydicom.filereader import read_dataset

from dicom_node import elements
from dicom_node.attributes.files import by_pydicom, known_character_set
from dicom_node.attributes.reader import items_of, text_of
from dicom_node.attributes.values import decoded
from dicom_node.elements import EXPLICIT, EXPLICIT_BIG, IMPLICIT
from dicom_node.outside import LONGEST_TEXT, words
from domain.errors import Permanent, UnusableInput

TRANSFER_SYNTAXES = (EXPLICIT, IMPLICIT, EXPLICIT_BIG)
#: Elements, items and delimiters: a step of twenty series with ten thousand images each comes to no more.
MOST_STEPS = 1 << 20

_WRONG = "the data set is cut short or damaged"


def read(data: bytes, transfer_syntax: str) -> Dataset:
    """The data set in `data`; raises UnusableInput where it is damaged, or built to exhaust who reads it."""
    try:
        for _ in elements.walk(data, transfer_syntax, course=elements.Course(elements.steps(MOST_STEPS))):
            pass
    except Permanent as error:
        raise UnusableInput(f"{_WRONG}: {error}") from error
    implicit, little = transfer_syntax == IMPLICIT, transfer_syntax != EXPLICIT_BIG
    return by_pydicom(lambda: read_dataset(BytesIO(data), implicit, little), _WRONG)


def line(dataset: Dataset, keyword: str, terms: str) -> str:
    """A text as one line, as far as the terms of the Specific Character Set explain it; "" where they do not."""
    if keyword not in dataset:
        return ""
    element = dataset.get_item(keyword, keep_deferred=True)
    value = element.value
    if not isinstance(value, bytes):
        return words(text_of(dataset, keyword))
    known = terms.split("\\") if known_character_set(terms) else [""]
    return words(decoded(value.strip(b"\0 "), known) or "", LONGEST_TEXT)


def codes(dataset: Dataset, keyword: str) -> Iterator[tuple[str, str, Dataset]]:
    """Scheme, value and item of each code of a sequence that has both (PS3.3 table 8.8-1)."""
    for item in items_of(dataset, keyword):
        values = (text_of(item, one) for one in ("CodeValue", "LongCodeValue", "URNCodeValue"))
        value, scheme = next(filter(None, values), ""), text_of(item, "CodingSchemeDesignator")
        if value and scheme:
            yield words(scheme), words(value), item
