"""Whose study it is: the attributes of patient and study that a result takes over from its source, byte for byte.

PS3.3 C.7.1.1 Patient, C.7.1.3 Clinical Trial Subject, C.7.2.1 General Study, C.7.2.2 Patient Study, C.7.2.3 Clinical
Trial Study, with the Specific Character Set in which their bytes are to be read.
"""

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from sr_writer.encoding.elements import copied, empty

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


IDENTITY = _tags(f"SpecificCharacterSet {_PATIENT} {_TRIAL} {_STUDY}")
# Type 2 in every result's IOD: present, empty where the source has none.
_REQUIRED = _tags(
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID "
    "AccessionNumber"
)


def identity(source: Dataset) -> dict[int, bytes]:
    """The encoded elements, by tag, that every result of this source's study carries."""
    return {tag: empty(tag) for tag in _REQUIRED} | copied(source, IDENTITY)
