"""The broker that other tests rely on: it takes and gives messages, and keeps them over a kill."""

from pathlib import Path

import kafka as client
import pytest

from tests.support.servers import KafkaBroker


def _produce(broker: KafkaBroker, topic: str, value: bytes) -> None:
    producer = client.KafkaProducer(**broker.client(), acks="all", enable_idempotence=True)
    producer.send(topic, value).get(timeout=30)
    producer.close()


def _consume(broker: KafkaBroker, topic: str) -> bytes:
    consumer = client.KafkaConsumer(topic, **broker.client(), group_id=f"{topic}.readers", auto_offset_reset="earliest")
    message = next(consumer)
    consumer.close()
    return bytes(message.value)


def test_a_consumer_group_reads_what_an_idempotent_producer_wrote(kafka: KafkaBroker) -> None:
    _produce(kafka, "counterparts.round-trip", b"news")
    assert _consume(kafka, "counterparts.round-trip") == b"news"


@pytest.mark.slow
def test_a_killed_broker_comes_back_on_its_port_with_its_messages(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as broker:
        _produce(broker, "kept", b"before")
        broker.kill()
        assert not broker.ready()
        broker.start()
        assert _consume(broker, "kept") == b"before"


@pytest.mark.slow
def test_a_paused_broker_goes_on_after_the_pause(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as broker:
        broker.pause()
        broker.resume()
        _produce(broker, "kept", b"after")
        assert _consume(broker, "kept") == b"after"
