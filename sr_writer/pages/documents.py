"""What objects have in common that are no images of the patient but tell of some: a picture of a page, a PDF."""

from pydicom.dataset import Dataset

from domain.profiles import Form
from sr_writer.content import Content
from sr_writer.heading import heading


def described(content: Content, form: Form, modality: str) -> Dataset:
    """The beginning of such an object, with its SC Equipment (PS3.3 C.8.6.1)."""
    dataset = heading(content, form, modality)
    dataset.ConversionType = "WSD"  # made by a workstation
    dataset.BurnedInAnnotation = "NO"  # pictures.py shows no image that names the patient, and no word of ours does
    return dataset
