"""Alerts by a real Prometheus and Alertmanager: each comes from the fault that it is for, and goes when that is over.

Ages are made by setting back a moment in the database, since no test waits for a quarter of an hour; the expressions
are those that a site has, `for` is nothing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.peers import Destination
from dicom_node.scu.store import echo
from domain.errors import Retryable
from tests.support import fault_packages, packages
from tests.support.certificates import certified
from tests.support.counterparts import ROOT, missing
from tests.support.monitoring import Alertmanager, Pager, Prometheus
from tests.support.node import PROGRAM, Node
from tests.support.processes import free_port, wait_for
from tests.support.senders import scan
from tests.support.servers import StorageScp
from tests.support.small_disk import behind, may_mount
from tests.support.trial import QUICK, small

pytestmark = pytest.mark.slow

DASHBOARD = ROOT / "deploy" / "prometheus" / "dicom-node.dashboard.json"
RULE = '[[rule]]\nname = "the only one"\nmodel = "{}"\n'
BROKEN = "broken"  # a model whose answers are no numbers
NAMED = json.dumps([{"aet": one, "address": "127.0.0.1"} for one in ("SCANNER", "STORESCU")])


@dataclass(frozen=True)
class Watched:
    """A node with the options that it was made with, its archive, who watches them and who is told."""

    node: Node
    archive: StorageScp
    prometheus: Prometheus
    pager: Pager
    rules: Path
    options: Mapping[str, Any]

    def await_alert(self, alert: str, **labels: str) -> None:
        """Wait until somebody is told of it."""
        wait_for(lambda: self.pager.told(alert, **labels), 90, alert, lambda: str(self.prometheus.ask("ALERTS")))

    def await_end(self, alert: str, **labels: str) -> None:
        """Wait until somebody is told that it is over."""
        wait_for(lambda: self.pager.told(alert, "resolved", **labels), 90, f"the end of {alert}")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One that has delivered the results of a study."""
    folder, port = tmp_path_factory.mktemp("watched"), free_port()
    models, rules = folder / "models", folder / "rules.toml"
    models.mkdir()
    fault_packages.write_package(models, BROKEN, fault_packages.not_a_number())
    packages.write_package(models)
    rules.write_text(RULE.format(packages.NAME))
    places = [folder / name for name in ("archive", "alertmanager", "prometheus")]
    for place in places:
        place.mkdir()
    own = {
        "DICOM_NODE_HTTP__PORT": str(port),
        "DICOM_NODE_DELIVERY__ECHO": "0.5",
        "DICOM_NODE_DELIVERY__TIMEOUT": "5",
        "DICOM_NODE_LISTENER__TRUST_LOOPBACK": "false",
        "DICOM_NODE_LISTENER__CALLERS": NAMED,
        "DICOM_NODE_MODELS__RULES": str(rules),
    }
    archive, pager = StorageScp(places[0]), Pager()
    options: Mapping[str, Any] = {"destinations": [archive.destination], "models": models, "env": QUICK | own}
    node = Node(folder / "node", **options)
    alertmanager = Alertmanager(places[1], pager)
    prometheus = Prometheus(places[2], f"127.0.0.1:{port}", alertmanager)
    with archive, pager, alertmanager, prometheus, node:
        scan(node, small("watched").datasets(), folder / "study")
        stored = 'dicom_node_deliveries_total{outcome="stored"}'
        node.wait_for(lambda: prometheus.ask(stored), 150, "results to be delivered")
        yield Watched(node, archive, prometheus, pager, rules, options)


@pytest.fixture(autouse=True)
def _anew(watched: Watched) -> None:
    """What an earlier test has brought about is no answer to this one."""
    watched.pager.forget()


def test_every_expression_of_the_dashboard_has_data_after_a_study(watched: Watched) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {target["expr"] for panel in panels for target in panel["targets"]}
    assert len(asked) >= 20

    def empty() -> list[str]:
        return sorted(one for one in asked if not watched.prometheus.ask(one))

    wait_for(lambda: not empty(), 30, "every expression to have data", lambda: "\n".join(empty()))


def test_nobody_is_told_anything_while_all_is_well(watched: Watched) -> None:
    firing = [one["metric"]["alertname"] for one in watched.prometheus.ask('ALERTS{alertstate="firing"}')]
    # Free disk is what the machine has.
    assert [one for one in firing if one != "DicomNodeDiskLow"] == []


def test_a_destination_that_goes_away_is_told_and_that_it_is_back(watched: Watched) -> None:
    watched.archive.stop()
    watched.await_alert("DicomNodeDestinationAway", destination="STORESCP")
    watched.archive.start()
    watched.await_end("DicomNodeDestinationAway", destination="STORESCP")
    log = watched.node.log.read_text()
    assert (
        log.count("destination STORESCP takes no association")
        == log.count("destination STORESCP takes associations again")
        == 1
    )


def test_results_that_do_not_arrive_are_told(watched: Watched, tmp_path: Path) -> None:
    watched.archive.stop()
    try:
        scan(watched.node, small("late").datasets(), tmp_path / "study")
        waits = 'dicom_node_delivery_depth{destination="STORESCP"} > 0'
        wait_for(lambda: watched.prometheus.ask(waits), 90, "results to wait")
        _set_back(watched, "deliveries", "planned_at", "pending")  # once an attempt is over
        watched.await_alert("DicomNodeDeliveriesLate", destination="STORESCP")
    finally:
        watched.archive.start()
    watched.await_end("DicomNodeDeliveriesLate", destination="STORESCP")


def test_a_role_that_does_not_answer_is_told(watched: Watched) -> None:
    watched.node.pause("write")
    try:
        watched.await_alert("DicomNodeRoleNotReady", role="write")
    finally:
        watched.node.resume("write")
    watched.await_end("DicomNodeRoleNotReady", role="write")


def test_a_sender_that_is_refused_is_told_and_listed_with_what_lets_it_in(watched: Watched) -> None:
    door = Destination(name="node", aet=watched.node.aet, host="127.0.0.1", port=watched.node.port)
    with pytest.raises(Retryable):
        echo(door, "STRANGER", 30)
    watched.await_alert("DicomNodeCallerRefused")

    def listed() -> dict[str, str]:
        return {one["calling_ae"]: one["let_in_by"] for one in watched.node.cli("callers")["callers"]}

    said = watched.node.wait_for(lambda: listed().get("STRANGER", ""), 60, "the caller to be listed")
    assert said == '{ aet = "STRANGER", address = "127.0.0.1" }'


def test_a_study_whose_models_do_not_begin_is_told(watched: Watched, tmp_path: Path) -> None:
    watched.node.run("models", "pause", packages.NAME, "--reason", "a review")
    scan(watched.node, small("paused").datasets(), tmp_path / "study")
    _set_back(watched, "jobs", "requested_at", "requested")
    watched.await_alert("DicomNodeQueueLate", queue="jobs")
    watched.node.run("models", "resume", packages.NAME)
    watched.await_end("DicomNodeQueueLate", queue="jobs")


def test_an_event_that_cannot_be_handled_is_told_and_its_study_until_a_person_has_seen_to_it(
    watched: Watched, tmp_path: Path
) -> None:
    right = watched.rules.read_text()
    watched.rules.write_text("[[rule]\n")
    scan(watched.node, small("without rules").datasets(), tmp_path / "study")
    watched.await_alert("DicomNodeDeadLetter", group="routing")
    watched.await_alert("DicomNodeStudiesStuck")
    watched.rules.write_text(right)
    watched.node.run("retry", "--stuck")
    watched.await_end("DicomNodeStudiesStuck")


def test_a_model_that_fails_again_and_again_is_told(watched: Watched, tmp_path: Path) -> None:
    right = watched.rules.read_text()
    watched.rules.write_text(RULE.format(BROKEN))
    for number in range(6):
        scan(watched.node, small(f"failing {number}").datasets(), tmp_path / str(number))
    watched.await_alert("DicomNodeInferencesFail", model=BROKEN)
    watched.rules.write_text(right)


def test_a_record_of_the_spool_that_is_not_what_was_written_is_told(watched: Watched, tmp_path: Path) -> None:
    datasets = list(small("damaged").datasets())
    watched.node.pause("index")
    scan(watched.node, datasets, tmp_path / "study")
    mark = datasets[0].SOPInstanceUID.encode()
    segment = next(one for one in watched.node.data.glob("spool/**/*") if one.is_file() and mark in one.read_bytes())
    with segment.open("r+b") as file:
        file.seek(segment.read_bytes().rindex(mark))
        file.write(b"9" if mark[:1] != b"9" else b"8")
    watched.node.resume("index")
    watched.await_alert("DicomNodeSpoolDamaged")


def test_a_trail_that_cannot_be_signed_is_told(watched: Watched) -> None:
    key = watched.node.data / "seal" / "1.key"
    key.chmod(0o644)
    watched.node.cli("audit", "show")  # an entry more, to be signed with a key that others may read
    watched.await_alert("DicomNodeTrailNotSigned")
    key.chmod(0o600)


def _set_back(watched: Watched, table: str, moment: str, state: str) -> None:
    """Let what waits there have waited for an hour."""
    set_back = f"UPDATE dicom_node.{table} SET {moment} = now() - interval '1 hour' WHERE state = '{state}'"
    with psycopg.connect(watched.node.superuser_url.replace("+psycopg", ""), autocommit=True) as connection:
        wait_for(lambda: connection.execute(set_back).rowcount, 90, f"something to wait in {table}")


def test_a_node_that_ends_is_told(watched: Watched) -> None:
    watched.node.terminate()
    watched.await_alert("DicomNodeDown")


def test_a_disk_below_its_floor_is_told_by_the_readiness_the_log_and_the_images_that_are_refused(
    watched: Watched, tmp_path: Path
) -> None:
    """Besides, that disk and a certificate: of a node that begins again with less room, and with settings of TLS."""
    _, certificate = certified(tmp_path)
    env = watched.options["env"] | {
        "DICOM_NODE_SPOOL__DISK_FLOOR": str(1 << 46),
        "DICOM_NODE_BUS__TLS": "true",
        "DICOM_NODE_BUS__CA": str(certificate),
    }
    program = behind(watched.node.data, 8 << 20, PROGRAM) if may_mount() else PROGRAM
    node = Node(watched.node.data, **{**watched.options, "env": env, "program": program})
    node.begin()
    try:
        (said,) = node.wait_for(lambda: [one for one in node.unready("listen").values() if "floor" in one], 90, "it")
        assert "room in the spool: free space of the spool's disk is below its floor" in said
        with pytest.raises(AssertionError, match="storescu"):
            scan(node, small("full").datasets(), tmp_path / "study")
        watched.await_alert("DicomNodeInstancesRefused")
        watched.await_alert("DicomNodeRoleNotReady", role="listen")
        watched.await_alert("DicomNodeCertificateEnds", setting="bus.ca")
        if not may_mount():
            missing("a file system of its own", "run as root, with unshare and mount")
        watched.await_alert("DicomNodeDiskLow", folder="objects")
        assert node.log.read_text().count("instances are refused: free space of the spool's disk") == 1
    finally:
        node.terminate()
