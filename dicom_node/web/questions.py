"""What the node asks an archive that speaks DICOMweb about studies: QIDO-RS (PS3.18 10.6) and WADO-RS (10.4).

The names are those that every kind has (`dicom_node.scu.sources`). Answers are a peer's words, read as those of a
C-FIND are (`dicom_node.scu.questions`): what can be no answer is as if it had not been given. Series with derived UIDs
are results of such nodes, and are not counted.
"""

import time
from collections.abc import Iterator, Sequence

from config.peers import Peer
from dicom_node.listener.events import NoEvents
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
from dicom_node.scu.find import TakesNoQuery
from dicom_node.spool import AssociationWriter, Close
from dicom_node.spool import Peer as Caller
from dicom_node.web.client import HttpClient, asked_of
from dicom_node.web.connection import explained
from dicom_node.web.multipart import Malformed, media_type
from dicom_node.web.search import SERIES, STUDY, Match, search, text, texts
from dicom_node.web.store import StoreRequest, TooMany
from domain.errors import Retryable
from domain.ids import is_derived

# As they are stored: what the archive would make of them is not what was sent there.
INSTANCES = 'multipart/related; type="application/dicom"; transfer-syntax=*'

_PATIENT, _BORN, _DATE = "00100020", "00100030", "00080020"
_MODALITY, _MODALITIES, _BODY_PART = "00080060", "00080061", "00180015"
_SERIES_OF_STUDY, _INSTANCES_OF_STUDY, _INSTANCES_OF_SERIES = "00201206", "00201208", "00201209"


def counts(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> Counts:
    """How many series and instances `peer` has of a study; raises as `dicom_node.scu.sources.counts` does."""
    with asked_of(peer, timeout) as client:
        asked = [("StudyInstanceUID", study_uid), ("includefield", f"{_SERIES_OF_STUDY},{_INSTANCES_OF_STUDY}")]
        told = [one for one in search(client, "/studies", asked, 2) if text(one, STUDY) == study_uid]
        if not told:
            return Counts(0, 0)
        every = list(_series(client, study_uid))
    own = [one for one in every if is_derived(one.uid)]
    series = [one for one in every if one not in own]
    by_series = {one.uid: one.instances for one in series if one.instances}
    summed = sum(by_series.values()) if len(by_series) == len(series) else None
    stated = None if own else whole(text(told[0], _INSTANCES_OF_STUDY), 1, MOST_INSTANCES)
    return Counts(len(series), stated or summed, by_series)


def studies_of(peer: Peer, our_aet: str, patient: PatientKeys, timeout: float) -> list[ArchivedStudy]:
    """The studies that `peer` has of a patient, by Patient ID; of another birth date they are somebody else's."""
    if not patient.may_be_asked_for(also_wild=","):  # that separates the values of a query here (PS3.18 8.3.4.1)
        return []
    wanted = ",".join((_BORN, _DATE, _MODALITIES))
    with asked_of(peer, timeout) as client:
        asked = [("PatientID", patient.patient_id), ("includefield", wanted)]
        found = search(client, "/studies", asked, MOST_STUDIES)
    return [_study(one) for one in found if _is_patients(one, patient) and is_uid(text(one, STUDY))]


def series_of(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> list[ArchivedSeries]:
    """The series that `peer` has of a study."""
    with asked_of(peer, timeout) as client:
        return list(_series(client, study_uid))


def fetch(
    peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float, into: FetchSpool | None = None
) -> Fetched:
    """Retrieve these series into a spool, as they are encoded; each instance is durable before the next is read."""
    if into is None:
        raise TakesNoQuery("an archive by DICOMweb sends nothing by itself: what is fetched needs a spool to go into")
    until = time.monotonic() + timeout
    host, _ = peer.endpoint
    writer = into.writer()
    association = writer.open_association(Caller(peer.calling, our_aet, host), {})
    sent, failed, how, reason = 0, 0, Close.RELEASED, ""
    try:
        with asked_of(peer, timeout) as client:
            for uid in series:
                request = _retrieve(client, f"/studies/{study_uid}/series/{uid}", study_uid, into, until, association)
                sent, failed = sent + request.stored, failed + len(request.parts) - request.stored
    except Retryable as error:
        how, reason = Close.LOST, error.sentence
        raise
    finally:
        writer.close_association(association, how, reason)
    return Fetched(sent, failed)


def _retrieve(
    client: HttpClient, path: str, study_uid: str, into: FetchSpool, until: float, association: AssociationWriter
) -> StoreRequest:
    """One series, as its answer comes."""
    with client.streamed("GET", path, fields={"accept": INSTANCES}) as (answer, pieces):
        if answer.status != 200:
            raise Retryable(f"the archive gives nothing of a series: {explained(answer)}")
        boundary = _boundary(answer.fields.get("content-type", ""))
        request = StoreRequest(association, NoEvents(), boundary, study_uid, into.longest)
        try:
            for piece in pieces:
                if time.monotonic() > until:
                    raise Retryable("not all of a series came in time")
                request.take(piece)
            request.finish()
        except (Malformed, TooMany) as error:
            request.abandon()
            raise Retryable(f"the archive's answer cannot be read: {error.sentence}") from error
        except BaseException:
            request.abandon()
            raise
    return request


def _boundary(content_type: str) -> bytes:
    media = media_type(content_type)
    if media.name != "multipart/related":
        raise Retryable("the archive gives a series in another form than it was asked for")
    try:
        return media.boundary()
    except Malformed as error:
        raise Retryable(f"the archive's answer cannot be read: {error.sentence}") from error


def _series(client: HttpClient, study_uid: str) -> Iterator[ArchivedSeries]:
    asked = [("includefield", f"{_BODY_PART},{_INSTANCES_OF_SERIES}")]
    for one in search(client, f"/studies/{study_uid}/series", asked, MOST_SERIES):
        uid = text(one, SERIES)
        if is_uid(uid) and text(one, STUDY) in ("", study_uid):
            told = (_MODALITY, _BODY_PART, _INSTANCES_OF_SERIES)
            yield ArchivedSeries.told(uid, *(text(one, tag) for tag in told))


def _study(one: Match) -> ArchivedStudy:
    return ArchivedStudy.told(text(one, STUDY), text(one, _DATE), texts(one, _MODALITIES))


def _is_patients(one: Match, patient: PatientKeys) -> bool:
    return patient.are_of(text(one, _PATIENT), text(one, _BORN))
