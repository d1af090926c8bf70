"""Reports of storage commitment to those who asked, as leased work: on associations of ours, where an address is known.

Who keeps an association with us hears on that (`dicom_node.listener.reporting`); what it has heard is reported here no
more.
"""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence

from audit.actions import Action
from audit.trail import Transaction
from config import metrics
from config.peers import Peer
from consumers.leased_work import Claimed, why_ended
from consumers.steps.decide import report_of
from dicom_node.scu.commitment import tell
from dicom_node.tally import CountedLog
from domain.commitment import CommitmentEvent, CommitmentState
from domain.errors import NodeError, Retryable
from domain.ids import StudyId
from domain.retry import RetryPolicy
from domain.statuses import described, is_taken
from store import commitments
from store.commitments import COMMITMENTS, Commitment
from store.database import Connection
from store.leases import Condition, LeaseTable

_log = logging.getLogger(__name__)
_LONGEST = 600.0  # s

# Where a peer of this AE title that called from this address listens; None where that is not known.
Addresses = Callable[[str, str], Peer | None]


class ReportToPeer:
    """The handler of all reports. `timeout` (s) is for each answer."""

    rows: LeaseTable[CommitmentState, CommitmentEvent] = COMMITMENTS
    scope: Sequence[Condition] = ()
    due: Sequence[Condition] = ()

    def __init__(self, addresses: Addresses, our_aet: str, policy: RetryPolicy, timeout: float) -> None:
        self.policy = policy
        self._addresses = addresses
        self._our_aet = our_aet
        self._timeout = timeout
        self._untold = CountedLog(_log)

    def load(self, connection: Connection, row: uuid.UUID) -> Commitment:
        """The transaction as it stands."""
        return commitments.get(connection, row)

    def together(self, first: Commitment) -> tuple[int, Condition]:
        """One at a time."""
        return 1, COMMITMENTS.table.c.id == first.id

    def longest(self, rows: int) -> float:
        """An association with one message."""
        return _LONGEST

    def overtaken(self, connection: Connection, item: Commitment) -> str:
        """A report is always owed."""
        return ""

    def began(self, transaction: Transaction, item: Commitment) -> None:
        """Nothing is said of an attempt."""

    def run(self, claimed: Sequence[Claimed[Commitment]], sign: Callable[[], None]) -> Sequence[int | NodeError]:
        """Tell."""
        return [self._told(one.item) for one in claimed]

    def _told(self, item: Commitment) -> int | NodeError:
        peer = self._addresses(item.calling_ae, item.address)
        if peer is None:
            said = f"no port of {item.calling_ae} is known: set it in listener.callers"
            return Retryable(f"{said}; it is told when it calls")
        try:
            status = tell(peer, self._our_aet, report_of(item), self._timeout)
        except Retryable as error:
            return Retryable(str(error))
        if is_taken(status):
            return status
        return Retryable(f"the peer did not take the report: {described(status)}")

    def succeeded(self, transaction: Transaction, item: Commitment, result: int) -> str:
        """It has heard."""
        state = COMMITMENTS.move(transaction.connection, item.id, CommitmentEvent.TELL, reason="reported")
        transaction.record(Action.COMMITMENT_REPORTED, None, **about(item), status=f"{result:04X}")
        return state.value

    def failure(self, error: NodeError) -> CommitmentEvent:
        """What may pass is tried again."""
        return CommitmentEvent.FAIL if isinstance(error, Retryable) else CommitmentEvent.GIVE_UP

    def retried(self, transaction: Transaction, item: Commitment, reason: str, said: str) -> None:
        """The row says why."""
        self._untold.warn(f"a report of storage commitment waits: {reason}")

    def taken_back(self, transaction: Transaction, item: Commitment, reason: str) -> None:
        """The row says why."""

    def cancelled(self, transaction: Transaction, item: Commitment, reason: str) -> None:
        """It never is."""

    def ended(self, transaction: Transaction, item: Commitment, error: NodeError) -> str:
        """Who has not heard may ask again, and is answered."""
        reason = why_ended(item, error)
        state = COMMITMENTS.move(transaction.connection, item.id, CommitmentEvent.GIVE_UP, reason=reason)
        transaction.record(Action.COMMITMENT_REPORTED, None, **about(item), reason=reason)
        self._untold.warn(f"a report of storage commitment was given up: {reason}")
        return state.value

    def abandoned(self, transaction: Transaction, row: uuid.UUID, study: StudyId, error: NodeError) -> None:
        """It is of no study."""

    def settled(self, item: Commitment, state: str, seconds: float, error: NodeError | None = None) -> None:
        """Count the attempt."""
        metrics.commitment_reports.labels(state).inc()
        self._untold.tell()


def addresses(callers: Mapping[str, int], destinations: Sequence[Peer]) -> Addresses:
    """By the ports of `callers` at the address that they called from, else by `destinations` of the same AE title."""

    def found(aet: str, address: str) -> Peer | None:
        if port := callers.get(aet):
            return Peer(kind="dicom", name=aet, aet=aet, host=address, port=port)
        return next((one for one in destinations if one.kind == "dicom" and one.aet == aet), None)

    return found


def about(item: Commitment) -> dict[str, str]:
    """What the trail says of a transaction."""
    return {"caller": item.calling_ae, "transaction": item.transaction_uid, "address": item.address}
