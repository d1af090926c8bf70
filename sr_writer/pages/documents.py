"""What objects have in common that are no images of the patient but tell of some: a picture of a page, a PDF."""

from pydicom.dataset import Dataset

from domain.profiles import ResultFormat
from sr_writer.common_modules import heading
from sr_writer.content import Content


def described(content: Content, form: ResultFormat, modality: str) -> Dataset:
    """The beginning of such an object, with its SC Equipment (PS3.3 C.8.6.1)."""
    dataset = heading(content, form, modality)
    dataset.ConversionType = "WSD"  # made by a workstation
    return dataset
