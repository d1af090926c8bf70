"""Objects with an identity planted into each, in a place that is known, and what must be there afterwards.

    one = planted(Random(7))[0]
    one.tokens      words of which none may be left
    one.stays       keyword and value of what has to stay

Where an identity may stand: attributes of the main data set, sequences, private attributes, descriptions among sound
words, reports, names of files, and pixels (`burned`).
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, CTImageStorage, ExplicitVRLittleEndian

from benchmarks.deidentification.people import person

_ROOT = "1.2.826.0.1.3680043.8.498."
_SOUND = ("Chest CT axial", "Abdomen with contrast", "T2 sagittal spine", "Thorax lung 1.5mm", "Left knee coronal")
_SENTENCE = "No effusion in the left lung."
_TITLES = ("Dr.", "ref by", "for", "pat.", "call", "discussed with", "seen by")


@dataclass
class Planted:
    """An object, and where in it stands who: `kind` and `place` in words; what must stay in it, by keyword."""

    kind: str
    place: str
    dataset: Dataset
    tokens: Sequence[str]
    stays: Mapping[str, object] = field(default_factory=dict)
    file_name: str = "image.dcm"


def image(chance: random.Random) -> Dataset:
    """A CT image of noise, complete, naming nobody in particular."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, _uid(chance)
    made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = (_uid(chance) for _ in range(3))
    made.PatientName, made.PatientID = "Nemo^Nobody", f"Z{chance.randrange(10**6, 10**7)}"
    made.PatientBirthDate, made.PatientSex, made.AccessionNumber = "", "O", ""
    made.StudyDate = made.SeriesDate = made.ContentDate = "20210304"
    made.StudyTime = made.ContentTime = "101500"
    made.ReferringPhysicianName, made.StudyID, made.SeriesNumber, made.InstanceNumber = "", "", 3, 17
    made.Modality, made.Manufacturer, made.ImageType = "CT", "SIEMENS", ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.SeriesDescription = chance.choice(_SOUND)
    made.KVP, made.SliceThickness, made.ConvolutionKernel, made.PatientPosition = "120", "1.5", "B30f", "HFS"
    made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, 12.5], [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, made.RescaleIntercept, made.RescaleSlope = [0.7, 0.7], "-1024", "1"
    made.AcquisitionNumber, made.PositionReferenceIndicator = 1, ""
    _pixels(made, np.random.default_rng(chance.randrange(1 << 30)).integers(0, 900, (64, 64), np.uint16))
    return _with_meta(made)


def _pixels(made: Dataset, values: np.ndarray) -> None:
    made.Rows, made.Columns = values.shape[:2]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = 8 * values.itemsize
    made.BitsStored, made.HighBit, made.PixelRepresentation = made.BitsAllocated, made.BitsAllocated - 1, 0
    made.PixelData = values.tobytes()


def _with_meta(made: Dataset) -> Dataset:
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def _uid(chance: random.Random) -> str:
    return f"{_ROOT}{chance.randrange(10**20, 10**21)}"


_STAYS = ("Modality", "KVP", "SliceThickness", "ConvolutionKernel", "PixelSpacing", "ImagePositionPatient", "Rows",
          "SeriesDescription", "ImageType", "SeriesNumber", "RescaleIntercept", "Manufacturer")  # fmt: skip
_NAMES = ("PatientName", "ReferringPhysicianName", "OperatorsName", "PerformingPhysicianName", "PhysiciansOfRecord",
          "NameOfPhysiciansReadingStudy", "RequestingPhysician", "PatientMotherBirthName", "ResponsiblePerson",
          "OtherPatientNames", "PatientBirthName", "ScheduledPerformingPhysicianName", "ContentCreatorName",
          "ConsultingPhysicianName", "NamesOfIntendedRecipientsOfResults")  # fmt: skip
_TEXTS = ("InstitutionName", "InstitutionalDepartmentName", "StationName", "PatientComments", "ImageComments",
          "AdditionalPatientHistory", "Occupation", "MedicalAlerts", "RequestingService", "StudyComments",
          "ReasonForStudy", "ResponsibleOrganization", "CurrentPatientLocation", "InsurancePlanIdentification",
          "PatientReligiousPreference", "ReasonForTheRequestedProcedure", "CommentsOnThePerformedProcedureStep",
          "DeviceSerialNumber", "AcquisitionComments", "TextComments", "InterpretationText")  # fmt: skip
_IDS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "AdmissionID", "RequestedProcedureID",
        "IssuerOfPatientID", "PatientInsurancePlanCodeSequenceID", "MedicalRecordLocator", "ServiceEpisodeID",
        "PerformedProcedureStepID", "ScheduledProcedureStepID", "FillerOrderNumberImagingServiceRequest")  # fmt: skip


def _header(chance: random.Random) -> Planted:
    who, made = person(chance, foreign=chance.random() < 0.2), image(chance)
    if not who.family.isascii():
        made.SpecificCharacterSet = "ISO_IR 192"
    known = [k for k in (*_NAMES, *_TEXTS, *_IDS) if _known(k)]
    keyword = chance.choice(["PatientBirthDate", "PatientTelephoneNumbers", "PatientAddress", *known])
    value, tokens = who.name, [who.family, who.given]
    if keyword in _TEXTS:
        short = dictionary_VR(keyword) == "SH"  # 16 letters
        value, tokens = (who.family, [who.family]) if short else (f"{who.given} {who.family}", tokens)
    elif keyword in _IDS:
        value, tokens = who.ident, [who.ident]
    elif keyword == "PatientBirthDate":
        value, tokens = who.born, [who.born]
    elif keyword == "PatientTelephoneNumbers":
        value, tokens = who.phone, [who.phone]
    elif keyword == "PatientAddress":
        value, tokens = who.street, [who.street]
    setattr(made, keyword, value)
    return _case("header", keyword, made, tokens)


def _known(keyword: str) -> bool:
    return tag_for_keyword(keyword) is not None


def _item(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def _nested(chance: random.Random) -> Planted:
    who, made = person(chance), image(chance)
    said = f"{who.given} {who.family}"
    places: Mapping[str, Callable[[], Dataset]] = {
        "RequestAttributesSequence": lambda: _item(ScheduledProcedureStepDescription=said, RequestedProcedureID="7"),
        "OtherPatientIDsSequence": lambda: _item(PatientID=said, TypeOfPatientID="TEXT"),
        "ReferencedImageSequence": lambda: _item(
            ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=_uid(chance),
            PurposeOfReferenceCodeSequence=[_code("121311", "DCM", said)],
        ),
        "ProcedureCodeSequence": lambda: _code("7", "99HOSP", said),
        "AnatomicRegionSequence": lambda: _code("51185008", "SCT", said),
        "DerivationCodeSequence": lambda: _code(who.ident, "SCT", "Thorax"),
        "AcquisitionContextSequence": lambda: _item(
            ValueType="TEXT", ConceptNameCodeSequence=[_code("121106", "DCM", "Comment")], TextValue=said
        ),
        "SharedFunctionalGroupsSequence": lambda: _item(
            FrameAnatomySequence=[_item(AnatomicRegionSequence=[_code("51185008", "SCT", said)], FrameLaterality="U")]
        ),
        "ContributingEquipmentSequence": lambda: _item(Manufacturer="A", InstitutionName=said, OperatorsName=who.name),
        "RadiopharmaceuticalInformationSequence": lambda: _item(Radiopharmaceutical=said, RadionuclideTotalDose="3"),
        "ReferencedStudySequence": lambda: _item(StudyDescription=said, ReferencedSOPInstanceUID=_uid(chance)),
    }  # fmt: skip
    keyword = chance.choice(list(places))
    setattr(made, keyword, [places[keyword]()])
    tokens = [who.ident] if keyword == "DerivationCodeSequence" else [who.family, who.given]
    return _case("nested", keyword, made, tokens)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _private(chance: random.Random) -> Planted:
    who, made = person(chance), image(chance)
    creator = chance.choice(
        ["SIEMENS CSA HEADER", "GEMS_PATI_01", "Philips Imaging DD 001", "HOSPITAL 1.0", who.family]
    )
    vr, value = chance.choice(
        [("LO", who.name), ("OB", who.name.encode()), ("UN", who.name.encode()), ("PN", who.name)]
    )
    holder, place = made, "main data set"
    if chance.random() < 0.4:
        holder, place = Dataset(), "in a sequence that stays"
        made.ReferencedImageSequence = [holder]
        holder.ReferencedSOPClassUID, holder.ReferencedSOPInstanceUID = CTImageStorage, _uid(chance)
    holder.private_block(0x0029, creator, create=True).add_new(0x10, vr, value)
    return _case("private", f"{vr}, {place}", made, [who.family, who.given])


_DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription",
                 "DerivationDescription", "ContrastBolusAgent", "BodyPartExamined", "SequenceName",
                 "AcquisitionProtocolDescription", "LUTExplanation", "SoftwareVersions", "ManufacturerModelName",
                 "WindowCenterWidthExplanation", "ImageType", "PatientOrientation", "ViewName")  # fmt: skip
_SHORT = {"BodyPartExamined", "ImageType", "PatientOrientation", "SequenceName", "ViewName"}


def _described(chance: random.Random) -> Planted:
    words = chance.random() < 0.12
    who, made = person(chance, words=words), image(chance)
    keyword = chance.choice(_DESCRIPTIONS)
    if keyword in _SHORT:
        value: object = who.family.upper()[:16]
        tokens = [who.family[:16]]
        value = ["ORIGINAL", "PRIMARY", value] if keyword == "ImageType" else value
    else:
        said = chance.choice(
            [
                f"{who.given} {who.family}",
                f"{who.family.upper()}",
                f"{who.family} {who.born}",
                f"{who.ident} {who.family}",
            ]
        )
        value = f"{chance.choice(_SOUND)} {chance.choice(_TITLES)} {said}"[:64]
        tokens = [one for one in (who.family, who.given, who.born, who.ident) if one.lower() in str(value).lower()]
    stays = {k: made.get(k) for k in _STAYS if k != keyword}
    setattr(made, keyword, value)
    place = f"{keyword}{', a name that is a word' if words else ''}"
    return Planted("description", place, made, tokens, stays)


def _reported(chance: random.Random) -> Planted:
    who, made = person(chance), report(chance)
    said = f"Discussed with {who.given} {who.family} ({who.phone})"
    concept = [_code("121106", "DCM", "Comment")]
    items: Mapping[str, Callable[[], Dataset]] = {
        "TEXT": lambda: _item(ValueType="TEXT", TextValue=said),
        "PNAME": lambda: _item(ValueType="PNAME", PersonName=who.name),
        "CODE": lambda: _item(ValueType="CODE", ConceptCodeSequence=[_code(who.ident[1:], "99LOCAL", said)]),
        "a name that is a concept's": lambda: _item(ValueType="TEXT", TextValue="none"),
        "NUM": lambda: _item(ValueType="NUM", MeasuredValueSequence=[_item(
            NumericValue="12", MeasurementUnitsCodeSequence=[_code("mm", "UCUM", f"{who.given} {who.family}")]
        )]),
        "UIDREF": lambda: _item(ValueType="UIDREF", UID=f"1.2.{who.ident[1:]}.{who.born}"),
    }  # fmt: skip
    kind = chance.choice(list(items))
    item = items[kind]()
    item.RelationshipType = "CONTAINS"
    item.ConceptNameCodeSequence = (
        [_code("7", "99LOCAL", f"{who.given} {who.family}")] if kind.startswith("a name") else concept
    )
    made.ContentSequence.append(item)
    tokens = [who.ident[1:], who.born] if kind == "UIDREF" else [who.family, who.given, who.phone]
    stays = {"Modality": "SR", "CompletionFlag": "COMPLETE", "TextValue": _SENTENCE}
    return Planted("report", kind, made, tokens, stays)


def report(chance: random.Random) -> Dataset:
    """A report with one sentence."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = ComprehensiveSRStorage, _uid(chance)
    made.StudyInstanceUID, made.SeriesInstanceUID = _uid(chance), _uid(chance)
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "Nemo^Nobody", "Z1234567", "", "O"
    made.StudyDate = made.ContentDate = "20210304"
    made.StudyTime = made.ContentTime = "101500"
    made.AccessionNumber, made.ReferringPhysicianName, made.StudyID = "", "", ""
    made.SeriesNumber, made.InstanceNumber, made.Modality, made.Manufacturer = 9, 1, "SR", "SIEMENS"
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    made.ConceptNameCodeSequence = [_code("126000", "DCM", "Imaging Measurement Report")]
    made.ContentSequence = [
        _item(RelationshipType="CONTAINS", ValueType="TEXT", TextValue=_SENTENCE,
              ConceptNameCodeSequence=[_code("121071", "DCM", "Finding")])
    ]  # fmt: skip
    made.ReferencedPerformedProcedureStepSequence, made.PerformedProcedureCodeSequence = [], []
    return _with_meta(made)


def _named_file(chance: random.Random) -> Planted:
    who, made = person(chance), image(chance)
    name = chance.choice(
        [f"{who.family}_{who.given}.dcm", f"{who.ident}-{who.family}.dcm", f"{who.born}/{who.family}.dcm"]
    )
    tokens = [one for one in (who.family, who.given, who.ident, who.born) if one in name]
    return Planted("file name", "name of the file", made, tokens, _kept(made), name)


def _case(kind: str, place: str, made: Dataset, tokens: Sequence[str]) -> Planted:
    return Planted(kind, place, made, tokens, _kept(made))


def _kept(made: Dataset) -> Mapping[str, object]:
    return {keyword: made.get(keyword) for keyword in _STAYS}


#: Kinds, and how many of five hundred have theirs there (60 more are burned in).
KINDS: Mapping[str, tuple[Callable[[random.Random], Planted], int]] = {
    "header": (_header, 130), "nested": (_nested, 80), "private": (_private, 60), "description": (_described, 80),
    "report": (_reported, 60), "file name": (_named_file, 30),
}  # fmt: skip


def planted(chance: random.Random, share: float = 1.0) -> Iterator[Planted]:
    """All of them, or a share of each kind."""
    for make, count in KINDS.values():
        for _ in range(max(1, round(count * share))):
            yield make(chance)
