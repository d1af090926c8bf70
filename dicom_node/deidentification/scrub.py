"""One object without the persons in it: what of its attributes stays, and as what."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from pydicom import FileDataset, dcmread, dcmwrite
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.attributes.files import DAMAGED, by_pydicom
from dicom_node.attributes.reader import text_of
from dicom_node.deidentification import methods
from dicom_node.deidentification.coded import Codes, is_code, is_of_the_subject
from dicom_node.deidentification.persons import Persons
from dicom_node.deidentification.pseudonyms import Pseudonyms
from dicom_node.deidentification.values import Values
from dicom_node.deidentification.words import Cleaner
from domain.errors import NotSuitable, Retryable, UnusableInput
from domain.findings import Code
from domain.leaving import WayOut, may_leave

# Attributes that have to be there and say nothing (PS3.15 table E.1-1, action Z): PS3.3 C.7.1.1, C.7.2.1, C.7.3.1,
# C.8.20.2, C.10.9.
_EMPTIED = (
    "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_EMPTIED_WHERE_THERE = ("ContentDescription", "ContentCreatorName", "ReferencedPerformedProcedureStepSequence")
# What must have a value where it is stated (type 1, action D) has this one when it lost its own.
_DUMMY = "REMOVED"
_DUMMIES = frozenset({
    "AlgorithmName", "AlgorithmVersion", "ContentLabel", "DeviceSerialNumber", "Manufacturer",
    "ManufacturerModelName", "SegmentAlgorithmName", "SegmentLabel", "SoftwareVersions",
})  # fmt: skip
# Sequences that have to be there, be they empty (type 2); others go with their last item.
_MAY_BE_EMPTY = frozenset({"AcquisitionContextSequence", "DimensionIndexSequence", "PerformedProcedureCodeSequence"})
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# Of what writes files here (PS3.7 D.3.3.2): the project's name as a number.
_IMPLEMENTATION = f"2.25.{int.from_bytes(b'dicom-node')}"

_BINARY: Mapping[str, type] = {
    "US": int, "SS": int, "UL": int, "SL": int, "UV": int, "SV": int, "AT": int, "FL": float, "FD": float,
}  # fmt: skip
# Value types of content items that leave (PS3.3 C.17.3): names of persons and waveforms do not.
_VALUE_TYPES = frozenset({
    "CODE", "COMPOSITE", "CONTAINER", "DATE", "DATETIME", "IMAGE", "NUM", "SCOORD", "SCOORD3D", "TCOORD", "TEXT",
    "TIME", "UIDREF",
})  # fmt: skip
# What a content item of a type says: an item that lost it says nothing, and goes.
_SAYS: Mapping[str, str] = {
    "CODE": "ConceptCodeSequence", "DATE": "Date", "DATETIME": "DateTime", "TEXT": "TextValue", "TIME": "Time",
    "UIDREF": "UID", "IMAGE": "ReferencedSOPSequence", "COMPOSITE": "ReferencedSOPSequence",
}  # fmt: skip
# What counts of changed values are called, where that is not the attribute's name.
_KINDS: Mapping[str, str] = {"UI": "UIDs", "DA": "dates", "DT": "dates"}
_LONGEST_MEANING = 64
_DEEPEST = 64


@dataclass(frozen=True)
class Scrubbed:
    """An object as it may leave, and how often what was done: by keyword, `private`, or what the reason is."""

    dataset: Dataset
    done: Mapping[str, int]


@dataclass
class Scrubber:
    """Scrubs the objects of a study; `names` are words that its persons are called, `texts` and `codes` known ones.

    `persons` tells whose an object is, beside the others of its study.
    """

    pseudonyms: Pseudonyms
    names: Collection[str] = ()
    texts: Collection[str] = ()
    codes: Collection[Code] = ()
    persons: Persons = field(default_factory=Persons)
    _cleaner: Cleaner = field(init=False)
    _codes: Codes = field(init=False)

    def __post_init__(self) -> None:
        self._cleaner = Cleaner(self.texts, self.names)
        self._codes = Codes(self._cleaner, self.codes)

    def scrub(self, source: Dataset, pixels: bool) -> Scrubbed:
        """What of `source` may leave. `pixels`: text was looked for in its pixels.

        The pixels themselves are taken over as they are. Raises UnusableInput where it names no instance.
        """
        who = self.persons.of(source)
        values = Values(self.pseudonyms, self._cleaner, self.pseudonyms.distance(*who))
        one = _One(values, self._codes, Counter())
        made = one.dataset(source)
        for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            if not isinstance(made.get(keyword), str) or not made[keyword].value:
                raise UnusableInput(f"it has no {keyword}, or several")
        if "ContentSequence" in source and not made.get("ConceptNameCodeSequence"):
            raise NotSuitable("the code of its title is not known")
        pseudonym = self.pseudonyms.patient(*who)
        made.PatientName, made.PatientID = f"{pseudonym}^PSEUDONYM", pseudonym
        _fill(made, source)
        methods.say(made, pixels)
        return Scrubbed(made, one.done)


def _fill(made: Dataset, source: Dataset) -> None:
    """What has to be there is there, empty; a report that was verified names its verifier as removed."""
    for keyword in _EMPTIED:
        setattr(made, keyword, None)
    for keyword in _EMPTIED_WHERE_THERE:
        if keyword in source and keyword not in made:
            setattr(made, keyword, None)
    if made.get("VerificationFlag") == "VERIFIED":
        made.VerifyingObserverSequence = [_verifier(made)]
    if "CompletionFlag" in made:
        made.setdefault("PerformedProcedureCodeSequence", [])
        made.setdefault("ReferencedPerformedProcedureStepSequence", [])


def _verifier(made: Dataset) -> Dataset:
    item = Dataset()
    item.VerifyingObserverName, item.VerifyingOrganization = _DUMMY, _DUMMY
    item.VerificationDateTime = f"{made.get('ContentDate') or '19000101'}000000"
    item.VerifyingObserverIdentificationCodeSequence = []
    return item


@dataclass(frozen=True)
class _One:
    """The scrubbing of one object."""

    values: Values
    codes: Codes
    done: Counter[str]

    def dataset(self, source: Dataset, depth: int = 0) -> Dataset:
        """What of a data set, or of an item, may stay."""
        made = Dataset()
        for tag in source.keys():  # noqa: SIM118 - reading an element may fail, and by itself
            keyword = "" if tag.is_private else keyword_for_tag(tag)
            if not may_leave(WayOut.EXPORT, keyword):
                self.done["private" if tag.is_private else keyword or "unknown"] += 1
                if keyword in _DUMMIES:
                    made[tag] = DataElement(tag, dictionary_VR(tag), _DUMMY)
                continue
            stays = self._element(source, tag, keyword, depth)
            if stays is not None:
                made[tag] = DataElement(tag, *stays)
        return made

    def _element(self, source: Dataset, tag: BaseTag, keyword: str, depth: int) -> tuple[str, object] | None:
        """VR and value of what stays of an element."""
        try:
            found = source[tag]
            values, empty = found.value, found.is_empty
        except (*DAMAGED, OSError):  # pydicom's too, for items that end within a tag
            self.done["unreadable"] += 1
            return None
        vr = dictionary_VR(tag)
        if vr == "SQ" or found.VR == "SQ":
            items = self._items(values, keyword, depth) if vr == found.VR else []
            return ("SQ", items) if vr == "SQ" and (items or keyword in _MAY_BE_EMPTY or empty) else None
        if keyword in _PIXELS:
            return found.VR, values
        stays = None if found.VR == "UN" else self._values(vr, found, keyword)
        if stays is not None and not empty:
            return stays
        return self._without_value(vr, found.VR, keyword, lost=not empty)

    def _without_value(self, vr: str, stated: str, keyword: str, lost: bool) -> tuple[str, object]:
        """What lost its value stays empty, for an attribute of type 2 has to be there (PS3.5 7.4), or has a dummy."""
        self.done[keyword] += lost
        if lost and keyword in _DUMMIES:
            return vr, _DUMMY
        return stated if stated in vr else vr[:2], None

    def _values(self, vr: str, found: DataElement, keyword: str) -> tuple[str, object] | None:
        if " or " in vr or vr in ("OW", "OB", "OF", "OD", "OL", "OV"):
            return self._numbers_or_bytes(vr, found)
        if found.is_empty:
            return None
        said = list(found.value) if found.VM > 1 else [found.value]
        if vr in _BINARY:
            sound = vr == found.VR and all(isinstance(one, _BINARY[vr] | int) for one in said)
            return (vr, found.value) if sound else None
        made = [self._value(vr, str(one), keyword) for one in said]
        if vr in ("DS", "IS") and any(str(one) and not left for one, left in zip(said, made, strict=True)):
            return None  # a vector that lost a number has the others in wrong places
        if keyword in ("ImageType", "FrameType"):
            made = [one for k, one in enumerate(made) if one or k < 2]
        if not any(made):
            return None
        return vr, made if len(made) > 1 else made[0]

    def _numbers_or_bytes(self, vr: str, found: DataElement) -> tuple[str, object] | None:
        """Tables of pixels: as they are, where their VR is one of the dictionary's and no text's."""
        return (found.VR, found.value) if found.VR in vr.split(" or ") else None

    def _value(self, vr: str, said: str, keyword: str) -> str:
        made = self.values.of(vr, said, keyword)
        if made and made != said.strip("\0 "):
            self.done[_KINDS.get(vr, keyword)] += 1
        return made

    def _items(self, items: Collection[Dataset], keyword: str, depth: int) -> list[Dataset]:
        if depth >= _DEEPEST:
            self.done["nested too deep"] += 1
            return []
        made = [self._item(one, keyword, depth + 1) for one in items]
        if missing := made.count(None):
            self.done[keyword] += missing
        return [one for one in made if one is not None]

    def _item(self, item: Dataset, keyword: str, depth: int) -> Dataset | None:
        """An item as it may stay, None where it may not: a code that nobody knows, a content item that says nothing."""
        if is_code(item):
            return self._code(item)
        made = self.dataset(item, depth)
        if "ReferencedContentItemIdentifier" in item:
            return None  # it counts content items, of which some may have gone
        if "ValueType" not in item:
            return made
        if any(map(is_of_the_subject, item.get("ConceptNameCodeSequence") or ())):
            return None
        kind = text_of(item, "ValueType")
        named = "ConceptNameCodeSequence" not in item or made.get("ConceptNameCodeSequence")
        says = _SAYS.get(kind)
        return made if kind in _VALUE_TYPES and named and (says is None or made.get(says)) else None

    def _code(self, item: Dataset) -> Dataset | None:
        meaning = self.codes.meaning(item)
        if meaning is None:
            return None
        made = Dataset()
        for keyword in ("CodeValue", "LongCodeValue"):
            if said := text_of(item, keyword):
                setattr(made, keyword, said)
        made.CodingSchemeDesignator = text_of(item, "CodingSchemeDesignator")
        made.CodeMeaning = meaning[:_LONGEST_MEANING]
        return made


def opened(source: Path | bytes, pixels: bool = True) -> FileDataset:
    """The object in a Part 10 file; raises UnusableInput where it cannot be read, Retryable where it is not there."""
    file = BytesIO(source) if isinstance(source, bytes) else source
    try:
        return by_pydicom(lambda: dcmread(file, stop_before_pixels=not pixels), "it is damaged, or no DICOM object")
    except OSError as error:
        raise Retryable(f"it cannot be opened: {error.strerror}") from error


def written(dataset: Dataset) -> bytes:
    """A Part 10 file of the object, Explicit VR Little Endian, with meta information of our own alone."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    dataset.file_meta = meta
    file = BytesIO()
    by_pydicom(lambda: dcmwrite(file, dataset, enforce_file_format=True, overwrite=True), "it cannot be written")
    return file.getvalue()
