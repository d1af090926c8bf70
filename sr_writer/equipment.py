"""Who made a result: the model's identity in every place where DICOM asks for it, the same in each."""

from collections.abc import Sequence

from highdicom import AlgorithmIdentificationSequence, ContributingEquipment
from highdicom.sr import (
    AlgorithmIdentification,
    DeviceObserverIdentifyingAttributes,
    ObservationContext,
    ObserverContext,
)
from pydicom.dataset import Dataset

from domain.findings import ModelIdentity
from sr_writer.codes import concepts
from sr_writer.codes.wording import concept, plain, short, warning
from sr_writer.provenance import Provenance

_MADE = ("InstanceCreation", "Series", "Content")


def general_equipment(model: ModelIdentity) -> dict[str, str]:
    """The General Equipment module (PS3.3 C.7.5.1 and C.7.5.2) as keyword arguments of highdicom's constructors."""
    return {
        "manufacturer": short(model.manufacturer),
        "manufacturer_model_name": short(model.name),
        "software_versions": short(model.version),
        "device_serial_number": short(model.digest),
    }


def contributing_equipment(model: ModelIdentity, stamp: Provenance, said: str = "") -> Sequence[ContributingEquipment]:
    """The item of Contributing Equipment Sequence that names the model as processing equipment, and what is `said`."""
    item = ContributingEquipment(
        purpose_of_reference=concept(concepts.PROCESSING_EQUIPMENT),
        contribution_datetime=stamp.moment.replace(microsecond=0),
        contribution_description=said or warning(model),
        **general_equipment(model),
    )
    item.DeviceUID = model.device_uid
    return [item]


def sign(dataset: Dataset, model: ModelIdentity, stamp: Provenance, said: str = "") -> None:
    """Put in when an object was made, by what, and what is `said` of that: the warning by itself, where nothing is."""
    # A presentation state has creation times of its own instead of the content's (PS3.3 C.11.10).
    made = ("InstanceCreation", "Series") if "PresentationCreationDate" in dataset else _MADE
    for what in made:
        setattr(dataset, f"{what}Date", stamp.date)
        setattr(dataset, f"{what}Time", stamp.time)
    dataset.TimezoneOffsetFromUTC = stamp.time_zone
    dataset.ContentQualification = "PRODUCT" if model.product else "RESEARCH"
    dataset.DeviceUID = model.device_uid
    # highdicom adds itself here; the model is the one processing equipment.
    dataset.ContributingEquipmentSequence = contributing_equipment(model, stamp, said)


def algorithm(model: ModelIdentity) -> AlgorithmIdentificationSequence:
    """The model as the algorithm of a segment (PS3.3 10.16)."""
    return AlgorithmIdentificationSequence(
        name=short(model.name),
        version=short(model.version),
        family=concept(concepts.ARTIFICIAL_INTELLIGENCE),
        source=short(model.manufacturer),
    )


def algorithm_items(model: ModelIdentity, parameters: Sequence[str] = ()) -> AlgorithmIdentification:
    """The model as the algorithm of a measurement group (PS3.16 TID 4019); `parameters` say how it was run."""
    return AlgorithmIdentification(
        name=short(model.name),
        version=short(model.version),
        parameters=[plain(one) for one in parameters],
        manufacturer=short(model.manufacturer),
        family=concept(concepts.ARTIFICIAL_INTELLIGENCE),
    )


def observer(model: ModelIdentity) -> ObservationContext:
    """The model as the device that observed (PS3.16 TID 1001, 1002, 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=model.device_uid,
        name=short(model.title),
        manufacturer_name=short(model.manufacturer),
        model_name=short(model.name),
        serial_number=short(model.digest),
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=concept(concepts.DEVICE),
            observer_identifying_attributes=device,
        )
    )
