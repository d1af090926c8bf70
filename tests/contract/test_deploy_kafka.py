"""The broker as docker-compose.yml sets it up: its users, its lists, and nothing else gets in."""

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from config.settings import Bus
from console.cli.app import app
from consumers.bus.kafka import KafkaBus, KafkaPublisher
from domain.errors import ConfigurationError, Unavailable
from store.outbox import OutboxEntry
from store.unit_of_work import EVENTS_TOPIC
from tests.support import counterparts
from tests.support.counterparts import ROOT
from tests.support.processes import answers, free_port, wait_for
from tests.support.servers import JAVA, Server

# kafka-python leaves a socket whose connection was refused to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <(ssl|socket):ResourceWarning")


class ComposedKafka(Server):
    """What `deploy/kafka/start` runs, with the secrets of `scripts/compose-secrets`, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, internal, controller = free_port(), free_port(), free_port()
        for name in ("scripts", "deploy"):
            (folder / name).mkdir()
        shutil.copy(ROOT / "scripts" / "compose-secrets", folder / "scripts")
        shutil.copytree(ROOT / "deploy" / "compose", folder / "deploy" / "compose")
        subprocess.run([str(folder / "scripts" / "compose-secrets")], check=True, timeout=60)
        self.secrets = folder / "deploy" / "secrets"
        places = {
            "/run/secrets": str(self.secrets),
            "/var/lib/kafka/data": str(folder / "data"),
            "CLIENTS://:9092": f"CLIENTS://127.0.0.1:{self.port}",
            "CLIENTS://kafka:9092": f"CLIENTS://127.0.0.1:{self.port}",
            "localhost:9093": f"127.0.0.1:{controller}",
            "localhost:9094": f"127.0.0.1:{internal}",
        }
        text = (ROOT / "deploy" / "kafka" / "server.properties").read_text()
        for here, there in places.items():
            assert here in text
            text = text.replace(here, there)
        (folder / "server.properties").write_text(text)
        self._programs(folder / "kafka" / "bin")

    def command(self) -> list[str]:
        places = {"PROPERTIES": self.folder / "server.properties", "SECRETS": self.secrets}
        places["KAFKA"] = self.folder / "kafka"
        return ["env", *(f"{name}={place}" for name, place in places.items()), str(ROOT / "deploy" / "kafka" / "start")]

    def ready(self) -> bool:
        return answers(self.port)

    def environment(self, services: dict[str, Any], name: str) -> dict[str, str]:
        """What Compose gives a service, at this broker's places."""
        (password,) = (one for one in services[name]["secrets"] if one["target"] == "kafka_password")
        places = {"kafka:9092": f"127.0.0.1:{self.port}", "/run/secrets/kafka_ca": str(self.secrets / "kafka_ca")}
        places["/run/secrets/kafka_password"] = str(self.secrets / password["source"])
        return {key: places.get(value, value) for key, value in services[name]["environment"].items() if "BUS" in key}

    def settings(self, services: dict[str, Any], name: str) -> Bus:
        """The settings of a service."""
        given = self.environment(services, name)
        named = {key.removeprefix("DICOM_NODE_BUS__").lower(): value for key, value in given.items()}
        return Bus.model_validate_strings(named)

    def _programs(self, folder: Path) -> None:
        """The two programs of Kafka's distribution that the script calls."""
        folder.mkdir(parents=True)
        options = [*JAVA, "$KAFKA_LOG4J_OPTS", "-cp", f"'{counterparts.kafka_jars()}/*'"]
        java = " ".join([counterparts.require("java"), *options])
        for name, kind in (("kafka-storage.sh", "kafka.tools.StorageTool"), ("kafka-server-start.sh", "kafka.Kafka")):
            (folder / name).write_text(f'#!/bin/sh\nexec {java} {kind} "$@"\n')
            (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposedKafka]:
    with ComposedKafka(tmp_path_factory.mktemp("composed")) as server:
        yield server


def test_each_service_may_do_its_part_once_the_lists_are_there_and_nothing_before(
    composed: ComposedKafka, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="kafka")
    with pytest.raises((ConfigurationError, Unavailable), match=r"Kafka (refuses|shows no topic)"):
        _publish(composed.settings(services, "relay"))
    for name, value in composed.environment(services, "rights").items():
        monkeypatch.setenv(name, value)
    for _ in range(2):  # as after a restart
        done = CliRunner().invoke(app, ["kafka", "grant"])
        assert done.exit_code == 0, done.output
    assert "dicom-node-relay" in done.output
    _publish(composed.settings(services, "relay"))
    for role, group in (("assemble", "routing"), ("write", "results"), ("deliver", "delivery")):
        subscription = KafkaBus(composed.settings(services, role)).subscribe(group)
        assert wait_for(lambda: subscription.poll(0.5), 60, "the message")[0].body == b'"news"'  # noqa: B023
        subscription.close()
        with pytest.raises((ConfigurationError, Unavailable), match=r"Kafka (refuses|shows no topic)"):
            _publish(composed.settings(services, role))


def test_the_broker_writes_no_file_but_its_data_and_is_told_to_log_to_none(composed: ComposedKafka) -> None:
    logging = yaml.safe_load((ROOT / "deploy" / "kafka" / "log4j2.yaml").read_text())["Configuration"]
    assert list(logging["Appenders"]) == ["Console"]
    ours = {"scripts", "deploy", "kafka", "data", "server.properties", composed.log.name}
    assert {path.name for path in composed.folder.iterdir()} == ours
    assert {path.name for path in (composed.folder / "kafka").iterdir()} == {"bin"}


def test_passwords_and_what_proves_them_are_in_no_log_of_the_broker(composed: ComposedKafka) -> None:
    said = composed.log.read_text()
    assert "storedKey" not in said
    for file in composed.secrets.glob("kafka_*"):
        assert file.read_text() not in said


def test_whoever_brings_no_password_is_not_let_in(composed: ComposedKafka, services: dict[str, Any]) -> None:
    settings = composed.settings(services, "relay")
    with pytest.raises(Unavailable):
        _publish(Bus(kafka=settings.kafka, tls=True, ca=settings.ca))


def test_no_service_but_those_that_speak_to_the_broker_knows_of_it(services: dict[str, Any]) -> None:
    knowing = {name for name, one in services.items() if any("BUS" in key for key in one.get("environment", ()))}
    # Retention waits for the relay where there is one: it knows that there is a broker, and cannot log in.
    assert knowing == {"assemble", "relay", "write", "deliver", "rights", "retain"}
    assert [key for key in services["retain"]["environment"] if "BUS" in key] == ["DICOM_NODE_BUS__KAFKA"]
    assert [one["source"] for one in services["retain"]["secrets"]] == ["database_retain"]
    assert os.access(ROOT / "deploy" / "kafka" / "start", os.X_OK)


def _publish(settings: Bus) -> None:
    publisher = KafkaPublisher(settings)
    try:
        publisher.publish([OutboxEntry(0, EVENTS_TOPIC, "key", '"news"')], timeout=60)
    finally:
        publisher.close()
