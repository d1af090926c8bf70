"""Asks a destination what it takes: an association that proposes everything that the node can write, and sends nothing.

What a peer accepts in an association is the only thing that it says of itself (PS3.8 7.1.1).
"""

from dataclasses import dataclass

from config.peers import Peer
from dicom_node.scu.commitment import CONTEXT as COMMITMENT
from dicom_node.scu.negotiation import Context
from dicom_node.scu.requestor import associate
from dicom_node.syntaxes import VERIFICATION
from domain.errors import Retryable
from domain.profiles import IMPLICIT, every_form

_VERIFICATION: Context = (VERIFICATION, IMPLICIT)


@dataclass(frozen=True)
class ProbeResult:
    """What a destination answered.

    `accepted` are those of the asked SOP classes and transfer syntaxes that it takes; `implementation` is the name that
    it gives its software; `max_pdu` the bytes of a P-DATA-TF that it takes at most, 0 for any. Where nothing was seen,
    `error` says why. `commits` says whether it takes storage commitment, None where that is not known.
    """

    accepted: frozenset[Context] = frozenset()
    implementation: str = ""
    max_pdu: int = 0
    error: str = ""
    commits: bool | None = None


def asked() -> tuple[Context, ...]:
    """The SOP classes and transfer syntaxes that a destination is asked about."""
    return tuple(dict.fromkeys(form.context for form in every_form()))


def probe(destination: Peer, our_aet: str, timeout: float = 30.0) -> ProbeResult:
    """Ask `destination` what it takes; never raises for what it does. `timeout` (s) is for connection and answer.

    Verification is proposed too: peers that take nothing else of ours would reject an association of nothing.
    """
    contexts = asked()
    try:
        with associate(destination, our_aet, [_VERIFICATION, COMMITMENT, *contexts], timeout) as association:
            negotiated = association.negotiated
            accepted = frozenset(negotiated.accepted) - {_VERIFICATION, COMMITMENT}
            commits = COMMITMENT in negotiated.accepted
            return ProbeResult(accepted, negotiated.implementation, negotiated.max_pdu, commits=commits)
    except Retryable as error:
        return ProbeResult(error=str(error))
