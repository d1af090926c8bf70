"""Whose study it is: the attributes of patient and study that a result takes over from its source, byte for byte.

What archives match by goes as the source had it wherever it can be read: an archive that took the source takes a name
that is too long for its VR or a sex that is none of the standard's terms once more, and a result without them would
belong to nobody. Of the others what is not valid by itself is left out.

PS3.3 C.7.1.1 Patient, C.7.1.3 Clinical Trial Subject, C.7.2.1 General Study, C.7.2.2 Patient Study, C.7.2.3 Clinical
Trial Study, with the Specific Character Set in which their bytes are to be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.attributes.files import known_character_set
from dicom_node.attributes.reader import text_of, title
from dicom_node.attributes.values import CHARACTER_SET, EXTENDED, LATIN_1, decoded, fault, legible, raw_value, vr_of
from sr_writer.encoding.elements import copied, empty, encoded

_PATIENT = (
    "PatientName PatientID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence TypeOfPatientID PatientBirthDate "
    "PatientBirthTime PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar "
    "PatientAlternativeCalendar PatientSex QualityControlSubject ReferencedPatientSequence "
    "ReferencedPatientPhotoSequence OtherPatientIDs OtherPatientIDsSequence OtherPatientNames EthnicGroup "
    "EthnicGroupCodeSequence PatientComments PatientSpeciesDescription PatientSpeciesCodeSequence "
    "PatientBreedDescription PatientBreedCodeSequence BreedRegistrationSequence StrainDescription StrainNomenclature "
    "StrainCodeSequence StrainAdditionalInformation StrainStockSequence GeneticModificationsSequence "
    "ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization PatientIdentityRemoved DeidentificationMethod "
    "DeidentificationMethodCodeSequence SourcePatientGroupIdentificationSequence GroupOfPatientsIdentificationSequence"
)
_TRIAL = (
    "ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID "
    "ClinicalTrialSiteName ClinicalTrialSubjectID ClinicalTrialSubjectReadingID "
    "ClinicalTrialProtocolEthicsCommitteeName ClinicalTrialProtocolEthicsCommitteeApprovalNumber "
    "ClinicalTrialTimePointID ClinicalTrialTimePointDescription ConsentForClinicalTrialUseSequence"
)
_STUDY = (
    "StudyInstanceUID StudyDate StudyTime ReferringPhysicianName ReferringPhysicianIdentificationSequence "
    "ConsultingPhysicianName ConsultingPhysicianIdentificationSequence StudyID AccessionNumber "
    "IssuerOfAccessionNumberSequence StudyDescription PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence "
    "NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence RequestingServiceCodeSequence "
    "ReferencedStudySequence ProcedureCodeSequence ReasonForPerformedProcedureCodeSequence "
    "AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientWeight "
    "PatientBodyMassIndex MeasuredAPDimension MeasuredLateralDimension PatientSizeCodeSequence MedicalAlerts "
    "Allergies SmokingStatus PregnancyStatus LastMenstrualDate PatientState Occupation AdditionalPatientHistory "
    "AdmissionID IssuerOfAdmissionIDSequence ServiceEpisodeID IssuerOfServiceEpisodeIDSequence "
    "ServiceEpisodeDescription PatientSexNeutered ReasonForVisit ReasonForVisitCodeSequence"
)


def _tags(keywords: str) -> tuple[int, ...]:
    return tuple(int(Tag(keyword)) for keyword in keywords.split())


_SET = title(CHARACTER_SET)
IDENTITY = _tags(f"SpecificCharacterSet {_PATIENT} {_TRIAL} {_STUDY}")
# Type 2 in every result's IOD: present, empty where the source has none.
_REQUIRED = _tags(
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID "
    "AccessionNumber"
)
# Patient and study as archives match them: those, and whose the Patient ID is.
_MATCHED = frozenset({*_REQUIRED, *_tags("IssuerOfPatientID")})


@dataclass(frozen=True)
class Copied:
    """Encoded elements by tag, and in `remarks` what of the source was left out."""

    elements: Mapping[int, bytes]
    remarks: tuple[str, ...] = ()


def identity(source: Dataset) -> Copied:
    """The elements that every result of this source's study carries, byte for byte.

    Text beyond the default repertoire where no Specific Character Set explains it stays what it is, for a patient has
    to keep their name: it is called Latin-1, as archives read text of no stated set.
    """
    terms, remarks = _character_set(source)
    if not any(terms) and any(_unexplained(source, tag) for tag in IDENTITY):
        terms = (LATIN_1,)
        remarks = (f"texts of the source, of which no {_SET} that is known is stated, are given as {LATIN_1}",)
    found = sound(source, IDENTITY, terms)
    required = {tag: empty(tag) for tag in _REQUIRED}
    return Copied({**required, **found.elements, **_stated(source, terms)}, (*remarks, *found.remarks))


def _fault(source: Dataset, tag: int, terms: Sequence[str]) -> str:
    return "" if tag in _MATCHED and legible(source, tag, terms) else fault(source, tag, terms)


def sound(source: Dataset, tags: Iterable[int], terms: Sequence[str]) -> Copied:
    """The elements with these tags that are valid by themselves or matched by, and a remark for each other.

    `terms` are those of the Specific Character Set in which texts are to be read.
    """
    faults = {tag: _fault(source, tag, terms) for tag in tags if tag in source and tag != CHARACTER_SET}
    said = tuple(f"{title(tag)} of the source {one}, and was left out" for tag, one in faults.items() if one)
    return Copied(copied(source, (tag for tag, one in faults.items() if not one)), said)


def _character_set(source: Dataset) -> tuple[Sequence[str], tuple[str, ...]]:
    """The terms of the source's Specific Character Set, and a remark where there is one that nobody knows."""
    text = text_of(source, CHARACTER_SET)
    if known_character_set(text):
        return text.split("\\"), ()
    return ("",), (f"{_SET} of the source is none that is known, and was left out",)


def _stated(source: Dataset, terms: Sequence[str]) -> Mapping[int, bytes]:
    """Specific Character Set; none where there is no term (PS3.3 C.12.1.1.2), and byte for byte where it is known."""
    if not any(terms):
        return {}
    if text_of(source, CHARACTER_SET) == "\\".join(terms):
        return copied(source, (CHARACTER_SET,))
    made = Dataset()
    made.SpecificCharacterSet = list(terms)
    return encoded(made)


def _unexplained(source: Dataset, tag: int) -> bool:
    """Whether a text has letters that the default repertoire has not, and Latin-1 has."""
    if tag not in source or vr_of(source, Tag(tag)) not in EXTENDED:
        return False
    value = raw_value(source, Tag(tag))
    return decoded(value, ()) is None and decoded(value, (LATIN_1,)) is not None
