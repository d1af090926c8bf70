"""Why an instance goes into quarantine, in a word of a list that a log may show."""

from enum import StrEnum


class Fault(StrEnum):
    """The kind of what is wrong with an instance that was acknowledged and cannot be filed."""

    CUT_SHORT = "cut short"
    SURPLUS = "more pixels than its header tells"
    NO_DATA_SET = "no DICOM data set"
    NO_IDENTITY = "a UID is missing, or is none"
    CONTRADICTION = "an attribute stands there twice, and differently"
    OTHER_INSTANCE = "the command names another instance"
    TOO_LONG = "its header is too long"
    TOO_MUCH = "it has more elements, or inflates to more, than is read"
    ENCODING = "its encoding cannot be read"
    LOST = "its bytes were lost on disk"
    DEFECT = "the node could not file it"
