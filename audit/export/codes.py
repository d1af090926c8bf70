"""The codes of DICOM that audit messages are made of (PS3.16 CID 400 to 405), and the one scheme of our own."""

from dataclasses import dataclass

from domain.ids import derived_uid

#: The system of DCM in FHIR.
DCM_URI = "http://dicom.nema.org/resources/ontology/DCM"

#: What an action, or a study that is known by its internal id alone, is coded in.
OWN = "99DICOMNODE"
OWN_UID = derived_uid("coding scheme", "dicom-node")


@dataclass(frozen=True)
class Code:
    """A coded value. `scheme` is DCM, OWN, or empty for the plain numbers of PS3.15 A.5.1.2."""

    value: str
    meaning: str
    scheme: str = "DCM"


APPLICATION_ACTIVITY = Code("110100", "Application Activity")
AUDIT_LOG_USED = Code("110101", "Audit Log Used")
BEGIN_TRANSFERRING = Code("110102", "Begin Transferring DICOM Instances")
ACCESSED = Code("110103", "DICOM Instances Accessed")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
STUDY_DELETED = Code("110105", "DICOM Study Deleted")
EXPORT = Code("110106", "Export")
IMPORT = Code("110107", "Import")
QUERY = Code("110112", "Query")
SECURITY_ALERT = Code("110113", "Security Alert")
USER_AUTHENTICATION = Code("110114", "User Authentication")

APPLICATION_START = Code("110120", "Application Start")
APPLICATION_STOP = Code("110121", "Application Stop")
LOGIN = Code("110122", "Login")
LOGOUT = Code("110123", "Logout")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")
SECURITY_CONFIGURATION = Code("110129", "Security Configuration")
SOFTWARE_CONFIGURATION = Code("110131", "Software Configuration")
USER_ATTRIBUTES = Code("110137", "User Security Attributes Changed")
RESTRICTED_FUNCTION = Code("110132", "Use of Restricted Function")

APPLICATION = Code("110150", "Application")
DESTINATION = Code("110152", "Destination Role ID")
SOURCE = Code("110153", "Source Role ID")
DESTINATION_MEDIA = Code("110154", "Destination Media")
SOURCE_MEDIA = Code("110155", "Source Media")
BY_URI = Code("110037", "URI")

STUDY_INSTANCE_UID = Code("110180", "Study Instance UID")
SOP_CLASS_UID = Code("110181", "SOP Class UID")
URI = Code("12", "URI", "")

EVENTS = {
    one.value: one
    for one in (
        *(APPLICATION_ACTIVITY, AUDIT_LOG_USED, BEGIN_TRANSFERRING, ACCESSED, TRANSFERRED, STUDY_DELETED),
        *(EXPORT, IMPORT, QUERY, SECURITY_ALERT, USER_AUTHENTICATION),
    )
}


def own(word: str) -> Code:
    """A code of our own: the word itself."""
    return Code(word, word, OWN)
