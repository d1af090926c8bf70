"""Leased work, whatever it is: claim rows, work on them while the lease is renewed, and settle each outcome once.

A table of leased rows (store.leases) and a handler are a kind of work. The type of an error says what happens next:
what may pass is tried again by the handler's policy, anything else ends the row. Every outcome is written behind the
fence of its lease, so a holder that lost it writes nothing. What a row brings its handler to ends that row and no
process.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from audit.trail import Ledger, Transaction
from config.logs import at_work_on
from consumers.bus.loop import Defect
from consumers.leased_work import Claimed, LeasedWork, R, T
from consumers.renewal import Renewal
from domain.errors import IntegrityError, NodeError, Permanent, Retryable, Unavailable
from store.database import Connection, GivenUp, is_for_data
from store.holders import Holder
from store.leases import Condition, Lease

_log = logging.getLogger(__name__)

CANCELLED, LOST, ABANDONED = "cancelled", "lost", "abandoned"
_WRITES = 3  # of an outcome that PostgreSQL gives up for another transaction's sake

C = TypeVar("C")


class LeasedLoop(Generic[T, R]):
    """One holder's share of one kind of work. Not for use by several threads.

    `lease` (s) is how long a row stays with a holder that no longer renews it. `alive` is called when work begins and
    while it goes on and does not hang, for whoever wonders about a loop that does not come round. `stop` tells its
    process to end: what that cuts off is no fault of the row, and costs it no attempt.
    """

    def __init__(
        self,
        ledger: Ledger,
        work: LeasedWork[T, R],
        holder: Holder,
        lease: float,
        alive: Callable[[], None] = lambda: None,
        stop: threading.Event | None = None,
    ) -> None:
        self._ledger = ledger
        self._work = work
        self._holder = holder
        self._seconds = lease
        self._alive = alive
        self._stop = stop or threading.Event()
        # By then every lease of an earlier life has run out.
        self._earlier_lives_until = time.monotonic() + lease
        self._server_was_away = False
        self._at: Lease | None = None  # the row that is looked at

    def step(self) -> bool:
        """Take back what was lost, and work on what is due; False where nothing is.

        Raises Unavailable where the database does not answer; what was claimed is then taken back at the next step.
        """
        self._holder.life.prove()
        while self._row_by_row(self._take_back, otherwise=True):
            pass
        self._server_was_away = False
        claimed = self._row_by_row(self._claim, otherwise=None)
        if not claimed:
            return claimed is None
        begun = time.monotonic()
        self._alive()
        try:
            with self._renewed(claimed) as renewal:
                self._settle_all(claimed, self._outcomes(claimed, renewal.sign), begun)
        except Unavailable:
            self._server_was_away = True
            raise
        return True

    def seconds_until_due(self) -> float | None:
        """How soon the next row may be claimed; None where none waits."""
        with self._ledger.database.transaction() as connection:
            return self._work.rows.seconds_until_due(connection, *self._due)

    @property
    def _due(self) -> Sequence[Condition]:
        return (*self._work.scope, *self._work.due)

    def _take_back(self) -> bool:
        with self._ledger.transaction() as transaction:
            lost = self._work.rows.pick_lost(
                transaction.connection, self._gone(transaction.connection), *self._work.scope
            )
            if lost is None:
                return False
            self._at = lost
            item = self._work.load(transaction.connection, lost.row)
            ours = self._work.rows.owner(transaction.connection, lost.row) == self._holder.owner
            # Neither waiting for a server nor a restart costs an attempt.
            stopped = self._work.rows.was_told_to_stop(transaction.connection, lost.row)
            spared = 1 if stopped or (ours and self._server_was_away) else 0
            if not spared and self._work.policy.delay(item.attempts, item.age) is None:
                self._work.ended(transaction, item, Retryable(f"its holder was lost {item.attempts} times"))
                return True
            reason = f"its holder was {'stopped' if stopped else 'lost'}; it is taken up again"
            rows, attempts = self._work.rows, item.attempts - spared
            rows.move(transaction.connection, item.id, rows.lost, reason=reason, attempts=attempts)
            self._work.taken_back(transaction, item, reason)
        return True

    def _gone(self, connection: Connection) -> list[str]:
        """Holders that work no more: this one's earlier lives and, between two steps, itself."""
        if time.monotonic() > self._earlier_lives_until:
            return [self._holder.owner]
        earlier = self._holder.earlier(connection, self._work.rows.owners(connection))
        return [*earlier, self._holder.owner]

    def _claim(self) -> list[Claimed[T]]:
        with self._ledger.transaction() as transaction:
            first = self._claim_one(transaction, *self._due)
            if first is None:
                return []
            claimed = [first]
            most, alike = self._work.together(first.item)
            while len(claimed) < most:
                another = self._claim_one(transaction, *self._due, alike)
                if another is None:
                    break
                claimed.append(another)
            # Studies are locked in one order, whoever else claims at this moment.
            for one in sorted(claimed, key=lambda one: one.item.study_id):
                self._at = one.lease
                self._work.began(transaction, one.item)
            return claimed

    def _claim_one(self, transaction: Transaction, *conditions: Condition) -> Claimed[T] | None:
        """The next row that somebody wants; those before it are cancelled."""
        while True:
            lease = self._work.rows.claim(transaction.connection, self._holder.owner, self._seconds, *conditions)
            if lease is None:
                return None
            self._at = lease
            item = self._work.load(transaction.connection, lease.row)
            if not self._cancelled(transaction, item):
                return Claimed(lease, item)

    def _cancelled(self, transaction: Transaction, item: T) -> bool:
        reason = self._work.overtaken(transaction.connection, item)
        if reason:
            self._work.rows.move(transaction.connection, item.id, self._work.rows.cancel, reason=reason)
            self._work.cancelled(transaction, item, reason)
        return bool(reason)

    def _renewed(self, claimed: Sequence[Claimed[T]]) -> Renewal:
        leases = [one.lease for one in claimed]
        longest = self._work.longest(len(leases))
        return Renewal(
            self._ledger.database,
            self._work.rows,
            self._holder,
            leases,
            self._seconds,
            longest,
            self._alive,
            self._stop,
        )

    def _outcomes(self, claimed: Sequence[Claimed[T]], sign: Callable[[], None]) -> Sequence[R | NodeError]:
        studies = ", ".join(sorted({str(one.item.study_id) for one in claimed}))
        try:
            with at_work_on(study=studies, row=", ".join(str(one.item.id) for one in claimed)):
                return self._work.run(claimed, sign)
        except Unavailable:
            raise
        except NodeError as error:
            return [error] * len(claimed)
        except OSError as error:
            return [Retryable(f"a file of the node: {error.strerror or type(error).__name__}")] * len(claimed)
        except Exception as error:  # a handler's defect must cost its rows and not every other's
            return [_defect(error)] * len(claimed)

    def _settle_all(self, claimed: Sequence[Claimed[T]], outcomes: Sequence[R | NodeError], begun: float) -> None:
        for one, outcome in zip(claimed, outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                raise outcome
            state = self._settle_or_end(one.lease, outcome)
            if state == LOST:
                _log.warning("a lease was lost and its outcome dropped", extra={"row": one.item.id})
            error = outcome if isinstance(outcome, NodeError) else None
            self._work.settled(one.item, state, time.monotonic() - begun, error)

    def _settle_or_end(self, lease: Lease, outcome: R | NodeError) -> str:
        """As `_settle`; an outcome that cannot be written ends the row, and a row that cannot be ended is set aside."""
        try:
            return self._settle_again(lease, outcome)
        except Retryable:
            raise
        except Exception as error:
            ending = _ending(error)
        try:
            return self._settle_again(lease, ending)
        except Retryable:
            raise
        except Exception as error:
            return self._set_aside(lease, _ending(error))

    def _row_by_row(self, call: Callable[[], C], otherwise: C) -> C:
        """What `call` returns; `otherwise` where the row that it came to brought it down, and was set aside."""
        self._at = None
        try:
            return call()
        except Retryable:
            raise
        except Exception as error:
            if self._at is None:
                raise
            self._set_aside(self._at, _ending(error))
            return otherwise

    def _set_aside(self, lease: Lease, error: NodeError) -> str:
        """End a row without its handler, which does not get that far: the next one goes on, and its study says why."""
        with self._ledger.transaction() as transaction:
            study = self._work.rows.abandon(transaction.connection, lease, error.sentence)
            if study is None:
                return LOST
            self._work.abandoned(transaction, lease.row, study, error)
        return ABANDONED

    def _settle_again(self, lease: Lease, outcome: R | NodeError) -> str:
        """As `_settle`; what PostgreSQL gave up for another's sake is written once more: the work took long."""
        for _ in range(_WRITES - 1):
            with suppress(GivenUp):
                return self._settle(lease, outcome)
        return self._settle(lease, outcome)

    def _settle(self, lease: Lease, outcome: R | NodeError) -> str:
        with self._ledger.transaction() as transaction:
            if not self._work.rows.fence(transaction.connection, lease):
                return LOST
            item = self._work.load(transaction.connection, lease.row)
            if self._cancelled(transaction, item):
                return CANCELLED
            if isinstance(outcome, NodeError):
                return self._failed(transaction, item, outcome)
            return self._work.succeeded(transaction, item, outcome)

    def _failed(self, transaction: Transaction, item: T, error: NodeError) -> str:
        """Try again after a pause, or end the row with its reason where that cannot help or was tried enough."""
        delay = self._work.policy.delay(item.attempts, item.age) if isinstance(error, Retryable) else None
        if delay is None:
            return self._work.ended(transaction, item, error)
        said = f"{error.sentence}; attempt {item.attempts}, next in {delay:g} s"
        rows, event = self._work.rows, self._work.failure(error)
        rows.move(transaction.connection, item.id, event, rows.retry, reason=said, delay=delay)
        self._work.retried(transaction, item, error.sentence, said)
        return str(rows.outcome(event).value)


def _ending(error: Exception) -> NodeError:
    """What ends a row that `error` was raised of."""
    return error if isinstance(error, Permanent | IntegrityError) else _defect(error)


def _defect(error: Exception) -> Defect:
    """What ends a row that its handler failed on; raises `error` where that is for the database's own state."""
    if not is_for_data(error):
        raise error
    _log.error("leased work failed", exc_info=error)
    return Defect(f"{type(error).__name__} in the node's own work")
