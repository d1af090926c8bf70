"""One contract, two buses: PostgreSQL's own log, and Kafka with the relay before it. Both on real servers."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from audit.actions import Action
from audit.chain import verify
from audit.trail import Transaction, rows
from config import metrics
from consumers.bus.dead_letters import DeadLetterLimit, TooManyDeadLetters, list_dead_letters, replay
from consumers.bus.loop import Handler
from domain.clock import SystemClock
from domain.errors import IntegrityError, Permanent, Retryable, Unavailable, UnusableInput
from domain.events import Event, EventType, StudyCompleted, StudyStuck
from domain.ids import StudyId, new_study_id
from store.database import Database
from store.outbox import OutboxReader
from tests.support.buses import KafkaWorld, PostgresWorld, World, dead_letters_on, event_of, numbering
from tests.support.processes import wait_for
from tests.support.servers import Postgres

COMPLETED = EventType.STUDY_COMPLETED
# kafka-python leaves a socket whose connection was refused to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <(ssl|socket):ResourceWarning")


@pytest.fixture(params=["postgres", "kafka"])
def world(request: pytest.FixtureRequest, postgres: Postgres, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    # Its log records hold errors that hold sockets, beyond the end of the test.
    caplog.set_level(logging.CRITICAL, logger="kafka")
    if request.param == "postgres":
        made: World = PostgresWorld(postgres)
    else:
        made = KafkaWorld(postgres, request.getfixturevalue("kafka"))
    yield made
    made.close()


def _failing(error: Exception, times: int, into: list[int]) -> Handler:
    left = [error] * times

    def handler(transaction: Transaction, event: Event) -> None:
        if left:
            raise left.pop()
        numbering(into)(transaction, event)

    return handler


def test_the_events_of_one_study_arrive_in_the_order_of_their_commits(world: World) -> None:
    studies = [new_study_id() for _ in range(4)]
    for number in range(60):
        world.announce(studies[number % 4], number)
    subscription = world.bus.subscribe("readers")
    taken = world.take(subscription, 60)
    subscription.close()
    for index, study in enumerate(studies):
        of_study = [event_of(message).of(StudyCompleted).revision for message in taken if message.key == str(study)]
        assert of_study == list(range(index, 60, 4))


def test_an_event_arrives_as_it_was_announced(world: World) -> None:
    event = world.announce(new_study_id(), 7)
    subscription = world.bus.subscribe("readers")
    [message] = world.take(subscription, 1)
    subscription.close()
    assert event_of(message) == event
    assert message.key == str(event.study_id)


def test_transactions_that_commit_at_the_same_time_all_arrive(world: World) -> None:
    def announce(worker: int) -> None:
        for number in range(25):
            world.announce(new_study_id(), worker * 25 + number)

    subscription = world.bus.subscribe("readers")
    threads = [threading.Thread(target=announce, args=[worker]) for worker in range(4)]
    for thread in threads:
        thread.start()
    taken = world.take(subscription, 100)
    for thread in threads:
        thread.join()
    subscription.close()
    assert sorted(event_of(message).of(StudyCompleted).revision for message in taken) == list(range(100))


def test_what_was_not_committed_is_delivered_again_after_a_crash(world: World) -> None:
    study = new_study_id()
    events = [world.announce(study, number) for number in range(5)]
    first = world.bus.subscribe("readers")
    taken = world.take(first, 5, commit=False)
    first.commit(taken[1])
    first.close()
    second = world.bus.subscribe("readers")
    again = world.take(second, 3)
    second.close()
    assert [event_of(message).id for message in again] == [event.id for event in events[2:]]


def test_groups_read_everything_each_at_its_own_pace(world: World) -> None:
    events = [world.announce(new_study_id(), number) for number in range(10)]
    slow, quick = world.bus.subscribe("slow"), world.bus.subscribe("quick")
    some = world.take(slow, 3)
    everything = world.take(quick, 10)
    rest = world.take(slow, 10 - len(some))
    slow.close()
    quick.close()
    ids = {event.id for event in events}
    assert {event_of(message).id for message in everything} == ids
    assert {event_of(message).id for message in [*some, *rest]} == ids


def test_two_consumers_of_a_group_handle_each_event_once(world: World) -> None:
    for number in range(30):
        world.announce(world.study(), number)
    handled: list[int] = []
    handlers = {COMPLETED: numbering(handled)}
    with world.consumer("group", handlers), world.consumer("group", handlers):
        wait_for(lambda: len(handled) >= 30, 60, "every event", lambda: str(sorted(handled)))
    assert sorted(handled) == list(range(30))


def test_the_next_consumer_takes_over_when_one_leaves(world: World) -> None:
    study = new_study_id()
    events = [world.announce(study, number) for number in range(4)]
    first, second = world.bus.subscribe("readers"), world.bus.subscribe("readers")
    taken = world.take(first, 4, commit=False)
    first.commit(taken[1])
    first.close()
    rest = world.take(second, 2)
    second.close()
    assert [event_of(message).id for message in [*taken[:2], *rest]] == [event.id for event in events]


def test_a_consumer_handles_each_event_once_however_often_it_is_delivered(world: World) -> None:
    event = world.announce(world.study(), 1)
    for _ in range(4):
        world.announce_again(event)
    world.announce(event.study_id, 2)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: 2 in handled, 60, "the last event")
    assert handled == [1, 2]


def test_a_handlers_changes_commit_with_the_mark_or_not_at_all(world: World) -> None:
    study = world.study()
    attempts: list[int] = []

    def handler(transaction: Transaction, event: Event) -> None:
        transaction.record(Action.ROUTED, event.study_id, attempt=len(attempts))
        transaction.emit(Event(StudyStuck(f"attempt {len(attempts)}"), StudyId(study), SystemClock().now()))
        attempts.append(1)
        if len(attempts) < 3:
            raise Retryable("not yet")

    world.announce(study, 1)
    with world.consumer("group", {COMPLETED: handler}):
        wait_for(lambda: "models chosen" in world.trail(), 60, "the handler's entry")
    assert world.trail().count("models chosen") == 1
    found = world.query("SELECT envelope->'data' FROM dicom_node.outbox WHERE envelope->>'type' = 'study.stuck'")
    assert found == [({"reason_code": "attempt 2"},)]


def test_a_message_that_nobody_announced_is_counted_and_holds_nobody_up(world: World) -> None:
    study = world.study()
    world.poison("no event at all", str(study))
    world.announce(study, 1)
    handled: list[int] = []
    counted = metrics.events_handled.labels("group", "unfounded")
    before = counted._value.get()
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: handled, 60, "the event behind it")
        wait_for(lambda: counted._value.get() == before + 1, 60, "the message to be counted")
    assert list_dead_letters(world.database) == []
    assert world.query("SELECT count(*) FROM dicom_node.inbox") == [(1,)]
    assert world.state_of(study) == ("complete", "")


def test_an_event_that_the_node_announced_and_cannot_read_is_set_aside_and_holds_nobody_up(world: World) -> None:
    """As a newer release announces it that runs beside this one."""
    study = world.study()
    envelope = {**Event(StudyCompleted(1, 1, 1), study, SystemClock().now()).envelope(), "type": "study.printed"}
    world.forward(envelope)
    world.announce(study, 1)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: handled, 60, "the event behind it")
        [letter] = wait_for(lambda: list_dead_letters(world.database), 60, "the dead letter")
    assert json.loads(letter.message) == envelope
    assert (letter.reader, str(letter.event_id), letter.study_id, letter.attempts) == ("group", envelope["id"], None, 1)
    [on_topic] = dead_letters_on(world, 1)
    assert (on_topic["letter"], on_topic["message"]) == (letter.id, letter.message)
    assert world.state_of(study) == ("complete", "")
    with pytest.raises(Permanent, match="cannot be read as an event"):
        replay(world.ledger, letter.id, SystemClock().now())


def test_an_event_of_an_earlier_version_of_its_schema_is_handled_as_it_was_announced(world: World) -> None:
    heard: list[Event] = []
    event = Event(StudyStuck(), world.study(), SystemClock().now())
    # Before it said why: its payload was empty.
    world.forward({**event.envelope(), "dataschema": "study.stuck.v0.schema.json", "data": {}})
    with world.consumer("group", {EventType.STUDY_STUCK: lambda _, event: heard.append(event)}):
        wait_for(lambda: heard, 60, "the event")
    assert heard == [event]


def test_a_failure_that_passes_is_tried_again_and_leaves_no_dead_letter(world: World) -> None:
    world.announce(world.study(), 1)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: _failing(Retryable("busy"), 2, handled)}):
        wait_for(lambda: handled, 60, "the event")
    assert list_dead_letters(world.database) == []


def test_a_failure_that_stays_makes_a_dead_letter_and_a_study_that_is_stuck_with_the_reason(world: World) -> None:
    study = world.study()
    event = world.announce(study, 1)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: _failing(Retryable("busy"), 3, handled)}):
        [letter] = wait_for(lambda: list_dead_letters(world.database), 60, "the dead letter")
        world.announce(world.study(), 2)
        wait_for(lambda: handled, 60, "the event behind it")
    assert (letter.event_id, letter.study_id, letter.error, letter.attempts) == (event.id, study, "busy", 3)
    assert world.state_of(study) == ("stuck", "busy")
    assert {"event made a dead letter", "study stuck"} <= set(world.trail())
    subscription = world.bus.subscribe("others")
    stuck = next(
        event_of(message) for message in world.take(subscription, 3) if event_of(message).type == "study.stuck"
    )
    subscription.close()
    assert (stuck.study_id, stuck.data) == (study, StudyStuck("event"))
    [on_topic] = dead_letters_on(world, 1)
    assert (on_topic["group"], on_topic["error"], on_topic["attempts"]) == ("group", "Retryable", 3)
    assert verify(rows(world.database)).bad is None


def test_a_replayed_dead_letter_is_handled_by_the_group_that_failed_and_by_no_other(world: World) -> None:
    study = world.study()
    event = world.announce(study, 1)
    handled: list[int] = []
    elsewhere: list[int] = []
    failing = _failing(UnusableInput("no such geometry"), 1, handled)
    with world.consumer("failing", {COMPLETED: failing}), world.consumer("fine", {COMPLETED: numbering(elsewhere)}):
        [letter] = wait_for(lambda: list_dead_letters(world.database), 60, "the dead letter")
        wait_for(lambda: elsewhere, 60, "the other group")
        assert world.state_of(study) == ("stuck", "no such geometry")
        replay(world.ledger, letter.id, SystemClock().now())
        wait_for(lambda: handled, 60, "the replayed event")
        world.announce(study, 2)
        wait_for(lambda: 2 in elsewhere, 60, "an event after it")
    assert elsewhere == [1, 2]
    assert world.state_of(study) == ("complete", "its event is handled again")
    assert {"event replayed", "study released"} <= set(world.trail())
    again = list_dead_letters(world.database)[0]
    assert (again.event_id, again.replayed_at is not None) == (event.id, True)
    with pytest.raises(Permanent, match="replayed before"):
        replay(world.ledger, letter.id, SystemClock().now())


def test_a_study_stays_stuck_while_anything_else_of_it_is_set_aside(world: World) -> None:
    study = world.study()
    world.announce(study, 1)
    world.announce(study, 2)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: _failing(UnusableInput("no"), 2, handled)}):
        first, second = wait_for(lambda: _two(world), 60, "two dead letters")
        replay(world.ledger, first, SystemClock().now())
        assert world.state_of(study)[0] == "stuck"
        replay(world.ledger, second, SystemClock().now())
        assert world.state_of(study)[0] == "complete"
        wait_for(lambda: len(handled) == 2, 60, "both events")


def _two(world: World) -> list[int]:
    found = [letter.id for letter in list_dead_letters(world.database)]
    return found if len(found) == 2 else []


def test_a_dead_letter_that_is_not_there_cannot_be_replayed(world: World) -> None:
    with pytest.raises(Permanent, match="there is no dead letter 99"):
        replay(world.ledger, 99, SystemClock().now())


def test_too_many_dead_letters_stop_the_consumer_and_leave_the_rest_where_it_is(world: World) -> None:
    study = world.study()
    for number in range(4):
        world.announce(study, number)
    limit = DeadLetterLimit(2, timedelta(minutes=5))
    never: list[int] = []
    failing = _failing(Permanent("no model"), 4, never)
    with pytest.raises(TooManyDeadLetters), world.consumer("group", {COMPLETED: failing}, limit=limit) as running:
        wait_for(lambda: running.error, 60, "the stop")
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: len(handled) == 2, 60, "the rest")
    assert handled == [2, 3]
    assert len(list_dead_letters(world.database)) == 2


def test_the_limit_of_dead_letters_outlives_the_process_and_letters_that_are_long_past_do_not_count(
    postgres: Postgres,
) -> None:
    world = PostgresWorld(postgres)
    study = world.study()
    limit = DeadLetterLimit(2, timedelta(minutes=5))
    for number in range(5):
        world.announce(study, number)

    def live() -> int:
        failing = _failing(Permanent("no model"), 5, [])
        with pytest.raises(TooManyDeadLetters), world.consumer("group", {COMPLETED: failing}, limit=limit) as running:
            wait_for(lambda: running.error, 60, "the stop")
        return len(list_dead_letters(world.database))

    assert (live(), live()) == (2, 2)
    world.execute("UPDATE dicom_node.dead_letters SET at = at - interval '6 minutes' WHERE id = 1")
    assert live() == 3
    world.close()


def test_what_was_changed_or_forged_is_set_aside_and_the_next_event_is_handled(world: World) -> None:
    for number in range(2):
        world.announce(world.study(), number)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: _failing(IntegrityError("forged"), 1, handled)}):
        wait_for(lambda: handled, 60, "the event")
    assert [one.error for one in list_dead_letters(world.database)] == ["forged"]


@pytest.mark.slow
def test_many_events_come_through_once_and_in_order(world: World) -> None:
    many = 600  # several times what is read at once
    studies = [world.study() for _ in range(20)]
    with world.ledger.transaction() as transaction:
        for number in range(many):
            event = Event(StudyCompleted(number, 1, 1), StudyId(studies[number % 20]), SystemClock().now())
            transaction.emit(event)
        transaction.record(Action.STUDY_COMPLETED)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: len(handled) >= many, 120, "every event", lambda: f"{len(handled)} came")
    assert sorted(handled) == list(range(many))
    for index in range(20):
        assert [number for number in handled if number % 20 == index] == list(range(index, many, 20))


@pytest.mark.slow
def test_the_carrier_stopped_and_started_again_in_the_middle_delays_and_loses_nothing(world: World) -> None:
    study = world.study()
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        for number in range(5):
            world.announce(study, number)
        wait_for(lambda: len(handled) == 5, 60, "the first events")
        world.carrier.stop()
        try:
            if isinstance(world, KafkaWorld):
                for number in range(5, 10):
                    world.announce(study, number)
        finally:
            world.carrier.start()
        for number in range(10, 15):
            world.announce(study, number)
        wait_for(lambda: 14 in handled, 120, "the last event", lambda: str(handled))
    expected = range(15) if isinstance(world, KafkaWorld) else [*range(5), *range(10, 15)]
    assert handled == list(expected)


def test_a_session_that_is_cut_gives_the_group_to_whoever_reads_next(postgres: Postgres) -> None:
    world = PostgresWorld(postgres)
    study = new_study_id()
    events = [world.announce(study, number) for number in range(3)]
    cut = OutboxReader(world.database, "readers", ["events"])
    assert len(cut.read(1)) == 3
    world.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    )
    subscription = world.bus.subscribe("readers")
    assert [event_of(message).id for message in world.take(subscription, 3)] == [event.id for event in events]
    with pytest.raises(Unavailable):
        cut.commit(1)
    assert cut.commit(1) is False
    subscription.close()
    world.close()


def test_a_second_reader_waits_while_the_first_is_there(postgres: Postgres) -> None:
    world = PostgresWorld(postgres)
    world.announce(new_study_id(), 1)
    first, second = world.bus.subscribe("readers"), world.bus.subscribe("readers")
    assert len(first.poll(1)) == 1
    assert second.poll(0.2) == []
    first.close()
    assert len(second.poll(5)) == 1
    second.close()
    world.close()


def test_a_database_that_is_not_there_is_said_to_be_unavailable() -> None:
    database = Database("postgresql+psycopg://postgres@127.0.0.1:1/postgres")
    with pytest.raises(Unavailable, match="PostgreSQL does not answer"):
        OutboxReader(database, "group", ["events"]).read(0.1)
