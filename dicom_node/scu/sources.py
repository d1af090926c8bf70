"""What is asked of an archive about studies, whatever kind it is: each kind is a module with these functions.

A kind's module is imported when the first source of it is asked, as `dicom_node.scu.kinds` does for what is sent.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from config.peers import Peer, PeerKind
from dicom_node.scu.archived import ArchivedSeries, ArchivedStudy, Counts, Fetched, PatientKeys
from dicom_node.scu.fetch_spool import FetchSpool

_WHERE: Mapping[PeerKind, str] = {
    "dicom": "dicom_node.scu.questions",
    "dicomweb": "dicom_node.web.questions",
    "orthanc": "dicom_node.orthanc.questions",
}


class _Kind(Protocol):
    def counts(self, peer: Peer, our_aet: str, study_uid: str, timeout: float) -> Counts: ...

    def studies_of(self, peer: Peer, our_aet: str, patient: PatientKeys, timeout: float) -> list[ArchivedStudy]: ...

    def series_of(self, peer: Peer, our_aet: str, study_uid: str, timeout: float) -> list[ArchivedSeries]: ...

    def fetch(
        self, peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float, into: FetchSpool | None
    ) -> Fetched: ...


def counts(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> Counts:
    """How many series and instances `peer` has of a study.

    `timeout` (s) is for each question. As the others here: raises Unavailable where nobody answers, TakesNoQuery where
    the peer never answers such a question, and Retryable where it could not answer this one.
    """
    return _kind(peer).counts(peer, our_aet, study_uid, timeout)


def studies_of(peer: Peer, our_aet: str, patient: PatientKeys, timeout: float) -> list[ArchivedStudy]:
    """The studies that `peer` has of a patient, as it says; whose they are is proven by what they hold."""
    return _kind(peer).studies_of(peer, our_aet, patient, timeout)


def series_of(peer: Peer, our_aet: str, study_uid: str, timeout: float) -> list[ArchivedSeries]:
    """The series that `peer` has of a study."""
    return _kind(peer).series_of(peer, our_aet, study_uid, timeout)


def fetch(
    peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float, into: FetchSpool | None = None
) -> Fetched:
    """Have these series of a study come to this node; `timeout` (s) is for all of it.

    What a peer does not send to the listener by itself goes `into` a spool beside the listener's.
    """
    return _kind(peer).fetch(peer, our_aet, study_uid, series, timeout, into)


def _kind(peer: Peer) -> _Kind:
    return cast(_Kind, import_module(_WHERE[peer.kind]))
