"""Whether objects are at an archive that speaks DICOMweb, and commits to nothing: by QIDO-RS (PS3.18 10.6)."""

from collections.abc import Mapping, Sequence

from config.peers import Peer
from dicom_node.scu.find import TakesNoQuery
from dicom_node.scu.presence import place
from dicom_node.scu.store import Outgoing
from dicom_node.web.client import HttpClient, asked_of
from dicom_node.web.search import INSTANCE, search, text

_MOST = 100  # matches: of who does not match by the UID, no more are looked at


def holds(objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float = 30.0) -> Mapping[str, str]:
    """Why an object is not at `peer`, by its SOP Instance UID; "" for one that the archive says it has.

    Raises TakesNoQuery where it offers no search, Unavailable and Retryable where it cannot be asked now.
    """
    with asked_of(peer, timeout) as client:
        search(client, "/studies", (), 1)  # after this a 404 is of the instance
        return {one.sop_instance: "" if _is_there(client, one) else "it is not there" for one in objects}


def _is_there(client: HttpClient, one: Outgoing) -> bool:
    study, series = place(one)
    path = f"/studies/{study}/series/{series}/instances"
    try:
        found = search(client, path, [("SOPInstanceUID", one.sop_instance)], _MOST)
    except TakesNoQuery:  # of this study: it has none such
        return False
    return any(text(match, INSTANCE) == one.sop_instance for match in found)
