"""How every object begins that is no document of content items: what it is, its series, and what made it."""

from pydicom.dataset import Dataset

from domain.profiles import ResultFormat
from sr_writer.codes.wording import SERIES_NUMBERS, series_description, short
from sr_writer.content import Content


def heading(
    content: Content, form: ResultFormat, modality: str, number: int = 1, own_series: bool = False, about: str = ""
) -> Dataset:
    """SOP Common, General Series and General Equipment (PS3.3 C.12.1, C.7.3.1, C.7.5.1) of a new object.

    `number` counts the objects of one form, which share a series but for those with their `own_series`. `about` says
    what the object is of, where that is not what all of the model's results are of.
    """
    model, stamp = content.findings.model, content.stamp
    name = form.name if number == 1 else f"{form.name}-{number}"
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = form.sop_class, stamp.uid(name)
    dataset.Modality, dataset.SeriesInstanceUID = modality, stamp.uid(f"{name if own_series else form.name}-series")
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBERS[form.kind], number
    dataset.SeriesDescription = series_description(model, form.kind, about, content.edition.number)
    dataset.Manufacturer, dataset.ManufacturerModelName = short(model.manufacturer), short(model.name)
    dataset.SoftwareVersions, dataset.DeviceSerialNumber = short(model.version), short(model.digest)
    return dataset
