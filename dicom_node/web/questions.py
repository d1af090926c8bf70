"""What the node asks an archive that speaks DICOMweb about studies: QIDO-RS (PS3.18 10.6) and WADO-RS (10.4).

The names are those that every kind has (`dicom_node.scu.sources`). Answers are a peer's words, read as those of a
C-FIND are (`dicom_node.scu.questions`): what can be no answer is as if it had not been given. Series with derived UIDs
are results of such nodes, and are not counted.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from config.peers import Peer
from dicom_node.listener.events import NoEvents
from dicom_node.outside import is_uid, whole, words
from dicom_node.scu.archived import ArchivedSeries, ArchivedStudy, Counts, Fetched, PatientKeys
from dicom_node.scu.arrivals import Arrivals
from dicom_node.scu.find import TakesNoQuery
from dicom_node.spool import AssociationWriter, Close
from dicom_node.spool import Peer as Caller
from dicom_node.web.client import HttpClient
from dicom_node.web.connection import explained
from dicom_node.web.multipart import Malformed, media_type
from dicom_node.web.store import StoreRequest, TooMany
from domain.errors import ConfigurationError, Retryable
from domain.ids import is_derived

JSON = "application/dicom+json"
# As they are stored: what the archive would make of them is not what was sent there.
INSTANCES = 'multipart/related; type="application/dicom"; transfer-syntax=*'

_MOST_STUDIES, _MOST_SERIES, _MOST_INSTANCES = 500, 1000, 100_000
_WILD = frozenset("*?\\,")
_NO_SEARCH = (404, 405, 406, 501)
_STUDY, _SERIES, _PATIENT, _BORN, _DATE = "0020000D", "0020000E", "00100020", "00100030", "00080020"
_MODALITY, _MODALITIES, _BODY_PART = "00080060", "00080061", "00180015"
_SERIES_OF_STUDY, _INSTANCES_OF_STUDY, _INSTANCES_OF_SERIES = "00201206", "00201208", "00201209"

_Match: TypeAlias = Mapping[str, object]


def counts(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> Counts:
    """How many series and instances `peer` has of a study; raises as `dicom_node.scu.sources.counts` does."""
    with _client(peer, timeout) as client:
        asked = [("StudyInstanceUID", study_uid), ("includefield", f"{_SERIES_OF_STUDY},{_INSTANCES_OF_STUDY}")]
        told = [one for one in _search(client, "/studies", asked, 2) if _text(one, _STUDY) == study_uid]
        if not told:
            return Counts(0, 0)
        every = list(_series(client, study_uid))
    own = [one for one in every if is_derived(one.uid)]
    series = [one for one in every if one not in own]
    by_series = {one.uid: one.instances for one in series if one.instances}
    summed = sum(by_series.values()) if len(by_series) == len(series) else None
    stated = None if own else whole(_text(told[0], _INSTANCES_OF_STUDY), 1, _MOST_INSTANCES)
    return Counts(len(series), stated or summed, by_series)


def studies_of(peer: Peer, our_aet: str, patient: PatientKeys, timeout: float) -> list[ArchivedStudy]:
    """The studies that `peer` has of a patient, by Patient ID; of another birth date they are somebody else's."""
    if not patient.patient_id.isascii() or not patient.patient_id or set(patient.patient_id) & _WILD:
        return []
    wanted = ",".join((_BORN, _DATE, _MODALITIES))
    with _client(peer, timeout) as client:
        asked = [("PatientID", patient.patient_id), ("includefield", wanted)]
        found = _search(client, "/studies", asked, _MOST_STUDIES)
    return [_study(one) for one in found if _is_patients(one, patient) and is_uid(_text(one, _STUDY))]


def series_of(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> list[ArchivedSeries]:
    """The series that `peer` has of a study."""
    with _client(peer, timeout) as client:
        return list(_series(client, study_uid))


def fetch(
    peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float, into: Arrivals | None = None
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
        with _client(peer, timeout) as client:
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
    client: HttpClient, path: str, study_uid: str, into: Arrivals, until: float, association: AssociationWriter
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


@contextmanager
def _client(peer: Peer, timeout: float) -> Iterator[HttpClient]:
    try:
        with HttpClient(peer, timeout) as client:
            yield client
    except ConfigurationError as error:  # somebody mends it
        raise Retryable(*error.lines) from error


def _search(client: HttpClient, path: str, asked: Sequence[tuple[str, str]], most: int) -> list[_Match]:
    """At most so many matches; raises TakesNoQuery where the archive offers no search."""
    answer = client.request("GET", path, [*asked, ("limit", str(most))], {"accept": JSON})
    if answer.status in _NO_SEARCH:
        raise TakesNoQuery(f"the archive offers no search: {explained(answer)}")
    if answer.expect(200, 204).status == 204 or not answer.body:
        return []
    try:
        found: object = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Retryable("the archive's answer to a search is no JSON") from error
    every: list[_Match] = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return every[:most]


def _series(client: HttpClient, study_uid: str) -> Iterator[ArchivedSeries]:
    asked = [("includefield", f"{_BODY_PART},{_INSTANCES_OF_SERIES}")]
    for one in _search(client, f"/studies/{study_uid}/series", asked, _MOST_SERIES):
        uid = _text(one, _SERIES)
        if is_uid(uid) and _text(one, _STUDY) in ("", study_uid):
            yield ArchivedSeries(
                uid,
                words(_text(one, _MODALITY), 16),
                words(_text(one, _BODY_PART), 16),
                whole(_text(one, _INSTANCES_OF_SERIES), 1, _MOST_INSTANCES),
            )


def _study(one: _Match) -> ArchivedStudy:
    date = _text(one, _DATE)
    modalities = frozenset(words(part, 16) for part in _texts(one, _MODALITIES))
    return ArchivedStudy(_text(one, _STUDY), date if len(date) == 8 and date.isdecimal() else "", modalities - {""})


def _is_patients(one: _Match, patient: PatientKeys) -> bool:
    born = _text(one, _BORN)
    return _text(one, _PATIENT) == patient.patient_id and (not patient.birth_date or born in ("", patient.birth_date))


def _text(one: _Match, tag: str) -> str:
    """The only value of an attribute (PS3.18 F.2.2), as text; "" where there is none, or several."""
    values = _texts(one, tag)
    return values[0] if len(values) == 1 else ""


def _texts(one: _Match, tag: str) -> list[str]:
    element = one.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [str(value) for value in values if isinstance(value, str | int)] if isinstance(values, list) else []
