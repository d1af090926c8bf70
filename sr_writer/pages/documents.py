"""What objects have in common that are no images of the patient but tell of some: a picture of a page, a PDF."""

from pydicom.dataset import Dataset

from domain.profiles import Form
from sr_writer.content import Content
from sr_writer.words.wording import SERIES_NUMBERS, series_description, short


def described(content: Content, form: Form, modality: str) -> Dataset:
    """SOP Common, Series and Equipment (PS3.3 C.12.1, C.7.3.1, C.7.5.1, C.8.6.1) of an object with its own series."""
    model, stamp = content.findings.model, content.stamp
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = form.sop_class, stamp.uid(form.name)
    dataset.SeriesInstanceUID = stamp.uid(f"{form.name}-series")
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, SERIES_NUMBERS[form.kind], 1
    dataset.SeriesDescription = series_description(model, form.kind)
    dataset.Manufacturer, dataset.ManufacturerModelName = short(model.manufacturer), short(model.name)
    dataset.SoftwareVersions, dataset.DeviceSerialNumber = short(model.version), short(model.digest)
    dataset.ConversionType = "WSD"  # made by a workstation
    dataset.BurnedInAnnotation = "NO"  # pictures.py shows no image that names the patient, and no word of ours does
    return dataset
