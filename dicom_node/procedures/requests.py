"""What was requested, read from what states it: a step's Scheduled Step Attributes, or an item of a worklist."""

from collections.abc import Iterator, Mapping, Sequence

from pydicom import Dataset

from dicom_node.attributes.reader import is_uid, text_of
from dicom_node.procedures.datasets import codes, line
from domain.procedures import RequestedProcedure, code, together

# What one study's requests have at most of codes: a request of more is none that a rule could mean.
_MOST_CODES = 32


def requested(items: Sequence[Dataset], character_set: str) -> Mapping[str, RequestedProcedure]:
    """The requested procedure of each study that the items name, several of one study as one."""
    found: dict[str, dict[str, RequestedProcedure]] = {}
    for number, item in enumerate(items):
        study = text_of(item, "StudyInstanceUID")
        if is_uid(study):
            found.setdefault(study, {})[f"{number:09}"] = of_item(item, character_set)
    return {study: together(each) for study, each in found.items()}


def of_item(item: Dataset, character_set: str) -> RequestedProcedure:
    """The requested procedure of one item (PS3.3 C.4.11, 10.6)."""
    terms = text_of(item, "SpecificCharacterSet") or character_set
    named = [code(scheme, value) for scheme, value, _ in codes(item, "RequestedProcedureCodeSequence")]
    return RequestedProcedure(
        codes=tuple(dict.fromkeys(named[:_MOST_CODES])),
        description=line(item, "RequestedProcedureDescription", terms),
        reason="; ".join(dict.fromkeys(_reasons(item, terms))),
    )


def _reasons(item: Dataset, terms: str) -> Iterator[str]:
    """As text, and as the meanings of codes."""
    if said := line(item, "ReasonForTheRequestedProcedure", terms):
        yield said
    for _, _, coded in codes(item, "ReasonForRequestedProcedureCodeSequence"):
        if meaning := line(coded, "CodeMeaning", terms):
            yield meaning
