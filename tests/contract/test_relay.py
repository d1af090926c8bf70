"""What only the bus with a broker has: the relay before it, its clients, and outages of either server."""

import logging
import threading
import time
from collections.abc import Iterator

import kafka as client
import pytest

from config.settings import Bus as Settings
from consumers.bus import kafka as kafka_bus
from consumers.bus.kafka import KafkaBus, KafkaPublisher, KafkaSubscription
from consumers.bus.protocol import Subscription
from domain.errors import Unavailable
from domain.events import EventType, StudyCompleted
from domain.ids import new_study_id
from store.outbox import OutboxEntry
from tests.support.buses import KafkaWorld, event_of, numbering
from tests.support.processes import wait_for
from tests.support.secured_kafka import SecuredKafka
from tests.support.servers import Postgres

COMPLETED = EventType.STUDY_COMPLETED
# kafka-python leaves a socket whose connection was refused to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <(ssl|socket):ResourceWarning")


@pytest.fixture
def kafka_world(postgres: Postgres, kafka: SecuredKafka, caplog: pytest.LogCaptureFixture) -> Iterator[KafkaWorld]:
    # Its log records hold errors that hold sockets, beyond the end of the test.
    caplog.set_level(logging.CRITICAL, logger="kafka")
    made = KafkaWorld(postgres, kafka)
    yield made
    made.close()


@pytest.mark.slow
def test_postgresql_stopped_and_started_again_in_the_middle_delays_and_loses_nothing(kafka_world: KafkaWorld) -> None:
    study = kafka_world.study()
    handled: list[int] = []
    with kafka_world.consumer("group", {COMPLETED: numbering(handled)}):
        for number in range(5):
            kafka_world.announce(study, number)
        wait_for(lambda: handled, 60, "an event")
        kafka_world.server.stop(immediate=True)
        kafka_world.server.start()
        for number in range(5, 10):
            kafka_world.announce(study, number)
        wait_for(lambda: 9 in handled, 120, "the last event", lambda: str(handled))
    assert sorted(set(handled)) == list(range(10))


def test_what_was_published_before_its_place_was_written_is_published_again_and_handled_once(
    kafka_world: KafkaWorld,
) -> None:
    study = kafka_world.study()
    for number in range(3):
        kafka_world.announce(study, number)
    handled: list[int] = []
    with kafka_world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: len(handled) == 3, 60, "the events")
        # As after a relay that was killed in between: its place is behind what the broker has.
        kafka_world.stop_relay()
        kafka_world.execute("UPDATE dicom_node.offsets SET seq = 0 WHERE reader = 'relay'")
        with kafka_world.relay():
            kafka_world.announce(study, 3)
            wait_for(lambda: 3 in handled, 60, "the event after them")
    assert handled == [0, 1, 2, 3]
    assert kafka_world.published() == 7


def test_only_one_relay_is_at_work(kafka_world: KafkaWorld) -> None:
    study = new_study_id()
    with kafka_world.relay():
        for number in range(50):
            kafka_world.announce(study, number)
        subscription = kafka_world.bus.subscribe("readers")
        taken = kafka_world.take(subscription, 50)
        assert subscription.poll(1) == []
        subscription.close()
    assert [event_of(message).of(StudyCompleted).revision for message in taken] == list(range(50))


def test_messages_on_the_broker_follow_the_cloudevents_binding(kafka_world: KafkaWorld) -> None:
    event = kafka_world.announce(new_study_id(), 1)
    consumer = client.KafkaConsumer(
        kafka_world.settings.topic, **kafka_world.broker.client(), auto_offset_reset="earliest"
    )
    record = next(consumer)
    consumer.close()
    assert record.headers == [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    assert record.key == str(event.study_id).encode()


def test_a_broker_that_is_not_there_is_said_to_be_unavailable() -> None:
    bus = KafkaBus(Settings(kafka="127.0.0.1:1"))
    with pytest.raises(Unavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        bus.subscribe("group").poll(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("leave", "come_back"), [("stop", "start"), ("pause", "resume")])
def test_a_broker_that_is_away_or_frozen_is_unavailable_and_waiting_for_it_piles_nothing_up(
    kafka_world: KafkaWorld, leave: str, come_back: str
) -> None:
    subscription = kafka_world.bus.subscribe("group")
    getattr(kafka_world.carrier, leave)()
    try:
        before = threading.active_count()
        for _ in range(2):
            with pytest.raises(Unavailable):
                subscription.poll(0.1)
        with pytest.raises(Unavailable):
            kafka_world.publish(OutboxEntry(0, "events", "", "{}"))
        assert threading.active_count() <= before
    finally:
        getattr(kafka_world.carrier, come_back)()


@pytest.mark.slow
def test_a_broker_that_goes_away_is_noticed_and_found_again(kafka_world: KafkaWorld) -> None:
    subscription = kafka_world.bus.subscribe("group")
    kafka_world.announce(new_study_id(), 1)
    kafka_world.take(subscription, 1)
    kafka_world.carrier.stop()
    try:
        with pytest.raises(Unavailable):
            wait_for(lambda: subscription.poll(0.5), 60, "the broker's absence to be noticed")
    finally:
        kafka_world.carrier.start()
    kafka_world.announce(new_study_id(), 2)
    [message] = kafka_world.take(subscription, 1)
    subscription.close()
    assert event_of(message).of(StudyCompleted).revision == 2


@pytest.mark.parametrize("assigned", [True, False])
def test_a_client_that_brings_nothing_of_what_there_is_is_made_anew(
    kafka_world: KafkaWorld, monkeypatch: pytest.MonkeyPatch, assigned: bool
) -> None:
    study, subscription = new_study_id(), kafka_world.bus.subscribe("group")
    kafka_world.announce(study, 1)
    kafka_world.take(subscription, 1)
    stalled = _client_of(subscription)
    monkeypatch.setattr(stalled, "poll", lambda **_: {})
    if not assigned:
        monkeypatch.setattr(stalled, "assignment", set)
    monkeypatch.setattr(kafka_bus, "_STALLED", 0.4)
    assert subscription.poll(0.2) == subscription.poll(0.2) == []
    assert _client_of(subscription) is stalled, "there is nothing to bring"
    kafka_world.announce(study, 2)
    [message] = kafka_world.take(subscription, 1)
    subscription.close()
    assert event_of(message).of(StudyCompleted).revision == 2


def test_what_the_broker_never_confirms_is_given_to_it_again(
    kafka_world: KafkaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = KafkaPublisher(kafka_world.settings)
    publisher.publish([OutboxEntry(0, "events", "", "{}")], timeout=60)
    stalled = publisher._producer
    assert stalled is not None
    monkeypatch.setattr(stalled, "send", lambda *_, **__: _NeverConfirmed())
    monkeypatch.setattr(kafka_bus, "_STALLED", 0.4)
    entry = OutboxEntry(1, "events", "", "{}")

    def given_up() -> bool:
        with pytest.raises(Unavailable):
            publisher.publish([entry], timeout=0.1)
        return publisher._producer is not stalled

    wait_for(given_up, 60, "the client to be given up", interval=0)
    publisher.publish([entry], timeout=60)
    publisher.close()
    assert kafka_world.published() == 2


class _NeverConfirmed:
    def failed(self) -> bool:
        return False

    def get(self, timeout: float) -> None:
        time.sleep(timeout)
        raise client.errors.KafkaTimeoutError


def _client_of(subscription: Subscription) -> client.KafkaConsumer:
    assert isinstance(subscription, KafkaSubscription)
    assert subscription._consumer is not None
    return subscription._consumer


@pytest.mark.slow
def test_a_relay_that_is_told_to_stop_while_the_broker_is_frozen_stops_and_the_next_one_goes_on(
    kafka_world: KafkaWorld,
) -> None:
    study = new_study_id()
    kafka_world.announce(study, 1)
    subscription = kafka_world.bus.subscribe("readers")
    kafka_world.take(subscription, 1)
    kafka_world.carrier.pause()
    try:
        kafka_world.announce(study, 2)
        kafka_world.stop_relay()
    finally:
        kafka_world.carrier.resume()
    with kafka_world.relay():
        kafka_world.announce(study, 3)
        numbers = [event_of(message).of(StudyCompleted).revision for message in kafka_world.take(subscription, 2)]
        while 3 not in numbers:
            numbers += [event_of(message).of(StudyCompleted).revision for message in kafka_world.take(subscription, 1)]
    subscription.close()
    assert list(dict.fromkeys(numbers)) == [2, 3]
