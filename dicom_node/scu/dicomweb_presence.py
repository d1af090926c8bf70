"""Whether objects are at an archive that speaks DICOMweb, and commits to nothing: by QIDO-RS (PS3.18 10.6)."""

import json
from collections.abc import Mapping, Sequence

from config.peers import Peer
from dicom_node.scu.find import TakesNoQuery
from dicom_node.scu.presence import place
from dicom_node.scu.store import Outgoing
from dicom_node.web.client import HttpClient
from dicom_node.web.connection import explained
from dicom_node.web.stored import JSON
from domain.errors import ConfigurationError, Retryable

_INSTANCE = "00080018"
_NO_SEARCH = (404, 405, 406, 501)


def holds(objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float = 30.0) -> Mapping[str, str]:
    """Why an object is not at `peer`, by its SOP Instance UID; "" for one that the archive says it has.

    Raises TakesNoQuery where it offers no search, Unavailable and Retryable where it cannot be asked now.
    """
    try:
        with HttpClient(peer, timeout) as client:
            _search(client, "/studies", [("limit", "1")])  # after this a 404 is of the instance
            return {one.sop_instance: "" if _is_there(client, one) else "it is not there" for one in objects}
    except ConfigurationError as error:  # somebody mends it
        raise Retryable(*error.lines) from error


def _is_there(client: HttpClient, one: Outgoing) -> bool:
    study, series = place(one)
    path = f"/studies/{study}/series/{series}/instances"
    try:
        found = _search(client, path, [("SOPInstanceUID", one.sop_instance)])
    except TakesNoQuery:  # of this study: it has none such
        return False
    return any(_uid(match) == one.sop_instance for match in found)


def _search(client: HttpClient, path: str, query: Sequence[tuple[str, str]]) -> Sequence[object]:
    answer = client.request("GET", path, query, {"accept": JSON})
    if answer.status in _NO_SEARCH:
        raise TakesNoQuery(f"the archive offers no search: {explained(answer)}")
    if answer.expect(200, 204).status == 204 or not answer.body:
        return []
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Retryable("the archive's answer to a search is no JSON") from error
    if not isinstance(found, list):
        raise Retryable("the archive's answer to a search is no list of matches")
    return found


def _uid(match: object) -> object:
    element = match.get(_INSTANCE) if isinstance(match, Mapping) else None
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values[0] if isinstance(values, list) and values else None
