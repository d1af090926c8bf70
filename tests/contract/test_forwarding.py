"""Entries on their way to a receiver, with the real trail: each arrives, in order, however either side goes away."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from audit.actions import Action
from audit.export.forwarding import Forwarder, ReceiverAway
from audit.export.message import AuditMessage
from audit.trail import Ledger, newest_entries
from domain.clock import ManualClock
from domain.errors import Permanent, Unavailable
from store import receivers
from store.database import Database
from store.grants import role_of
from tests.support.servers import Postgres

_NOW = datetime(2026, 11, 30, tzinfo=UTC)


class _Receiver:
    """Keeps what it confirmed; what was sent and not confirmed is gone when it goes away."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.open: list[int] = []
        self.away = False
        self.refuses: set[int] = set()
        self.full_after = 10**9

    def send(self, message: AuditMessage) -> None:
        if message.number in self.refuses:
            raise Permanent("it says no")
        if self.away or len(self.open) >= self.full_after:
            raise Unavailable("nobody is there")
        self.open.append(message.number)

    def confirm(self) -> None:
        if self.away:
            raise Unavailable("nobody is there")
        self.kept += self.open
        self.open = []

    def close(self) -> None:
        self.open = []


@pytest.fixture
def ledger(postgres: Postgres) -> Iterator[Ledger]:
    database = Database(postgres.url(dbname=postgres.fresh_schema()), role=role_of("forward"))
    yield Ledger(database, "forward")
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(_NOW)


def _forwarder(ledger: Ledger, receiver: _Receiver, clock: ManualClock, *, again: float = 30.0) -> Forwarder:
    return Forwarder(ledger, "archive", receiver, clock, again, from_now=False)


def _record(ledger: Ledger, count: int) -> None:
    with ledger.transaction() as transaction:
        for _ in range(count):
            transaction.record(Action.STARTED)


def _run(forwarder: Forwarder, clock: ManualClock, turns: int = 3) -> None:
    for _ in range(turns):
        while forwarder.step():
            pass
        clock.sleep(2)


def _place(ledger: Ledger) -> int:
    with ledger.database.transaction() as connection:
        return receivers.known(connection)["archive"].number


def test_a_receiver_gets_every_entry_once_and_in_order(ledger: Ledger, clock: ManualClock) -> None:
    receiver = _Receiver()
    forwarder = _forwarder(ledger, receiver, clock)
    _record(ledger, 450)
    _run(forwarder, clock)
    _record(ledger, 3)
    _run(forwarder, clock)
    assert receiver.kept == list(range(1, 454))
    assert forwarder.behind == 0


def test_a_place_is_kept_when_a_receiver_could_no_longer_lose_what_it_read(ledger: Ledger, clock: ManualClock) -> None:
    receiver = _Receiver()
    forwarder = _forwarder(ledger, receiver, clock)
    _record(ledger, 5)
    _run(forwarder, clock)
    assert (receiver.kept, _place(ledger)) == ([1, 2, 3, 4, 5], 0)
    clock.sleep(30)
    _run(forwarder, clock)
    assert _place(ledger) == 5


def test_what_was_sent_lately_comes_again_after_a_break_and_nothing_is_left_out(
    ledger: Ledger, clock: ManualClock
) -> None:
    receiver = _Receiver()
    forwarder = _forwarder(ledger, receiver, clock)
    _record(ledger, 5)
    _run(forwarder, clock)
    clock.sleep(30)
    _run(forwarder, clock)
    _record(ledger, 5)
    _run(forwarder, clock)
    _record(ledger, 5)
    forwarder.step()
    receiver.away = True
    clock.sleep(6)
    with pytest.raises(ReceiverAway):
        forwarder.step()
    receiver.away = False
    _run(forwarder, clock)
    assert receiver.kept == [*range(1, 11), *range(6, 16)]


def test_another_life_of_the_process_goes_on_behind_what_the_receiver_has(ledger: Ledger, clock: ManualClock) -> None:
    receiver = _Receiver()
    first = _forwarder(ledger, receiver, clock, again=0)
    _record(ledger, 5)
    _run(first, clock)
    first.close()
    _record(ledger, 2)
    _run(_forwarder(ledger, receiver, clock, again=0), clock)
    assert receiver.kept == [1, 2, 3, 4, 5, 6, 7]


def test_a_receiver_that_begins_now_gets_nothing_of_before(ledger: Ledger, clock: ManualClock) -> None:
    receiver = _Receiver()
    _record(ledger, 5)
    forwarder = Forwarder(ledger, "archive", receiver, clock, 0, from_now=True)
    forwarder.step()
    _record(ledger, 1)
    _run(forwarder, clock)
    assert receiver.kept == [6]


def test_an_entry_that_is_refused_keeps_no_other_back_and_the_first_in_a_row_stands_on_the_trail(
    ledger: Ledger, clock: ManualClock
) -> None:
    receiver = _Receiver()
    receiver.refuses = {2, 3, 6, 7}  # 6 says that 2 was refused
    forwarder = _forwarder(ledger, receiver, clock, again=0)
    _record(ledger, 5)
    _run(forwarder, clock)
    assert receiver.kept == [1, 4, 5]
    found = newest_entries(ledger.database, 10).rows
    assert [(one.number, one.details.get("entry")) for one in found[5:]] == [(6, 2)]
    with ledger.database.transaction() as connection:
        row = receivers.known(connection)["archive"]
    assert (row.refused, row.last_refused) == (3, 6)


def test_a_receiver_away_for_a_minute_is_an_entry_and_so_is_its_return(ledger: Ledger, clock: ManualClock) -> None:
    receiver = _Receiver()
    receiver.away = True
    forwarder = _forwarder(ledger, receiver, clock, again=0)
    _record(ledger, 1)
    for _ in range(4):
        with pytest.raises(ReceiverAway, match="nobody is there"):
            forwarder.step()
        clock.sleep(25)
    with ledger.database.transaction() as connection:
        assert receivers.known(connection)["archive"].reason == "nobody is there"
    receiver.away = False
    _run(forwarder, clock, turns=5)
    actions = [one.action for one in newest_entries(ledger.database, 10).rows]
    assert actions == ["started", "audit receiver away", "audit receiver back"]
    assert receiver.kept == [1, 2, 3]
    with ledger.database.transaction() as connection:
        assert receivers.known(connection)["archive"].away_since is None


@pytest.mark.parametrize("again", [0.0, 30.0])
def test_a_receiver_that_always_breaks_after_a_few_gets_all_in_the_end(
    ledger: Ledger, clock: ManualClock, again: float
) -> None:
    receiver = _Receiver()
    receiver.full_after = 3
    forwarder = _forwarder(ledger, receiver, clock, again=again)
    _record(ledger, 20)
    for _ in range(200):
        with suppress(ReceiverAway):
            forwarder.step()
        clock.sleep(2)
        if _place(ledger) == 20:
            break
    assert sorted(set(receiver.kept)) == list(range(1, 21))
    assert _place(ledger) == 20
