"""What the node asks an Orthanc about studies, under the names that every kind has (`dicom_node.scu.sources`).

Results that dicom-nodes sent there are not counted, and are no series to compare with: their series have UIDs that are
derived. So a study is not waited for because of what was made of it.
"""

import time
from collections.abc import Sequence

from config.peers import Peer
from dicom_node.orthanc.answers import Resource
from dicom_node.orthanc.line import Line, Rules, Taken
from dicom_node.orthanc.rest import NotFound, NotNow, Orthanc, asked_of
from dicom_node.outside import is_uid
from dicom_node.scu.archived import MOST_STUDIES, ArchivedSeries, ArchivedStudy, Counts, Fetched, PatientKeys
from dicom_node.scu.fetch_spool import FetchSpool
from dicom_node.scu.find import TakesNoQuery
from dicom_node.spool import Close
from domain.errors import Retryable
from domain.ids import is_derived


def counts(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> Counts:
    """How many series and instances `peer` has of a study; raises as `dicom_node.scu.sources.counts` does."""
    with asked_of(peer, timeout) as orthanc:
        by_series = {one.uid: len(one.children) for one in _series(orthanc, study_uid)}
    return Counts(len(by_series), sum(by_series.values()), by_series)


def studies_of(peer: Peer, our_aet: str, patient: PatientKeys, timeout: float) -> list[ArchivedStudy]:
    """The studies that `peer` has of a patient, by Patient ID. Which modalities they have it does not say here."""
    if not patient.may_be_asked_for():
        return []
    with asked_of(peer, timeout) as orthanc:
        found = orthanc.studies_like({"PatientID": patient.patient_id}, MOST_STUDIES)
    return [
        ArchivedStudy.told(one.uid, one.tag("StudyDate", 16))
        for one in found
        if is_uid(one.uid) and _is_patients(one, patient)
    ]


def series_of(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> list[ArchivedSeries]:
    """The series that `peer` has of a study."""
    with asked_of(peer, timeout) as orthanc:
        return [
            ArchivedSeries(one.uid, one.tag("Modality", 16), one.tag("BodyPartExamined", 16), len(one.children))
            for one in _series(orthanc, study_uid)
        ]


def fetch(
    peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float, into: FetchSpool | None = None
) -> Fetched:
    """Fetch these series into a spool; what was not fetched within `timeout` s counts as failed."""
    if into is None:
        raise TakesNoQuery("an Orthanc sends nothing by itself: what is fetched by REST needs a spool to go into")
    until = time.monotonic() + timeout
    with asked_of(peer, timeout) as orthanc:
        wanted = [one for found in _series(orthanc, study_uid) if found.uid in series for one in found.children]
    line = Line(peer, into.writer(), Rules(our_aet, into.longest, timeout))
    how, reason, stored = Close.RELEASED, "", 0
    try:
        for instance in wanted:
            if time.monotonic() > until:
                break
            stored += _take(line, instance)
    except Retryable as error:
        how, reason = Close.LOST, error.sentence
        raise
    finally:
        line.end(how, reason)
    return Fetched(stored, len(wanted) - stored)


def _take(line: Line, instance: str) -> bool:
    try:
        return line.take(instance) is Taken.STORED
    except NotNow:
        return False


def _series(orthanc: Orthanc, study_uid: str) -> list[Resource]:
    """None where it has no such study, or it was deleted meanwhile."""
    found: list[Resource] = []
    for study in orthanc.lookup(study_uid, "Study"):
        try:
            found += orthanc.series_of(study)
        except NotFound:
            continue
    return [one for one in found if is_uid(one.uid) and not is_derived(one.uid)]


def _is_patients(study: Resource, patient: PatientKeys) -> bool:
    return patient.are_of(study.tag("PatientID", 64), study.tag("PatientBirthDate", 16))
