"""Storage commitment that others ask of us: decided once nothing of it is on its way, then offered to the listener.

An instance is committed when the index has it under its SOP class, its object is synced, and no other bytes wait under
its UID: what a loss of power, or of every process, cannot take any more. Who decides stands beside the spool: there it
is known what is still on its way, and there the listener reads what it may tell a peer on an association of its own.
"""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps.commitment import told_of
from dicom_node.commitment import CommitmentReport, Reference
from dicom_node.offers import Offers
from domain.commitment import FailureReason, Held, judged
from domain.errors import Retryable
from store import commitments
from store.commitments import Commitment
from store.database import Connection

_log = logging.getLogger(__name__)

# s for which a report is the listener's alone: a peer that keeps its association hears on it.
ALONE = 15.0
_NOTHING = Held("", synced=False, doubted=False)


class Decider:
    """Decides for the spool of this identity. `oldest` says when the oldest came (ns since 1970 UTC) of what the spool
    holds and the index has not checkpointed, None where there is nothing.

    `step` is a turn of the loop.
    """

    def __init__(self, ledger: Ledger, offers: Offers, spool: str, oldest: Callable[[], int | None]) -> None:
        self._ledger = ledger
        self._offers = offers
        self._spool = spool
        self._oldest = oldest
        self._had_some = True  # an earlier life may have

    def step(self) -> None:
        """Decide what can be decided now, and offer what nobody has taken. Raises Retryable, Unavailable."""
        with self._ledger.database.transaction() as connection:
            has_some = commitments.is_any_open(connection, self._spool)
        if has_some or self._had_some:
            self._decide_all(self._oldest())
        self._had_some = has_some

    def _decide_all(self, oldest: int | None) -> None:
        with self._ledger.database.transaction() as connection:
            waiting = commitments.waiting(connection, self._spool)
        for one in waiting:
            try:
                with self._ledger.transaction() as transaction:
                    self._decide(transaction, one, oldest)
            except Retryable:
                raise
            except Exception:
                # The bulkhead: whatever a question brings this to, the next one is decided.
                _log.exception("a question of storage commitment was not decided")
        with self._ledger.database.transaction() as connection:
            undelivered = commitments.undelivered(connection, self._spool)
            new = [commitments.get(connection, one) for one, aet in undelivered if not self._offers.has(aet, one)]
        self._offer(new, {one for one, _ in undelivered})

    def _decide(self, transaction: Transaction, waits: uuid.UUID, oldest: int | None) -> None:
        connection = transaction.connection
        one = commitments.lock_waiting(connection, waits)
        reasons = self._reasons(connection, one, oldest) if one is not None else None
        if one is None or reasons is None:
            return
        commitments.decide(connection, one.id, reasons, 0.0 if one.is_alone else ALONE, self._spool)
        failed = {uid: int(said) for uid, said in zip(one.sop_instances, reasons, strict=True) if said}
        transaction.record(
            Action.COMMITMENT_DECIDED,
            None,
            caller=one.calling_ae,
            transaction=one.transaction_uid,
            committed=len(reasons) - len(failed),
            failed=told_of(failed),
            failures=len(failed),
        )
        transaction.wake(commitments.COMMITMENTS_CHANNEL)

    def _reasons(self, connection: Connection, one: Commitment, oldest: int | None) -> list[FailureReason] | None:
        """What is said of each instance; None while that of one is to be found out."""
        if commitments.is_in_use(connection, one):
            return [FailureReason.DUPLICATE_TRANSACTION] * len(one.sop_instances)
        held = commitments.held(connection, one.sop_instances)
        # What was acknowledged before the question is in the index by now, or in a spool that is behind.
        all_came = one.is_late and (one.is_old or not self._is_behind(one, oldest))
        found = [
            judged(asked, held.get(uid, _NOTHING), all_came=all_came, is_old=one.is_old)
            for asked, uid in one.references
        ]
        reasons = [reason for reason in found if reason is not None]
        return reasons if len(reasons) == len(found) else None

    def _is_behind(self, one: Commitment, oldest: int | None) -> bool:
        return oldest is not None and oldest <= one.asked_at.timestamp() * 1e9

    def _offer(self, new: Sequence[Commitment], every: Collection[uuid.UUID]) -> None:
        """A disk that takes no offer costs nothing: who asked is told on an association of ours."""
        try:
            for one in new:
                self._offers.offer(one.calling_ae, one.id, report_of(one))
            self._offers.keep_only(every)
        except OSError as error:
            _log.warning("reports of storage commitment are not offered: %s", error.strerror)


def report_of(one: Commitment) -> CommitmentReport:
    """What its peer is told; every instance that it asked about, with its reason where it failed."""
    said: Mapping[str, int] = dict(zip(one.sop_instances, one.reasons or (), strict=True))
    references = [Reference(sop_class, uid) for sop_class, uid in one.references]
    return CommitmentReport(
        one.transaction_uid,
        tuple(reference for reference in references if not said[reference.sop_instance]),
        tuple((reference, said[reference.sop_instance]) for reference in references if said[reference.sop_instance]),
    )
