"""What makes of the values of a PET those in other units: as stored, Bq/ml, or SUV by body weight.

SUV is what QIBA's vendor-neutral pseudo-code gives (the wiki of QIBA, "Standardized Uptake Value (SUV)"): concentration
times weight over the dose that was left when the scan began. Everything that goes into it is read here, in files of
its own opening, so that no weight and no date becomes part of a frame; it is checked, and where one value is missing or
cannot be, the images are refused by the name of its attribute, never by what it says of the patient.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydicom import Dataset

from dicom_node.attributes.reader import Attributes, items_of, opened_image, shown, text_of, title
from domain.errors import UnusableInput

BQML, SUV = "BQML", "SUVbw"

_READ: list[str | int] = [
    "SOPInstanceUID", "InstanceNumber", "Modality", "Units", "SUVType", "CorrectedImage", "DecayCorrection",
    "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime", "FrameReferenceTime", "ActualFrameDuration",
    "PatientWeight", "RadiopharmaceuticalInformationSequence", 0x0009_0010, 0x0009_100D, 0x7053_0010, 0x7053_1000,
    0x7053_1009,
]  # fmt: skip
# Elements that makers keep for themselves, with what reserves them (PS3.5 7.8.1).
_GE, _GE_SCAN = (0x0009_0010, "GEMS_PETD_01"), 0x0009_100D
_PHILIPS, _PHILIPS_SUV, _PHILIPS_BQML = (0x7053_0010, "Philips PET Private Group"), 0x7053_1000, 0x7053_1009

# What can be of a person: kg, Bq and s. A dose below is one in MBq, which devices write against PS3.3 C.8.9.2.
_WEIGHT, _DOSE, _HALF_LIFE = (0.3, 500.0), (1e4, 1e11), (10.0, 1e8)
_LONGEST_DECAY = timedelta(days=7)
_DAY = timedelta(days=1)
_MOMENT = re.compile(r"([0-9]{8})([0-9]{2})([0-9]{2})?([0-9]{2})?(\.[0-9]{1,6})?([+-][0-9]{4})?")


def factors(paths: Sequence[Path], uids: Sequence[str], wanted: str) -> Mapping[str, float]:
    """What the values of each of the instances `uids`, whose files are among `paths`, are multiplied by.

    Raises UnusableInput where they are no PET, or what they say does not suffice for `wanted`.
    """
    images = [opened_image(path, f"file {k}", _READ) for k, path in enumerate(paths, 1)]
    read = {one.text("SOPInstanceUID"): one for one in images}
    used = [read[uid] for uid in dict.fromkeys(uids)]
    first = _earliest(used)
    return {one.text("SOPInstanceUID"): _factor(one, first, wanted) for one in used}


def _factor(image: Attributes, first: datetime | None, wanted: str) -> float:
    if image.text("Modality") != "PT":
        raise UnusableInput(f"{image.name} is no PET, of which the model wants {wanted}")
    stated = image.text("Units")
    if stated == "BQML":
        return 1.0 if wanted == BQML else _suv_of_concentration(image, first)
    if stated == "CNTS":
        return _of_counts(image, first, wanted)
    if stated == "GML" and wanted == SUV:
        # One that says of which kind it is; QIBA takes one that does not for that by body weight (SUVType, CP-1008).
        if image.text("SUVType") in ("", "BW"):
            return 1.0
        raise image.wrong("SUVType", "is not by body weight (BW)", image.text("SUVType"))
    if not stated:
        raise UnusableInput(f"{image.name} states no {title('Units')}; the model wants {wanted}")
    raise UnusableInput(f"{title('Units')} of {image.name} is {shown(stated)}, of which {wanted} cannot be computed")


def _of_counts(image: Attributes, first: datetime | None, wanted: str) -> float:
    """Philips keeps the factors by which its counts become SUV, or Bq/ml."""
    suv, concentration = (_private(image, _PHILIPS, tag) for tag in (_PHILIPS_SUV, _PHILIPS_BQML))
    if wanted == SUV and suv:
        return suv
    if concentration:
        return concentration * (1.0 if wanted == BQML else _suv_of_concentration(image, first))
    raise UnusableInput(f"{title('Units')} of {image.name} is CNTS, without the factor that makes {wanted} of counts")


def _private(image: Attributes, reserved: tuple[int, str], tag: int) -> float:
    """A positive number of a private element; 0 where there is none."""
    creator, name = reserved
    text = text_of(image.dataset, tag) if text_of(image.dataset, creator) == name else ""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _suv_of_concentration(image: Attributes, first: datetime | None) -> float:
    """Bq/ml to SUV by body weight, g/ml."""
    corrections = image.words("CorrectedImage")
    for needed, what in (("ATTN", "attenuation"), ("DECY", "decay")):
        if needed not in corrections:
            raise UnusableInput(f"{title('CorrectedImage')} of {image.name} names no correction of {what} ({needed})")
    grams = 1000 * _between(image, "PatientWeight", _WEIGHT, "kg")
    drug = Attributes(_drug(image), image.name)
    total = _between(drug, "RadionuclideTotalDose", _DOSE, "Bq")
    return grams / (total * _left(image, drug, first))


def _left(image: Attributes, drug: Attributes, first: datetime | None) -> float:
    """The share of the dose that was left at the moment to which the values are corrected."""
    how = image.text("DecayCorrection")
    if how == "ADMIN":
        return 1.0
    if how != "START":
        raise image.wrong("DecayCorrection", "is neither START nor ADMIN", how)
    half_life = _between(drug, "RadionuclideHalfLife", _HALF_LIFE, "s")
    scan = _start_of_scan(image, half_life, first)
    waited = scan - _injected(drug, scan)
    if not timedelta(0) <= waited <= _LONGEST_DECAY:
        raise UnusableInput(f"the moments of injection and scan in {image.name} contradict each other")
    return float(2 ** (-waited.total_seconds() / half_life))


def _injected(drug: Attributes, scan: datetime) -> datetime:
    """When the dose was given. A time without a date is the last such time before the scan."""
    if whole := _moment(drug.text("RadiopharmaceuticalStartDateTime")):
        return whole
    time = drug.text("RadiopharmaceuticalStartTime")
    start = _moment(f"{scan:%Y%m%d}{time}") if time else None
    if start is None:
        raise UnusableInput(f"{drug.name} states no {title('RadiopharmaceuticalStartDateTime')} that can be read")
    return start - _DAY if start > scan else start


def _drug(image: Attributes) -> Dataset:
    items = items_of(image.dataset, "RadiopharmaceuticalInformationSequence")
    if len(items) != 1:
        raise UnusableInput(f"{image.name} has {len(items)} items in {title('RadiopharmaceuticalInformationSequence')}")
    return items[0]


def _start_of_scan(image: Attributes, half_life: float, first: datetime | None) -> datetime:
    """The moment to which the values are corrected.

    The series' own, unless a later step wrote the series anew, whose time is then behind that of an acquisition; after
    that what GE keeps of it, or what follows of an image's moment and of the time to which its counts belong.
    """
    series = _moment(image.text("SeriesDate") + image.text("SeriesTime"))
    if series and first and series <= first:
        return series
    kept = _moment(text_of(image.dataset, _GE_SCAN)) if text_of(image.dataset, _GE[0]) == _GE[1] else None
    if kept:
        return kept
    acquired = _acquired(image)
    if acquired is None:
        raise UnusableInput(f"{image.name} states no {title('AcquisitionDate')} and Time that can be read")
    rate = math.log(2) / half_life
    # In ms (PS3.3 C.8.9.4); the counts of a frame are those of the moment at which the rate was their mean.
    reference, lasts = (image.number(one) / 1000 for one in ("FrameReferenceTime", "ActualFrameDuration"))
    mean = math.log(rate * lasts / (1 - math.exp(-rate * lasts))) / rate if lasts > 0 else 0.0
    return acquired - timedelta(seconds=reference - mean)


def _earliest(images: Sequence[Attributes]) -> datetime | None:
    """When the first of the images was acquired; None where one of them does not say it."""
    moments = [_acquired(one) for one in images]
    known = [one for one in moments if one]
    return min(known) if known and len(known) == len(moments) else None


def _acquired(image: Attributes) -> datetime | None:
    return _moment(image.text("AcquisitionDate") + image.text("AcquisitionTime"))


def _moment(text: str) -> datetime | None:
    """A date and time (DA and TM, or DT; PS3.5 6.2) in the scanner's own clock; None where it is none."""
    found = _MOMENT.fullmatch(text.replace(" ", ""))
    if not found:
        return None
    day, hour, minute, second, fraction = (found[k] or "" for k in range(1, 6))
    try:
        whole = datetime.strptime(f"{day}{hour}{minute or '00'}{second or '00'}", "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return whole + timedelta(seconds=float(fraction or 0))


def _between(holder: Attributes, keyword: str, limits: tuple[float, float], unit: str) -> float:
    """A number that can be; the refusal does not quote it, for it is the patient's."""
    number = holder.decimals_if_sound(keyword, 1)
    if number is None:
        raise UnusableInput(f"{holder.name} states no {title(keyword)} that can be read")
    if not limits[0] <= number[0] <= limits[1]:
        raise UnusableInput(f"{title(keyword)} of {holder.name} is none that can be in {unit}")
    return float(number[0])
