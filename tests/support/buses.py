"""The two buses with everything behind them, so that one suite can hold both to the same contract."""

import gc
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from audit.actions import Action
from audit.trail import Ledger, Transaction
from config.settings import Bus as Settings
from consumers.bus.dead_letters import DeadLetterLimit
from consumers.bus.kafka import KafkaBus, KafkaPublisher
from consumers.bus.kafka_admin import ensure_topics
from consumers.bus.loop import Consumer, Handler
from consumers.bus.names import group_id, topics
from consumers.bus.postgres import PostgresBus
from consumers.bus.protocol import Bus, Message, Subscription
from consumers.bus.relay import Relay
from consumers.bus.rights import Operation, Resource, Right
from domain.clock import SystemClock
from domain.errors import Unavailable
from domain.events import Event, EventType, Payload, ResultsWritten, StudyCompleted
from domain.ids import JobId, StudyId, new_study_id
from domain.retry import RetryPolicy
from roles.rights import rights, user_of
from store.database import APPLICATION_ROLE, Database
from store.outbox import OutboxEntry
from store.unit_of_work import DEAD_LETTERS_TOPIC, EVENTS_TOPIC
from tests.support.processes import wait_for
from tests.support.secured_kafka import SecuredKafka
from tests.support.servers import Postgres, Server

GROUPS = ("group", "reader", "readers", "others", "slow", "quick", "failing", "fine")
QUICK = RetryPolicy(first=0.01, factor=2, longest=0.1, attempts=3)


@dataclass
class Running:
    """Something that runs in a thread until told to stop; `error` is what ended it before that."""

    stop: threading.Event
    thread: threading.Thread
    error: BaseException | None = None


@contextmanager
def in_thread(run: Callable[[], None], stop: threading.Event) -> Iterator[Running]:
    """Run `run` beside the test; at the end `stop` is set and an error that the test did not look at is raised."""

    def body() -> None:
        try:
            run()
        except BaseException as error:
            running.error = error

    running = Running(stop, threading.Thread(target=body, daemon=True))
    running.thread.start()
    try:
        yield running
    finally:
        stop.set()
        running.thread.join(60)
    if running.thread.is_alive():
        raise AssertionError("it does not stop")
    if running.error is not None:
        raise running.error


def announcement(number: int, kind: EventType = EventType.STUDY_COMPLETED) -> Payload:
    """What an event of this type says; `number` tells one from another."""
    if kind is EventType.RESULTS_WRITTEN:
        return ResultsWritten(JobId(uuid.UUID(int=number)), "model", "1", number)
    return StudyCompleted(number, 1, 1)


class World:
    """A database with the node's schema, a bus on it, and what tests do with both."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.dbname = server.fresh_schema()
        self.database = Database(server.url(APPLICATION_ROLE, self.dbname))
        self.ledger = Ledger(self.database, "test")

    bus: Bus
    # What the bus cannot do without, besides PostgreSQL for the inbox.
    carrier: Server

    def close(self) -> None:
        """Give up what is open."""
        self.database.close()
        self.server.drop(self.dbname)

    def poison(self, body: str, key: str) -> None:
        """Bring a message onto the bus that nobody announced."""
        raise NotImplementedError

    def study(self) -> StudyId:
        """A study that is complete."""
        study = new_study_id()
        self.execute(
            "INSERT INTO dicom_node.studies (id, study_uid, state, reason, since, first_received, last_received)"
            " VALUES (%s, %s, 'complete', '', now(), now(), now())",
            study,
            f"2.25.{study.int}",
        )
        return study

    def announce(self, study: StudyId, number: int = 0, kind: EventType = EventType.STUDY_COMPLETED) -> Event:
        """Commit an event and what records it."""
        event = Event(announcement(number, kind), study, datetime.now(UTC))
        with self.ledger.transaction() as transaction:
            transaction.emit(event)
            transaction.record(Action.STUDY_COMPLETED, study)
        return event

    def announce_again(self, event: Event) -> None:
        """Bring the same event onto the bus once more."""
        self.forward(event.envelope())

    def forward(self, envelope: Mapping[str, object]) -> None:
        """Commit an envelope as it is, and what records it."""
        row = {"event_id": envelope["id"], "key": envelope["subject"], "topic": EVENTS_TOPIC, "envelope": envelope}
        with self.ledger.transaction() as transaction:
            transaction.forward(row)
            transaction.record(Action.REPLAYED)

    def take(self, subscription: Subscription, count: int, commit: bool = True) -> list[Message]:
        """The next `count` messages of a subscription."""
        taken: list[Message] = []

        def enough() -> bool:
            for message in subscription.poll(0.2):
                taken.append(message)
                if commit:
                    subscription.commit(message)
            return len(taken) >= count

        wait_for(enough, 180, f"{count} messages", lambda: f"{len(taken)} came", interval=0)
        return taken

    @contextmanager
    def consumer(
        self,
        group: str,
        handlers: Mapping[EventType, Handler],
        policy: RetryPolicy = QUICK,
        limit: DeadLetterLimit = DeadLetterLimit(5, timedelta(minutes=1)),  # noqa: B008 - frozen
    ) -> Iterator[Running]:
        """A consumer at work beside the test."""
        stop = threading.Event()
        consumer = Consumer(self.bus, self.ledger, group, handlers, policy, SystemClock(), stop, limit)
        with in_thread(consumer.run, stop) as running:
            yield running

    def execute(self, statement: str, *values: Any) -> None:
        """A statement as superuser."""
        with self.server.connect(self.dbname) as connection:
            connection.execute(statement.encode(), values)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query, as superuser."""
        with self.server.connect(self.dbname) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def state_of(self, study: uuid.UUID) -> tuple[str, str]:
        """State and reason of a study."""
        [(state, reason)] = self.query("SELECT state, reason FROM dicom_node.studies WHERE id = %s", study)
        return state, reason

    def trail(self) -> list[str]:
        """The actions on the trail, in order."""
        rows = self.query("SELECT (entry::jsonb) ->> 'action' FROM dicom_node.audit_entries ORDER BY number")
        return [action for (action,) in rows]


class PostgresWorld(World):
    """The outbox as the bus."""

    def __init__(self, server: Postgres) -> None:
        super().__init__(server)
        self.bus = PostgresBus(self.database)
        self.carrier = server

    def poison(self, body: str, key: str) -> None:
        with self.ledger.transaction() as transaction:
            row = {"event_id": uuid.uuid4(), "key": key, "topic": EVENTS_TOPIC, "envelope": body}
            transaction.forward(row)
            transaction.record(Action.READ)


class KafkaWorld(World):
    """A broker, fed by a relay that runs all the time."""

    def __init__(self, server: Postgres, broker: SecuredKafka) -> None:
        super().__init__(server)
        names = {"topic": f"{self.dbname}.{uuid.uuid4()}.events", "dead_letters": f"{self.dbname}.{uuid.uuid4()}.dead"}
        self.settings = broker.settings(user_of("relay"), partitions=3, **names)
        self.bus = KafkaBus(broker.settings("tests", partitions=3, **names))
        self.carrier = self.broker = broker
        allowed = [one for one in rights(self.settings) if one.user == user_of("relay")]
        broker.grant([*allowed, *_rights_to_read(self.settings)])
        # A broker takes its time to learn of rights that it was just given; a relay would wait in the same way.
        wait_for(self._topics_are_there, 60, "the rights and topics to be there")
        self._relaying = ExitStack()
        self._relaying.enter_context(self.relay())

    def _topics_are_there(self) -> bool:
        try:
            ensure_topics(self.settings, topics(self.settings).values())
        except Unavailable:
            return False
        return True

    def close(self) -> None:
        self.stop_relay()
        super().close()
        gc.collect()

    def stop_relay(self) -> None:
        """End the relay that runs all the time."""
        self._relaying.close()
        gc.collect()  # here, where the test lets pass that a client left a socket open

    @contextmanager
    def relay(self) -> Iterator[Running]:
        """A relay at work beside the test."""
        stop = threading.Event()
        relay = Relay(self.database, KafkaPublisher(self.settings), SystemClock(), stop)
        with in_thread(relay.run, stop) as running:
            yield running

    def publish(self, *entries: OutboxEntry) -> None:
        """Publish past the relay."""
        publisher = KafkaPublisher(self.settings)
        publisher.publish(entries, timeout=60)
        publisher.close()

    def published(self) -> int:
        """How many messages the topic of events holds."""
        consumer = KafkaConsumer(**self.broker.client())
        try:
            every = [TopicPartition(self.settings.topic, number) for number in range(self.settings.partitions)]
            return sum(consumer.end_offsets(every).values())
        finally:
            consumer.close()

    def poison(self, body: str, key: str) -> None:
        self.publish(OutboxEntry(0, EVENTS_TOPIC, key, body))


def event_of(message: Message) -> Event:
    """What a message says, whoever wrote it."""
    return Event.from_envelope(message.content)


def numbering(into: list[int]) -> Handler:
    """A handler that notes each event's number."""

    def handler(_transaction: Transaction, event: Event) -> None:
        into.append(event.of(StudyCompleted).revision)

    return handler


def _rights_to_read(settings: Settings) -> Iterator[Right]:
    """What the user "tests" needs for the groups of these tests."""
    for topic in topics(settings).values():
        yield Right("tests", Resource.TOPIC, topic, Operation.READ)
    for group in GROUPS:
        yield Right("tests", Resource.GROUP, group_id(settings, group), Operation.READ)


def dead_letters_on(world: World, count: int) -> list[dict[str, Any]]:
    """What the dead-letter topic holds."""
    subscription = world.bus.subscribe("reader", DEAD_LETTERS_TOPIC)
    try:
        return [json.loads(message.body) for message in world.take(subscription, count)]
    finally:
        subscription.close()
