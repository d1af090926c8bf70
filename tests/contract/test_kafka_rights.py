"""Who may do what on a broker with an authorizer: each role its part with the rights of `roles.rights` alone."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from kafka import KafkaConsumer, TopicPartition

from config.settings import Bus, Settings
from console.cli.door_looks import broker
from consumers.bus.kafka import KafkaBus, KafkaPublisher
from consumers.bus.kafka_access import Refused
from consumers.bus.kafka_admin import allow, ensure_topics, missing_rights
from consumers.bus.protocol import Message
from domain.errors import Unavailable
from domain.ids import new_id
from roles.rights import rights, user_of
from roles.table import GROUPS
from store.outbox import OutboxEntry
from store.unit_of_work import DEAD_LETTERS_TOPIC, EVENTS_TOPIC
from tests.support.processes import wait_for
from tests.support.secured_kafka import SecuredKafka

RELAY = user_of("relay")
# kafka-python leaves a socket whose connection was refused to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <(ssl|socket):ResourceWarning")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    # Its log records hold errors that hold sockets, beyond the end of the test.
    caplog.set_level(logging.CRITICAL, logger="kafka")


@pytest.fixture
def names(kafka: SecuredKafka) -> Iterator[dict[str, str]]:
    """Topics of a node whose roles have the rights that they need, and nobody any other."""
    made = {"topic": f"{new_id()}.events", "dead_letters": f"{new_id()}.dead"}
    kafka.grant(rights(kafka.settings(**made)))
    yield made


def _publish(settings: Bus, body: str, topic: str = EVENTS_TOPIC) -> None:
    publisher = KafkaPublisher(settings)
    try:
        publisher.publish([OutboxEntry(0, topic, "key", body)], timeout=60)
    finally:
        publisher.close()


def _first(settings: Bus, group: str, topic: str = EVENTS_TOPIC) -> Message:
    subscription = KafkaBus(settings).subscribe(group, topic)
    try:
        return wait_for(lambda: subscription.poll(0.5), 60, "a message")[0]
    finally:
        subscription.close()


def test_the_roles_work_with_the_rights_that_they_need(kafka: SecuredKafka, names: dict[str, str]) -> None:
    relay = kafka.settings(RELAY, **names, partitions=1)
    _publish(relay, '"news"')
    _publish(relay, '"late"', DEAD_LETTERS_TOPIC)
    for name, group in GROUPS.items():
        assert _first(kafka.settings(user_of(group.role), **names), name).body == b'"news"'


@pytest.mark.parametrize("user", ["nobody", *sorted({user_of(group.role) for group in GROUPS.values()})])
def test_nobody_but_the_relay_can_write(kafka: SecuredKafka, names: dict[str, str], user: str) -> None:
    ensure_topics(kafka.settings(RELAY, **names, partitions=1), names.values())
    for topic in (EVENTS_TOPIC, DEAD_LETTERS_TOPIC):
        with pytest.raises(Unavailable, match=r"Kafka (refuses|shows no topic)"):
            _publish(kafka.settings(user, **names), '"forged"', topic)
    consumer = KafkaConsumer(**kafka.client())
    assert set(consumer.end_offsets([TopicPartition(name, 0) for name in names.values()]).values()) == {0}
    consumer.close()


def test_who_may_give_no_rights_is_told_so(kafka: SecuredKafka, names: dict[str, str]) -> None:
    settings = kafka.settings(RELAY, **names)
    with pytest.raises(Unavailable, match=r"Kafka refuses: .*ClusterAuthorizationFailed.*kafka acls"):
        allow(settings, rights(settings))


def test_no_role_reads_as_another_ones_group_or_what_is_not_for_it(kafka: SecuredKafka, names: dict[str, str]) -> None:
    _publish(kafka.settings(RELAY, **names), '"news"')
    for user, group, topic in (
        (user_of("write"), "delivery", EVENTS_TOPIC),
        (user_of("write"), "results", DEAD_LETTERS_TOPIC),
        (RELAY, "routing", EVENTS_TOPIC),
        ("nobody", "routing", EVENTS_TOPIC),
    ):
        subscription = KafkaBus(kafka.settings(user, **names)).subscribe(group, topic)
        with pytest.raises(Unavailable, match=r"Kafka (refuses|shows no topic)"):
            wait_for(lambda: subscription.poll(0.5), 60, "the refusal")  # noqa: B023
        subscription.close()


_ANY_USER = "*"


def _missing(settings: Bus, role: str) -> list[str]:
    wanted = list(rights(settings, lambda name: _ANY_USER if name == role else name))
    return [str(one.operation) for one in missing_rights(settings, [one for one in wanted if one.user == _ANY_USER])]


def test_what_a_user_may_not_do_is_found_without_an_administrator(kafka: SecuredKafka, names: dict[str, str]) -> None:
    relay, write = kafka.settings(RELAY, **names, partitions=1), kafka.settings(user_of("write"), **names)
    assert _missing(relay, "relay") == [], "the topics are not there yet"
    ensure_topics(relay, names.values())
    assert _missing(relay, "relay") == []
    assert _missing(write, "write") == []
    assert _missing(relay, "write") == ["Read", "Read"]
    assert _missing(write, "relay") == ["Write", "Create", "Write", "Create"]
    assert _missing(write, "deliver") == ["Read"], "another one's group"
    assert _missing(kafka.settings("nobody", **names), "write") == ["Read", "Read"]


def _doctor(bus: Bus) -> dict[str, tuple[str, str]]:
    return {one.what: (one.mark.value, one.said) for one in broker(Settings(bus=bus))}


def test_doctor_says_of_a_broker_what_is_wrong_and_what_to_do(
    kafka: SecuredKafka, names: dict[str, str], tmp_path: Path
) -> None:
    ensure_topics(kafka.settings(RELAY, **names, partitions=1), names.values())
    found = _doctor(kafka.settings(user_of("write"), **names))
    assert found["broker"][0] == "ok", found
    assert [mark for mark, _ in found.values()] == ["ok", "ok"]
    assert "its certificate is proven, and it lets in dicom-node-write" in found["broker"][1]
    mark, said = _doctor(kafka.settings("nobody", **names))["broker rights"]
    assert mark == "lacking"
    assert f"nobody may not: Write on topic {names['topic']}; " in said
    assert "dicom-node kafka grant" in said
    assert _doctor(kafka.settings("admin", **names))["broker rights"][0] == "ok"
    (tmp_path / "token").write_text(kafka.token(user_of("write")))
    by_token = kafka.settings_by_token(tmp_path / "token", **names)
    mark, said = _doctor(by_token)["broker rights"]
    assert (mark, said.partition(":")[0]) == (
        "noted",
        "what write needs is allowed, and not what relay, assemble, deliver needs",
    )
    (tmp_path / "token").write_text(kafka.token(user_of("write"), seconds=-60))
    mark, said = _doctor(by_token)["broker"]
    assert mark == "lacking"
    assert "bus.token_file holds is read anew" in said
    (tmp_path / "other").mkdir()
    stranger = kafka.settings(RELAY, **names).model_copy(update={"ca": SecuredKafka(tmp_path / "other").ca})
    mark, said = _doctor(stranger)["broker"]
    assert mark == "lacking"
    assert "bus.ca is to hold the certificate of who signed" in said


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_wrong_password_is_refused_and_the_right_one_is_read_anew(
    kafka: SecuredKafka, names: dict[str, str], tmp_path: Path, mechanism: str
) -> None:
    settings = kafka.settings(RELAY, mechanism, **names)
    assert settings.password_file is not None
    password = tmp_path / "password"
    password.write_text("wrong")
    mistaken = settings.model_copy(update={"password_file": password})
    with pytest.raises(Unavailable, match=r"Kafka refuses.*bus\.password_file.*read anew") as caught:
        _publish(mistaken, '"news"')
    assert "wrong" not in str(caught.value)
    password.write_text(f"{settings.password_file.read_text()}\n")
    _publish(mistaken, '"news"')


def test_a_token_names_its_user_and_the_next_one_in_its_file_is_taken(
    kafka: SecuredKafka, names: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    settings = kafka.settings_by_token(file, **names)
    for bad in (
        kafka.token(RELAY, seconds=-3600),
        kafka.token(RELAY, key=rsa.generate_private_key(65537, 2048)),
        kafka.token(RELAY)[:-4] + "AAAA",
        "no token",
    ):
        file.write_text(bad)
        with pytest.raises(Unavailable, match="Kafka refuses"):
            _publish(settings, '"forged"')
    file.write_text(f"{kafka.token(RELAY)}\n")
    _publish(settings, '"news"')
    file.write_text(kafka.token(user_of("assemble")))
    assert _first(settings, "routing").body == b'"news"'


def test_what_is_renewed_too_late_is_waited_for_and_both_sides_of_the_bus_go_on_with_it(
    kafka: SecuredKafka, names: dict[str, str], tmp_path: Path
) -> None:
    """The broker ends a session by token after a moment; who cannot show a new one then has none."""
    files = {role: tmp_path / role for role in ("relay", "assemble")}

    def renew() -> None:
        for role, file in files.items():
            file.write_text(kafka.token(user_of(role)))

    renew()
    publisher = KafkaPublisher(kafka.settings_by_token(files["relay"], **names))
    subscription = KafkaBus(kafka.settings_by_token(files["assemble"], **names)).subscribe("routing")
    sides: tuple[Callable[[], object], ...] = (
        lambda: publisher.publish([OutboxEntry(0, EVENTS_TOPIC, "key", '"news"')], timeout=1),
        lambda: subscription.poll(0.5),
    )
    try:
        for spoil in (
            lambda file: file.write_text(kafka.token("nobody", seconds=-60)),
            Path.unlink,
            lambda file: file.write_text(""),
        ):
            for side in sides:
                wait_for(lambda: _works(side), 60, "the way to be open")  # noqa: B023
            for file in files.values():
                spoil(file)
            for side in sides:
                said = wait_for(lambda: _refusal(side), 60, "the refusal")  # noqa: B023
                assert re.search(r"Kafka refuses: .*token_file|bus\.token_file: .* (cannot be read|is empty)", said)
                assert kafka.token("nobody")[:20] not in said
            renew()
        for side in sides:
            wait_for(lambda: _works(side), 60, "the way to be open again")  # noqa: B023
    finally:
        publisher.close()
        subscription.close()


def _works(side: Callable[[], object]) -> bool:
    with suppress(Unavailable):
        side()
        return True
    return False


def _refusal(side: Callable[[], object]) -> str:
    """Why `side` is not let in; "" where it is, or where nothing is known of that."""
    try:
        side()
    except Refused as error:
        return str(error)
    except Unavailable:
        return ""
    return ""


def test_a_broker_that_another_authority_signed_or_that_speaks_no_tls_is_refused_before_anything_is_said(
    kafka: SecuredKafka, names: dict[str, str], tmp_path: Path
) -> None:
    other = SecuredKafka(tmp_path).ca
    with pytest.raises(Unavailable, match=r"does not speak TLS as bus\.ca wants.*certificate verify failed"):
        _publish(kafka.settings(RELAY, **names).model_copy(update={"ca": other}), '"news"')
    with pytest.raises(Unavailable):
        _publish(Bus(kafka=kafka.bootstrap, **names), '"news"')


@pytest.mark.parametrize(
    ("name", "content"), [("ca", "no certificate"), ("password_file", ""), ("password_file", None)]
)
def test_a_file_that_is_none_is_named(
    kafka: SecuredKafka, names: dict[str, str], tmp_path: Path, name: str, content: str | None
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Unavailable, match=rf"bus\.{name}: {file} (holds no|is empty|cannot be read)"):
        _publish(kafka.settings(RELAY, **names).model_copy(update={name: file}), '"news"')
