"""What is asked of an archive, whatever kind it is: each kind is a module with these functions.

A kind's module is imported when the first peer of it is spoken to: who sends by DICOM alone loads no HTTP client.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from config.peers import Peer, PeerKind
from dicom_node.scu.probe import ProbeResult
from dicom_node.scu.store import Echo, Outcome, Outgoing

_WHERE: Mapping[PeerKind, str] = {
    "dicom": "dicom_node.scu.dicom",
    "dicomweb": "dicom_node.web.destination",
    "orthanc": "dicom_node.orthanc.destination",
}


class _Kind(Protocol):
    def send(
        self, objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float, together: bool
    ) -> Iterator[Outcome]: ...

    def probe(self, peer: Peer, our_aet: str, timeout: float) -> ProbeResult: ...

    def echo(self, peer: Peer, our_aet: str, timeout: float) -> Echo: ...

    def holds(self, objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float) -> Mapping[str, str]: ...


def send(
    objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float = 30.0, together: bool = False
) -> Iterator[Outcome]:
    """Send `objects`; one outcome each, as it becomes known. Never raises for what the peer does.

    `timeout` (s) is for each connection and each answer as a whole. With `together` all of them go or none.
    """
    return _kind(peer).send(objects, peer, our_aet, timeout, together)


def probe(peer: Peer, our_aet: str, timeout: float = 30.0) -> ProbeResult:
    """What `peer` takes; never raises for what it does. `timeout` (s) is for connection and answer."""
    return _kind(peer).probe(peer, our_aet, timeout)


def echo(peer: Peer, our_aet: str, timeout: float = 30.0) -> Echo:
    """Ask `peer` whether it is there; raises Retryable with the reason where it is not."""
    return _kind(peer).echo(peer, our_aet, timeout)


def holds(objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float = 30.0) -> Mapping[str, str]:
    """Why an object is not at `peer` as it was sent, by its SOP Instance UID; "" for one that is.

    Raises Retryable where it cannot be asked now, and of these TakesNoQuery where it answers no such question.
    """
    return _kind(peer).holds(objects, peer, our_aet, timeout)


def _kind(peer: Peer) -> _Kind:
    return cast(_Kind, import_module(_WHERE[peer.kind]))
