"""What a de-identified object says of how it became one (PS3.15 E.1.1, PS3.3 C.12.1.1.1 and C.7.1.1)."""

from pydicom.dataset import Dataset

#: Changes with every change of the lists or of the rules: reports and entries of the trail name it.
POLICY = "2"
# PS3.16 CID 7050. Of the options, those whose whole of rules is kept.
METHODS = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113101", "Clean Pixel Data Option"),
    ("113104", "Clean Structured Content Option"),
    ("113105", "Clean Descriptors Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)
_METHOD = f"dicom-node policy {POLICY}"
#: What every object says of it, whole.
SENTENCES = (*(meaning for _, meaning in METHODS), _METHOD)


def say(dataset: Dataset, pixels: bool) -> None:
    """Write it into `dataset`; `pixels` says that it has some, in which text was looked for, and blanked.

    The methods are the patient's (PS3.3 C.7.1.1): all objects of an export state the same.
    """
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    dataset.DeidentificationMethodCodeSequence = [_code(*one) for one in METHODS]
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    if pixels:
        dataset.BurnedInAnnotation = "NO"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
