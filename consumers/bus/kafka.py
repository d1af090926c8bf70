"""The bus of a deployment with a broker: everything that speaks to Kafka.

Consumers commit by hand and one message at a time; the publisher is idempotent and waits for every replica. Both wait
for a broker that is away, both make the topics that are missing.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from kafka.producer.future import FutureRecordMetadata

from config.settings import Bus as Settings
from consumers.bus.kafka_access import Network
from consumers.bus.kafka_admin import ensure_topics
from consumers.bus.kafka_client import connected, raise_refusal, require_broker, translated
from consumers.bus.names import group_id, topics
from consumers.bus.protocol import Message, TakenOver
from store.outbox import OutboxEntry
from store.unit_of_work import DEAD_LETTERS_TOPIC, EVENTS_TOPIC

_log = logging.getLogger(__name__)

_FOREVER = 2**31 - 1  # ms; a batch that expired and one behind it that did not would change places
_SILENCE = 5.0  # s without a message after which the broker is asked for
# s after which a client that moves nothing, where there is something to move, is made anew. Clients do stall, for
# reasons of their own, and only a new one helps.
_STALLED = 30.0
_ANSWER = 5000  # ms for a broker to say where a partition stands
_CONTENT_TYPES = {
    EVENTS_TOPIC: b"application/cloudevents+json; charset=UTF-8",  # CloudEvents Kafka binding 3.3, structured mode
    DEAD_LETTERS_TOPIC: b"application/json",
}


class KafkaBus:
    """Subscriptions on the brokers that `settings.kafka` names."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def subscribe(self, group: str, topic: str = EVENTS_TOPIC) -> "KafkaSubscription":
        """See `consumers.bus.protocol.Bus`. On the broker the group bears the name of the node's topic as well."""
        return KafkaSubscription(self._settings, group, topics(self._settings)[topic])


class KafkaSubscription:
    """One member of a consumer group; see `consumers.bus.protocol.Subscription`."""

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        self._settings = settings
        self._group = group
        self._topic = topic
        self._consumer: KafkaConsumer | None = None
        self._network: Network | None = None
        self._quiet = 0.0  # s without a message
        self._asked = 0.0  # the part of it after which the broker was asked for

    def poll(self, timeout: float) -> list[Message]:
        with self._translated():
            if self._consumer is None:
                self._consumer, self._network = self._join()
            found = self._consumer.poll(timeout_ms=int(timeout * 1000))
            raise_refusal(self._network)
        self._notice_silence(0 if found else self._quiet + timeout)
        return [_message(record) for records in found.values() for record in records]

    def commit(self, message: Message) -> None:
        if self._consumer is None:
            raise TakenOver("this consumer has left the group")
        place = {TopicPartition(self._topic, message.partition): OffsetAndMetadata(message.offset + 1, "", -1)}
        try:
            with self._translated():
                self._consumer.commit(place, timeout_ms=5000)
        except TakenOver:
            # Joining afresh forgets what was fetched and starts where the group stands.
            self.close()
            raise

    def close(self) -> None:
        consumer, self._consumer, self._network = self._consumer, None, None
        if consumer is not None:
            with suppress(kafka_errors.KafkaError):
                consumer.close(autocommit=False, timeout_ms=2000)

    def _notice_silence(self, seconds: float) -> None:
        # The client reconnects by itself and does not tell; a broker that is away looks like one without messages.
        self._quiet, self._asked = seconds, min(self._asked, seconds)
        if seconds - self._asked >= _SILENCE:
            self._asked = seconds
            require_broker(self._settings)
        if seconds >= _STALLED:
            self._quiet = self._asked = 0.0
            self._leave_where_stalled()

    def _leave_where_stalled(self) -> None:
        with self._translated():
            if self._consumer is None or not _is_behind(self._consumer, self._topic):
                return
        _log.warning("the broker has messages that its client does not bring: it joins anew")
        self.close()

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self.close, lambda: self._network)

    def _join(self) -> tuple[KafkaConsumer, Network]:
        ensure_topics(self._settings, [self._topic])
        return connected(
            self._settings,
            KafkaConsumer,
            self._topic,
            group_id=group_id(self._settings, self._group),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            # A session spares bytes where partitions are many; out of step with the broker, it brings none of one.
            enable_incremental_fetch_sessions=False,
            # A topic that the client did not see yet as it joined is found after this.
            metadata_max_age_ms=30_000,
            # One message a poll: the group's coordination goes on between any two, and none is held that another
            # member may be given. What was fetched waits in the client, so this costs no round trip.
            max_poll_records=1,
            # The longest that a handler and its retries may take before the group goes on without this member.
            max_poll_interval_ms=600_000,
            # A member that was killed is missed after this.
            session_timeout_ms=10_000,
        )


class KafkaPublisher:
    """Publishes entries of the outbox in their order."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = topics(settings)
        self._producer: KafkaProducer | None = None
        self._network: Network | None = None
        self._sent: list[FutureRecordMetadata] = []
        self._given = 0.0  # when the broker was given what it has not confirmed (monotonic)

    def connect(self) -> None:
        """Reach the broker, and make the topics that are missing; done once. Raises Unavailable."""
        if self._producer is None:
            with translated():
                self._producer, self._network = self._connect()

    def publish(self, entries: Sequence[OutboxEntry], timeout: float = 5.0) -> None:
        """Return when every replica has every entry.

        Raises Unavailable where that took longer than `timeout` s; called again with the same entries it waits on.
        """
        with translated(self.close, lambda: self._network):
            self._send(entries[len(self._sent) :])
            self._confirm(timeout)
        self._sent = []

    def close(self) -> None:
        """Give the connection up; what no replica has confirmed is published again by the next one."""
        producer, self._producer, self._network, self._sent = self._producer, None, None, []
        if producer is not None:
            # `close` waits for what is under way and, when that takes too long, leaves the sender at it for ever.
            producer._sender.force_close()
            with suppress(kafka_errors.KafkaError):
                producer.close(timeout=2)

    def _send(self, entries: Sequence[OutboxEntry]) -> None:
        self.connect()
        assert self._producer is not None
        if entries:
            self._given = time.monotonic()
        for entry in entries:
            sent = self._producer.send(
                self._names[entry.topic],
                entry.envelope.encode(),
                key=entry.key.encode() or None,
                headers=[("content-type", _CONTENT_TYPES[entry.topic])],
            )
            self._sent.append(sent)

    def _confirm(self, timeout: float) -> None:
        for sent in self._sent:
            try:
                sent.get(timeout=timeout)
            except kafka_errors.KafkaError:
                # A time-out leaves it under way; a failure is final for this producer, and all are sent once more.
                if sent.failed() or self._is_stalled():
                    self.close()
                raise

    def _is_stalled(self) -> bool:
        if time.monotonic() - self._given < _STALLED:
            return False
        _log.warning("the broker does not confirm what it was given: it is given again")
        return True

    def _connect(self) -> tuple[KafkaProducer, Network]:
        ensure_topics(self._settings, self._names.values())
        return connected(
            self._settings,
            KafkaProducer,
            enable_idempotence=True,
            acks="all",
            delivery_timeout_ms=_FOREVER,
            max_block_ms=5000,
            allow_auto_create_topics=False,
        )


def _is_behind(consumer: KafkaConsumer, topic: str) -> bool:
    """Whether the consumer's partitions hold messages that it has not brought; those of all where it was given none."""
    own = list(consumer.assignment() or ())
    if own:
        places = {one: consumer.position(one, timeout_ms=_ANSWER) for one in own}
    else:
        own = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        places = consumer.beginning_offsets(own, timeout_ms=_ANSWER)
        places |= {one: place for one in own if (place := consumer.committed(one, timeout_ms=_ANSWER)) is not None}
    return any(end > (places[one] or 0) for one, end in consumer.end_offsets(own, timeout_ms=_ANSWER).items())


def _message(record: ConsumerRecord) -> Message:
    key = (record.key or b"").decode("utf-8", "replace")
    return Message(record.value or b"", key, record.partition, record.offset)
