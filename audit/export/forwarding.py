"""Entries on their way to one receiver: in order, each at least once, however often either side goes away.

The trail itself is the spool: nothing is copied, and what is kept of a receiver is the number of the last entry that it
has for good. An entry is that once `again` seconds have passed since the receiver confirmed it first, and it has
confirmed it since sending broke last; where sending breaks, everything behind that number is sent once more. So doubles
come, and nothing is lost that the receiver did not lose after that time.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from audit.actions import Action
from audit.chain import Row
from audit.export import codes
from audit.export.mapping import audit_message
from audit.export.message import AuditMessage
from audit.trail import Ledger, entry_of
from config import metrics
from domain.clock import Clock
from domain.errors import Permanent, Retryable, Unavailable
from store import receivers, trail

_BATCH = 200  # entries read at once
_TOGETHER = 1000  # entries sent before the receiver is to confirm them
_LATEST = 5.0  # s after which it is to confirm what was sent, if less came
_QUIET = 1.0  # s without an entry after which it is to do so
_SETTLED = 1.0  # s between two writings of a place
_SAID_AFTER = 60.0  # s away after which that stands on the trail


class ReceiverAway(Unavailable):
    """A receiver takes nothing now. The database is there."""


class Outlet(Protocol):
    """What speaks to one receiver. Each method raises Retryable where it takes nothing now."""

    def send(self, message: AuditMessage) -> None:
        """Hand one message on; raises Permanent where the receiver will never take it."""

    def confirm(self) -> None:
        """Return when the receiver has all that was handed on, as far as its protocol can tell."""

    def close(self) -> None:
        """Let go of the connection."""


class Forwarder:
    """Sends one receiver what it has not yet, a turn at a time.

    `behind` is how many entries it has not confirmed. A receiver that is new begins behind the newest entry where
    `from_now` is set, else at the first. `again` (s) as in the module's words; 0 for a receiver whose confirmation says
    that it keeps what it was sent.
    """

    def __init__(self, ledger: Ledger, name: str, outlet: Outlet, clock: Clock, again: float, from_now: bool) -> None:
        self.name = name
        self.behind = 0
        self._ledger = ledger
        self._outlet = outlet
        self._clock = clock
        self._again = again
        self._from_now = from_now
        self._place: int | None = None  # as the database has it
        self._confirmed = self._sent = 0
        self._marks: deque[tuple[float, int]] = deque()  # when which number was confirmed first
        self._unconfirmed: deque[float] = deque()  # when each was sent that is not confirmed
        self._together = _TOGETHER
        self._written = 0.0
        self._away: float | None = None
        self._said_away = False
        self._refusing = False

    @property
    def is_away(self) -> bool:
        """Whether it took nothing when it was tried last."""
        return self._away is not None

    def step(self) -> bool:
        """Send what there is; whether more may be there. Raises ReceiverAway, or Unavailable of the database."""
        if self._place is None:
            self._begin()
        try:
            rows = self._send_some()
            self._confirm_in_time(idle=not rows)
        except ReceiverAway as error:
            try:
                self._settle()
            finally:
                self._begin_again()
            self._note_away(error)
            raise
        self._settle()
        return len(rows) == _BATCH

    def close(self) -> None:
        """Let go of the receiver. What it has not confirmed, and what it confirmed lately, it is sent once more."""
        self._outlet.close()

    def _begin(self) -> None:
        with self._ledger.database.transaction() as connection:
            first = receivers.newest(connection) if self._from_now else 0
            self._place = receivers.begin(connection, self.name, first, self._clock.now())
            since = receivers.known(connection)[self.name].away_since
        self._sent = self._confirmed = self._place
        if since is not None:
            away = (self._clock.now() - since).total_seconds()
            self._away, self._said_away = self._clock.monotonic() - away, away >= _SAID_AFTER

    def _begin_again(self) -> None:
        """A connection that always breaks at so many must be confirmed before, or it would begin anew for ever."""
        self._outlet.close()
        self._together = max(1, min(self._together, len(self._unconfirmed)) // 2)
        self._unconfirmed.clear()
        self._sent = self._confirmed = self._place or 0

    def _send_some(self) -> Sequence[Row]:
        with self._ledger.database.transaction() as connection:
            rows = [Row(one.number, one.entry, one.hash) for one in trail.after(connection, self._sent, _BATCH)]
            ids = [study for row in rows if (study := entry_of(row.number, row.entry).study)]
            uids = receivers.study_uids(connection, ids)
            self.behind = receivers.newest(connection) - self._confirmed
        for row in rows:
            self._send(audit_message(row, uids))
            self._sent = row.number
            self._unconfirmed.append(self._clock.monotonic())
            if len(self._unconfirmed) >= self._together:
                self._confirm()
        return rows

    def _send(self, message: AuditMessage) -> None:
        try:
            self._outlet.send(message)
        except Retryable as error:
            raise ReceiverAway(*error.lines) from error
        except Permanent as error:
            self._note_refused(message, error)
        else:
            self._refusing = False
            metrics.audit_messages.labels(self.name, "sent").inc()

    def _confirm_in_time(self, *, idle: bool) -> None:
        if not self._unconfirmed:
            return
        now = self._clock.monotonic()
        if now - self._unconfirmed[0] >= _LATEST or (idle and now - self._unconfirmed[-1] >= _QUIET):
            self._confirm()

    def _confirm(self) -> None:
        try:
            self._outlet.confirm()
        except Retryable as error:
            raise ReceiverAway(*error.lines) from error
        self.behind = max(0, self.behind - (self._sent - self._confirmed))
        self._confirmed = self._sent
        self._unconfirmed.clear()
        self._together = min(_TOGETHER, 2 * self._together)
        if not self._marks or self._marks[-1][1] < self._sent:
            self._marks.append((self._clock.monotonic(), self._sent))
        self._note_back()

    def _settle(self) -> None:
        """Write down what was confirmed long enough ago."""
        now, number = self._clock.monotonic(), None
        if self._marks and self._again and now - self._written < _SETTLED:
            return
        while self._marks and self._marks[0][1] <= self._confirmed and now - self._marks[0][0] >= self._again:
            number = self._marks.popleft()[1]
        if number is None:
            return
        with self._ledger.database.transaction() as connection:
            receivers.advance(connection, self.name, number, self._clock.now())
        self._place, self._written = number, now

    def _note_away(self, error: ReceiverAway) -> None:
        now = self._clock.monotonic()
        if self._away is None:
            self._away = now
        with self._ledger.transaction() as transaction:
            receivers.note_away(transaction.connection, self.name, error.sentence, self._clock.now())
            if not self._said_away and now - self._away >= _SAID_AFTER:
                transaction.record(Action.RECEIVER_AWAY, receiver=self.name, reason=error.sentence)
                self._said_away = True

    def _note_back(self) -> None:
        if self._away is None:
            return
        with self._ledger.transaction() as transaction:
            receivers.note_back(transaction.connection, self.name)
            if self._said_away:
                transaction.record(Action.RECEIVER_BACK, receiver=self.name, entry=self._confirmed)
        self._away, self._said_away = None, False

    def _note_refused(self, message: AuditMessage, error: Permanent) -> None:
        """One entry keeps no other back. The first of several in a row stands on the trail, and not each: nor what is
        said there of a refusal, for that would have no end.
        """
        metrics.audit_messages.labels(self.name, "refused").inc()
        told = self._refusing or codes.own(Action.MESSAGE_REFUSED.value) in message.types
        with self._ledger.transaction() as transaction:
            receivers.note_refused(transaction.connection, self.name, message.number)
            if not told:
                refused = {"entry": message.number, "reason": error.sentence}
                transaction.record(Action.MESSAGE_REFUSED, None, receiver=self.name, **refused)
        self._refusing = True
