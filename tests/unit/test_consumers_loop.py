"""What the loop decides: which error waits, which counts, which sets aside, which stops. Its database is scripted."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from audit.trail import Ledger, Transaction
from config import metrics
from consumers.bus.dead_letters import DeadLetterLimit, TooManyDeadLetters
from consumers.bus.loop import Consumer, Handler
from consumers.bus.protocol import Message, Subscription, TakenOver
from domain.clock import ManualClock
from domain.errors import IllegalTransition, IntegrityError, Permanent, Retryable, Unavailable, Unfounded, UnusableInput
from domain.events import Event, EventType
from domain.ids import StudyId
from domain.retry import RetryPolicy
from tests.support.buses import announcement

POLICY = RetryPolicy(first=1, factor=2, longest=60, attempts=4)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def _message(number: int = 0, kind: EventType = EventType.STUDY_COMPLETED) -> Message:
    event = Event(announcement(number, kind), StudyId(uuid.UUID(int=7)), MOMENT, uuid.UUID(int=number))
    return Message(json.dumps(event.envelope()).encode(), str(event.study_id), 0, number)


class ScriptedLedger:
    """Transactions on a connection that takes everything; keeps what they would have committed."""

    def __init__(self) -> None:
        self.marked: set[tuple[str, uuid.UUID]] = set()
        self.rows: list[dict[str, Any]] = []
        self.entries: list[tuple[str, dict[str, Any]]] = []

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        transaction = SimpleNamespace(
            connection=None,
            forward=self.rows.append,
            emit=lambda event: self.rows.append(event.envelope()),
            record=lambda action, study=None, **details: self.entries.append((action.value, details)),
        )
        marked = set(self.marked)
        try:
            yield transaction
        except BaseException:
            self.marked = marked
            raise


@dataclass
class ScriptedBus:
    """One subscription that gives batches, then tells the loop to stop."""

    batches: list[Sequence[Message] | Exception]
    stop: threading.Event
    commit_errors: list[Exception] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)
    closed: bool = False

    def subscribe(self, group: str, topic: str = "events") -> Subscription:
        return self

    def poll(self, timeout: float) -> list[Message]:
        if not self.batches:
            self.stop.set()
            return []
        batch = self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return list(batch)

    def commit(self, message: Message) -> None:
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        self.committed.append(message.offset)

    def close(self) -> None:
        self.closed = True


class Loop:
    """A consumer with everything around it scripted; `run` until the messages are used up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *batches: Sequence[Message] | Exception) -> None:
        self.stop = threading.Event()
        self.bus = ScriptedBus(list(batches), self.stop)
        self.ledger = ScriptedLedger()
        self.clock = ManualClock(MOMENT)
        self.limit = DeadLetterLimit(3, timedelta(minutes=10))
        self.letters: list[dict[str, Any]] = []
        # What the node announced: what these messages say, unless a test says otherwise.
        given = [message for batch in batches if not isinstance(batch, Exception) for message in batch]
        self.outbox = {message.event_id: dict(message.content) for message in given if message.event_id}

        def mark(connection: None, reader: str, event_id: uuid.UUID, at: datetime) -> bool:
            new = (reader, event_id) not in self.ledger.marked
            self.ledger.marked.add((reader, event_id))
            return new

        def add(connection: None, **fields: Any) -> int:
            self.letters.append(fields)
            return len(self.letters)

        monkeypatch.setattr("store.outbox.announced", lambda _, event_id: self.outbox.get(event_id))
        monkeypatch.setattr("consumers.bus.loop.mark_handled", mark)
        monkeypatch.setattr("store.outbox.mark_handled", mark)
        monkeypatch.setattr("store.outbox.add_dead_letter", add)
        monkeypatch.setattr("store.outbox.recent_dead_letters", lambda *_: len(self.letters))
        monkeypatch.setattr("store.studies.apply", lambda *_: None)

    def run(self, handler: Callable[[Event], None], group: str = "group") -> None:
        handlers: dict[EventType, Handler] = {EventType.STUDY_COMPLETED: lambda _, event: handler(event)}
        ledger = cast(Ledger, self.ledger)
        Consumer(self.bus, ledger, group, handlers, POLICY, self.clock, self.stop, self.limit).run()


def _counted(group: str, outcome: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("dicom_node_events_total", {"group": group, "outcome": outcome})


def _raising(*errors: Exception) -> Callable[[Event], None]:
    left = list(errors)

    def handler(_event: Event) -> None:
        if left:
            raise left.pop(0)

    return handler


def test_each_message_is_handled_then_committed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(2)], [_message(3)])
    handled: list[tuple[int, list[int]]] = []
    loop.run(lambda event: handled.append((event.id.int, list(loop.bus.committed))))
    assert handled == [(1, []), (2, [1]), (3, [1, 2])]
    assert loop.bus.committed == [1, 2, 3]
    assert loop.bus.closed


def test_a_duplicate_is_committed_and_not_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(1), _message(1)])
    handled: list[Event] = []
    loop.run(handled.append)
    assert len(handled) == 1
    assert loop.bus.committed == [1, 1, 1]


def test_an_event_without_a_handler_is_passed_over_and_leaves_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1, EventType.RESULTS_WRITTEN)])
    loop.run(_raising(AssertionError("not for this handler")))
    assert loop.bus.committed == [1]
    assert not loop.ledger.marked


def test_a_server_that_does_not_answer_is_waited_for_beyond_every_limit_of_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = Loop(monkeypatch, [_message(1)])
    loop.run(_raising(*[Unavailable("no archive")] * 500))
    assert loop.bus.committed == [1]
    assert not loop.letters
    assert loop.clock.now() - MOMENT > timedelta(hours=1)


def test_a_passing_failure_is_tried_again_after_the_policys_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1)])
    loop.run(_raising(*[Retryable("busy")] * 3))
    assert loop.bus.committed == [1]
    assert not loop.letters
    assert loop.clock.now() - MOMENT == timedelta(seconds=1 + 2 + 4)


def test_when_the_attempts_are_used_up_the_message_is_set_aside_and_the_next_one_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(2)])
    loop.run(_raising(*[Retryable("busy")] * 4))
    assert [(letter["error"], letter["attempts"]) for letter in loop.letters] == [("busy", 4)]
    assert loop.bus.committed == [1, 2]
    assert [row["envelope"]["error"] for row in loop.ledger.rows] == ["Retryable"]


def test_a_permanent_failure_is_set_aside_at_once_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1)])
    loop.run(_raising(UnusableInput("slices are not evenly spaced")))
    assert [(letter["error"], letter["attempts"]) for letter in loop.letters] == [("slices are not evenly spaced", 1)]
    assert loop.clock.now() == MOMENT


@pytest.mark.parametrize("error", [ValueError("SECRET^NAME"), IllegalTransition("SECRET^NAME")])
def test_a_handlers_defect_costs_its_message_and_is_named_by_type_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(2)])
    loop.run(_raising(error))
    assert loop.letters[0]["error"] == f"{type(error).__name__} in the handler of study.completed in group group"
    assert loop.bus.committed == [1, 2]
    assert "SECRET" not in str([vars(record) for record in caplog.records])
    assert "SECRET" not in str((loop.letters, loop.ledger.rows, loop.ledger.entries))


@pytest.mark.parametrize("body", [b"\xff\x00 rubbish", b"x" * 900_000, b"[" * 90_000, b'{"id": 7, "type": [1]}'])
def test_a_message_that_is_no_event_is_counted_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    loop = Loop(monkeypatch, [Message(body, "", 3, 9), _message(10)])
    handled: list[Event] = []
    loop.run(handled.append, group=f"no event {len(body)}")
    assert _counted(f"no event {len(body)}", "unfounded") == 1
    assert (loop.letters, loop.ledger.rows, loop.ledger.entries) == ([], [], [])
    assert (len(handled), loop.bus.committed) == (1, [9, 10])


def test_a_message_that_nobody_announced_or_not_so_is_counted_and_leaves_no_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(2)])
    del loop.outbox[uuid.UUID(int=1)]
    loop.outbox[uuid.UUID(int=2)]["time"] = "another"
    loop.run(_raising(AssertionError("it is not to be handled")), group="unfounded")
    assert _counted("unfounded", "unfounded") == 2
    assert (loop.letters, loop.ledger.marked, loop.bus.committed) == ([], set(), [1, 2])


def test_an_event_that_contradicts_the_database_is_counted_and_leaves_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1)])
    loop.run(_raising(Unfounded("there is no such job")), group="contradicts")
    assert _counted("contradicts", "unfounded") == 1
    assert (loop.letters, loop.ledger.marked, loop.bus.committed) == ([], set(), [1])


def test_an_event_that_the_node_announced_and_cannot_read_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = {**_message(1).content, "type": "study.printed"}
    unknown = Message(json.dumps(envelope).encode(), "", 0, 1)
    loop = Loop(monkeypatch, [unknown, unknown])
    loop.run(_raising())
    (letter,) = loop.letters
    assert (json.loads(letter["message"]), letter["event_id"], letter["study_id"]) == (envelope, uuid.UUID(int=1), None)
    assert letter["error"] == "this release of the node cannot read the event"
    assert loop.bus.committed == [1, 1]


def test_a_dead_letters_copy_for_the_topic_stays_below_a_brokers_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = {**_message(1).content, "more": "x" * 900_000}
    loop = Loop(monkeypatch, [Message(json.dumps(envelope).encode(), "", 0, 1)])
    loop.run(_raising(Permanent("no model")))
    assert len(loop.letters[0]["message"]) > 900_000
    assert len(json.dumps(loop.ledger.rows[0]["envelope"])) < 200_000


def test_what_was_changed_or_forged_stops_its_study_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(2)])
    loop.run(_raising(IntegrityError("forged")))
    assert [letter["error"] for letter in loop.letters] == ["forged"]
    assert loop.bus.committed == [1, 2]


def test_a_reason_that_no_table_takes_sets_its_message_aside_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1)])
    loop.run(_raising(Permanent("a\x00b\udcff.dcm")))
    assert [letter["error"] for letter in loop.letters] == ["a<U+0000>b<U+DCFF>.dcm"]


def test_the_limit_of_dead_letters_stops_the_loop_and_the_message_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(number) for number in range(1, 9)])
    with pytest.raises(TooManyDeadLetters, match="3 events were set aside within 10 minutes"):
        loop.run(_raising(*[Permanent("no model")] * 8))
    assert loop.bus.committed == [1, 2, 3]
    assert len(loop.letters) == 3


@pytest.mark.parametrize("why", [Unavailable("no database"), Retryable("PostgreSQL gave a transaction up: deadlock")])
def test_a_dead_letter_that_cannot_be_written_is_waited_for_and_never_dropped(
    monkeypatch: pytest.MonkeyPatch, why: Retryable
) -> None:
    loop = Loop(monkeypatch, [_message(1)])
    down = [why] * 30

    def add(connection: None, **fields: Any) -> int:
        if down:
            raise down.pop()
        loop.letters.append(fields)
        return 1

    monkeypatch.setattr("store.outbox.add_dead_letter", add)
    loop.run(_raising(Permanent("no model")))
    assert (len(loop.letters), loop.bus.committed) == (1, [1])


def test_a_dead_letter_that_fails_to_be_written_for_good_stops_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1)])

    def add(connection: None, **fields: Any) -> int:
        raise IntegrityError("the trail is broken")

    monkeypatch.setattr("store.outbox.add_dead_letter", add)
    with pytest.raises(IntegrityError):
        loop.run(_raising(Permanent("no model")))
    assert loop.bus.committed == []


def test_a_bus_that_is_away_is_waited_for_at_polling_and_at_committing(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, Unavailable("no broker"), Unavailable("no broker"), [_message(1)])
    loop.bus.commit_errors = [Unavailable("no broker")] * 3
    handled: list[Event] = []
    loop.run(handled.append)
    assert (len(handled), loop.bus.committed) == (1, [1])


def test_the_rest_of_a_batch_is_left_to_whoever_took_the_partition_over(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(2)], [_message(5)])
    loop.bus.commit_errors = [TakenOver("rebalanced")]
    handled: list[int] = []
    loop.run(lambda event: handled.append(event.id.int))
    assert (handled, loop.bus.committed) == ([1, 5], [5])


def test_the_order_to_stop_ends_a_wait_and_leaves_the_message_uncommitted(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1)])

    def handler(_event: Event) -> None:
        loop.stop.set()
        raise Unavailable("no archive")

    loop.run(handler)
    assert (loop.bus.committed, loop.bus.closed) == ([], True)


def test_outcomes_are_counted_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1), _message(1), _message(2), _message(3, EventType.RESULTS_WRITTEN)])
    loop.run(_raising(Retryable("busy"), Permanent("no model")), group="counted")
    outcomes = ("handled", "duplicate", "retried", "dead letter", "passed over")
    found = {one: _counted("counted", one) for one in outcomes}
    assert found == {"handled": 1, "duplicate": 1, "retried": 1, "dead letter": 1, "passed over": 1}


def test_a_handler_is_given_the_transaction_of_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, [_message(1)])

    def handler(transaction: Transaction, event: Event) -> None:
        transaction.emit(Event(announcement(1, EventType.RESULTS_WRITTEN), event.study_id, MOMENT))

    handlers: dict[EventType, Handler] = {EventType.STUDY_COMPLETED: handler}
    Consumer(loop.bus, cast(Ledger, loop.ledger), "group", handlers, POLICY, loop.clock, loop.stop).run()
    assert [row["type"] for row in loop.ledger.rows] == ["results.written"]
