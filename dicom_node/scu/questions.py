"""What the node asks an archive that speaks DICOM: how much there is of a study, and which other studies of a patient.

Answers are a peer's words: a UID that is none, a number that can be none and a study that was not asked for are as if
they had not been given. Keys that an archive does not know it leaves out of its answer (PS3.4 C.2.2.1.3), and counts
are such keys: where it gives none, its instances are counted one by one. Series with derived UIDs are results of such
nodes, and are not counted: a study is not waited for because of what was made of it.
"""

import time
from collections.abc import Iterator, Sequence

from pydicom import Dataset

from config.peers import Peer
from dicom_node.attributes.reader import text_of
from dicom_node.outside import is_uid, whole
from dicom_node.scu.archived import (
    MOST_INSTANCES,
    MOST_SERIES,
    MOST_STUDIES,
    ArchivedSeries,
    ArchivedStudy,
    Counts,
    Fetched,
    PatientKeys,
)
from dicom_node.scu.fetch_spool import FetchSpool
from dicom_node.scu.find import STUDY_ROOT, TakesNoQuery, find
from dicom_node.scu.get import get
from dicom_node.scu.move import move
from domain.errors import Retryable, Unavailable
from domain.ids import is_derived

_MOST_COUNTED = 20  # series whose instances are counted one by one


def counts(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> Counts:
    """How many series and instances `peer` has of a study; raises as `find` does."""
    asked = _keys(StudyInstanceUID=study_uid, NumberOfStudyRelatedSeries="", NumberOfStudyRelatedInstances="")
    told = [one for one in find(peer, our_aet, STUDY_ROOT, "STUDY", asked, timeout, 2) if _is_of(one, study_uid)]
    if not told:
        return Counts(0, 0)
    every = list(_series(peer, our_aet, study_uid, timeout))
    series = [one for one in every if not is_derived(one.uid)]
    by_series = {
        one.uid: number for one in series if (number := _number(peer, our_aet, study_uid, one, timeout, series))
    }
    own = len(series) < len(every)
    stated = None if own else whole(text_of(told[0], "NumberOfStudyRelatedInstances"), 1, MOST_INSTANCES)
    summed = sum(by_series.values()) if by_series and len(by_series) == len(series) else None
    number = None if own else whole(text_of(told[0], "NumberOfStudyRelatedSeries"), 1, MOST_SERIES)
    return Counts(number or len(series) or None, stated or summed, by_series)


def studies_of(peer: Peer, our_aet: str, patient: PatientKeys, timeout: float) -> list[ArchivedStudy]:
    """The studies that `peer` has of a patient, by Patient ID; raises as `find` does."""
    if not patient.may_be_asked_for():
        return []
    asked = _keys(
        PatientID=patient.patient_id, PatientBirthDate="", StudyInstanceUID="", StudyDate="", ModalitiesInStudy=""
    )
    found = find(peer, our_aet, STUDY_ROOT, "STUDY", asked, timeout, MOST_STUDIES)
    return [_study(one) for one in found if _is_patients(one, patient) and is_uid(text_of(one, "StudyInstanceUID"))]


def series_of(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> list[ArchivedSeries]:
    """The series that `peer` has of a study; raises as `find` does."""
    return list(_series(peer, our_aet, study_uid, timeout))


def fetch(
    peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float, into: FetchSpool | None = None
) -> Fetched:
    """Have `peer` send these series to our listener, or give them `into` a spool where it does not know who we are.

    Raises as `move` does.
    """
    until = time.monotonic() + timeout
    try:
        return move(peer, our_aet, study_uid, series, timeout)
    except Unavailable:
        raise
    except Retryable as error:
        if into is None or time.monotonic() > until:
            raise
        try:
            return get(peer, our_aet, study_uid, series, until - time.monotonic(), into)
        except TakesNoQuery:
            raise error from None


def _series(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> Iterator[ArchivedSeries]:
    asked = _keys(
        StudyInstanceUID=study_uid,
        SeriesInstanceUID="",
        Modality="",
        BodyPartExamined="",
        NumberOfSeriesRelatedInstances="",
    )
    for one in find(peer, our_aet, STUDY_ROOT, "SERIES", asked, timeout, MOST_SERIES):
        uid = text_of(one, "SeriesInstanceUID")
        if is_uid(uid) and _is_of(one, study_uid):
            told = ("Modality", "BodyPartExamined", "NumberOfSeriesRelatedInstances")
            yield ArchivedSeries.told(uid, *(text_of(one, keyword) for keyword in told))


def _number(
    peer: Peer, our_aet: str, study_uid: str, one: ArchivedSeries, timeout: float, every: list[ArchivedSeries]
) -> int | None:
    """How many instances a series has: as it says, or counted, where there are not many to count."""
    if one.instances is not None or len(every) > _MOST_COUNTED:
        return one.instances
    asked = _keys(StudyInstanceUID=study_uid, SeriesInstanceUID=one.uid, SOPInstanceUID="")
    found = find(peer, our_aet, STUDY_ROOT, "IMAGE", asked, timeout, MOST_INSTANCES)
    return len({uid for each in found if is_uid(uid := text_of(each, "SOPInstanceUID"))}) or None


def _study(one: Dataset) -> ArchivedStudy:
    modalities = text_of(one, "ModalitiesInStudy").split("\\")
    return ArchivedStudy.told(text_of(one, "StudyInstanceUID"), text_of(one, "StudyDate"), modalities)


def _is_of(one: Dataset, study_uid: str) -> bool:
    """Whether an answer is of the study that was asked for; one that does not say is."""
    return text_of(one, "StudyInstanceUID") in ("", study_uid)


def _is_patients(one: Dataset, patient: PatientKeys) -> bool:
    return patient.are_of(text_of(one, "PatientID"), text_of(one, "PatientBirthDate"))


def _keys(**values: str) -> Dataset:
    keys = Dataset()
    for keyword, value in values.items():
        setattr(keys, keyword, value)
    return keys
