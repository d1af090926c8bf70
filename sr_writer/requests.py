"""Which requests a report fulfils (Referenced Request Sequence, PS3.3 C.17.2), byte for byte as they were stated.

By a modality's procedure step or a worklist where one said so, else by the images themselves: their Request Attributes,
or their Accession Number alone. Of these what is not valid by itself is left out, and so is all that is said of another
patient: of a step that began under a wrong entry of the worklist the images may have been corrected since.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.attributes.files import known_character_set, opened
from dicom_node.attributes.reader import items_of, text_of, title
from dicom_node.attributes.values import CHARACTER_SET, fault, legible
from domain.errors import UnusableInput
from sr_writer.encoding.elements import copied, empty, encoded, read, sequence
from sr_writer.identity import Copied
from sr_writer.source import Source

REFERENCED_REQUEST = int(Tag("ReferencedRequestSequence"))

_SCHEDULED, _REQUEST_ATTRIBUTES = "ScheduledStepAttributesSequence", "RequestAttributesSequence"
_STUDY, _PATIENT = int(Tag("StudyInstanceUID")), int(Tag("PatientID"))
_ACCESSION, _ISSUER = int(Tag("AccessionNumber")), int(Tag("IssuerOfAccessionNumberSequence"))
# Type 2 of an item: present, empty where nobody states one.
_REQUIRED = tuple(
    int(Tag(keyword))
    for keyword in (
        "ReferencedStudySequence", "AccessionNumber", "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest", "RequestedProcedureID", "RequestedProcedureDescription",
        "RequestedProcedureCodeSequence",
    )
)  # fmt: skip
_COPIED = (
    *_REQUIRED,
    *(
        int(Tag(keyword))
        for keyword in (
            "IssuerOfAccessionNumberSequence", "OrderPlacerIdentifierSequence", "OrderFillerIdentifierSequence",
            "ReasonForTheRequestedProcedure", "ReasonForRequestedProcedureCodeSequence",
        )
    ),
)  # fmt: skip
# A study fulfils a handful; of a file that states more no reader could make anything.
_MOST = 32
_FILE = "what was requested"


def referenced_requests(source: Source, stated: Sequence[Path]) -> Copied:
    """The sequence for reports on `source`, nothing where nobody states a request; and remarks on what was left out.

    `stated` are Part 10 files of a procedure step or of a worklist's items. Raises as `attributes.files.opened` does.
    """
    identity = read(source.identity)
    character_set = text_of(identity, CHARACTER_SET).split("\\")
    patient = text_of(identity, _PATIENT)
    made: dict[bytes, None] = {}
    remarks: list[str] = []
    of_study: list[tuple[Dataset, str]] = []
    for file in stated:
        try:
            said = _of_file(source, file)
            if said and _names_another(file, patient):
                remarks.append(f"{_FILE} was said of another Patient ID than the images', and was left out")
            else:
                of_study += said
        except UnusableInput:  # results are worth more than what they were asked for by
            remarks.append(f"a file of {_FILE} cannot be read")
    for dataset, terms in of_study or _of_images(source):
        found = _item(dataset, terms, source.study_uid, character_set)
        made[_joined(found.elements)] = None
        remarks += found.remarks
    if not made:
        return Copied({}, tuple(remarks))
    items = list(made)[:_MOST]
    if len(made) > _MOST:
        remarks.append(f"of {len(made)} requests {_MOST} are named")
    return Copied({REFERENCED_REQUEST: sequence(REFERENCED_REQUEST, items)}, tuple(dict.fromkeys(remarks)))


def _of_file(source: Source, file: Path) -> list[tuple[Dataset, str]]:
    """Each item that is of this study, with its Specific Character Set."""
    dataset = opened(file, _FILE, (CHARACTER_SET, _SCHEDULED, _STUDY, *_COPIED))
    items = items_of(dataset, _SCHEDULED) if _SCHEDULED in dataset else [dataset]
    return [(item, _terms(item, dataset)) for item in items if text_of(item, "StudyInstanceUID") == source.study_uid]


def _names_another(file: Path, patient: str) -> bool:
    """Whether who states a request names another patient; of whom nothing is stated nobody can tell."""
    stated = text_of(opened(file, _FILE, (CHARACTER_SET, _PATIENT)), _PATIENT)
    return bool(stated and patient) and stated != patient


def _of_images(source: Source) -> Iterator[tuple[Dataset, str]]:
    """What one image of each series states: its requests of this study, else its own Accession Number."""
    for file in {one.series_uid: one.file for one in reversed(source.instances)}.values():
        image = opened(file, _FILE, (CHARACTER_SET, _REQUEST_ATTRIBUTES, _ACCESSION, _ISSUER))
        items = [
            one
            for one in items_of(image, _REQUEST_ATTRIBUTES)
            if text_of(one, "StudyInstanceUID") in ("", source.study_uid) and any(map(one.__contains__, _COPIED))
        ]
        if items:
            yield from ((_with_number(item, image), _terms(item, image)) for item in items)
        elif text_of(image, _ACCESSION):
            yield image, _terms(image, image)


def _with_number(item: Dataset, image: Dataset) -> Dataset:
    """The item, with the image's Accession Number where it states none: both are of the one study."""
    if not text_of(item, _ACCESSION):
        for tag in (_ACCESSION, _ISSUER):
            if tag in image:
                item[tag] = image.get_item(tag, keep_deferred=True)
    return item


def _terms(item: Dataset, around: Dataset) -> str:
    return text_of(item, CHARACTER_SET) or text_of(around, CHARACTER_SET)


def _item(stated: Dataset, terms: str, study_uid: str, character_set: Sequence[str]) -> Copied:
    known = terms.split("\\") if known_character_set(terms) else [""]
    faults = {tag: _fault(stated, tag, known) for tag in _COPIED if tag in stated}
    said = tuple(f"{title(tag)} of {_FILE} {one}, and was left out" for tag, one in faults.items() if one)
    study = Dataset()
    study.StudyInstanceUID = study_uid
    elements: dict[int, bytes] = {tag: empty(tag) for tag in _REQUIRED}
    elements |= encoded(study) | copied(stated, (tag for tag, one in faults.items() if not one))
    # An item's own set is in force within it (PS3.3 C.12.1.1.2).
    if any(known) and known != list(character_set) and _is_beyond_default(_joined(elements)):
        of_item = Dataset()
        of_item.SpecificCharacterSet = known
        elements |= encoded(of_item)
    return Copied(elements, said)


def _fault(item: Dataset, tag: int, terms: Sequence[str]) -> str:
    """An Accession Number goes as it is wherever it can be read, as it does in the study (`sr_writer/identity.py`)."""
    return "" if tag == _ACCESSION and legible(item, tag, terms) else fault(item, tag, terms)


def _is_beyond_default(content: bytes) -> bool:
    """Whether there may be letters that the default repertoire has not."""
    return not content.isascii() or b"\x1b" in content


def _joined(elements: Mapping[int, bytes]) -> bytes:
    return b"".join(elements[tag] for tag in sorted(elements))
