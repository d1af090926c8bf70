"""Instance Availability Notification (PS3.4 annex R): which instances of a study somebody else has at hand."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import Dataset

from dicom_node.attributes.reader import is_uid, items_of, text_of, title
from dicom_node.dimse import Status
from dicom_node.procedures.mpps import Refused
from domain.procedures import Performed

_SERIES, _INSTANCES = "ReferencedSeriesSequence", "ReferencedSOPSequence"
_AVAILABILITY = "InstanceAvailability"
_ONLINE = "ONLINE"
_TERMS = frozenset({_ONLINE, "NEARLINE", "OFFLINE", "UNAVAILABLE"})  # PS3.3 C.4.23.1.1


@dataclass(frozen=True)
class Available:
    """The instances of a study that are online."""

    study_uid: str
    online: Performed


def fault(dataset: Dataset) -> Refused | None:
    """Why an N-CREATE of `dataset` is not done (table R.3.2-1), or None."""
    return next(_faults(dataset), None)


def available(dataset: Dataset) -> Available:
    """What a data set says that has no fault."""
    series: dict[str, dict[str, None]] = {}
    for item in items_of(dataset, _SERIES):
        here = [one for one in items_of(item, _INSTANCES) if text_of(one, _AVAILABILITY) == _ONLINE]
        of_it = series.setdefault(text_of(item, "SeriesInstanceUID"), {})
        of_it.update(dict.fromkeys(text_of(one, "ReferencedSOPInstanceUID") for one in here))
    online = {uid: tuple(uids) for uid, uids in series.items() if uids}
    return Available(text_of(dataset, "StudyInstanceUID"), Performed(online))


def _faults(dataset: Dataset) -> Iterator[Refused]:
    yield from _of_uid(dataset, "StudyInstanceUID")
    yield from _of_items(dataset, _SERIES)
    for series in items_of(dataset, _SERIES):
        yield from _of_uid(series, "SeriesInstanceUID")
        yield from _of_items(series, _INSTANCES)
        for one in items_of(series, _INSTANCES):
            yield from _of_uid(one, "ReferencedSOPInstanceUID")
            if text_of(one, _AVAILABILITY) not in _TERMS:
                missing = _AVAILABILITY not in one
                what = "is missing" if missing else "is none of its terms"
                yield Refused(
                    Status.MISSING_ATTRIBUTE if missing else Status.INVALID_ATTRIBUTE_VALUE,
                    f"{title(_AVAILABILITY)} {what}",
                )


def _of_items(dataset: Dataset, keyword: str) -> Iterator[Refused]:
    if keyword not in dataset:
        yield Refused(Status.MISSING_ATTRIBUTE, f"{title(keyword)} is missing")
    elif not items_of(dataset, keyword):
        yield Refused(Status.MISSING_ATTRIBUTE_VALUE, f"{title(keyword)} has no item")


def _of_uid(dataset: Dataset, keyword: str) -> Iterator[Refused]:
    if keyword not in dataset:
        yield Refused(Status.MISSING_ATTRIBUTE, f"{title(keyword)} is missing")
    elif not is_uid(text_of(dataset, keyword)):
        yield Refused(Status.INVALID_ATTRIBUTE_VALUE, f"{title(keyword)} is no UID")
