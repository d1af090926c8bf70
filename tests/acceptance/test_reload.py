"""A node that runs takes over its settings, whoever is connected; what is wrong changes nothing."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from roles.reload import last_answer
from tests.support.node import Node, own_folder
from tests.support.processes import alive

pytestmark = pytest.mark.slow

FIRST = """
[listener]
trust_loopback = false
callers = [{ aet = "CT", address = "127.0.0.1" }]
[summary]
enabled = false
"""


@pytest.fixture(scope="module")
def settings() -> Iterator[Path]:
    with own_folder() as folder:
        file = folder / "node.toml"
        file.write_text(FIRST)
        yield file


@pytest.fixture(scope="module")
def node(settings: Path) -> Iterator[Node]:
    variables = {"DICOM_NODE_CONFIG": str(settings)}
    with Node(settings.parent / "data", models=settings.parent / "models", env=variables, impressions=None) as node:
        yield node


def call(node: Node, name: str) -> Association:
    entity = ApplicationEntity(name)
    entity.add_requested_context(Verification)
    return entity.associate("127.0.0.1", node.port, ae_title=node.aet)


def test_a_caller_is_added_and_whoever_is_connected_stays_so(node: Node, settings: Path) -> None:
    assert not call(node, "MR").is_established
    open_one, listener = call(node, "CT"), node.pid("listen")
    settings.write_text(FIRST.replace("}]\n", '}, { aet = "MR", address = "127.0.0.0/8" }]\n'))
    assert "taken over: listener.callers" in node.run("reload")
    node.wait_for(lambda: _is_let_in(node, "MR"), 30, "the new caller to be let in")
    assert open_one.send_c_echo().Status == 0
    open_one.release()
    assert node.pid("listen") == listener


def test_a_wrong_file_changes_nothing_and_names_its_line_whoever_asks(node: Node, settings: Path) -> None:
    right = settings.read_text()
    settings.write_text(FIRST.replace("127.0.0.1", "nowhere at all") + '[logging]\nlevel = "ERROR"\n')
    node.run("reload", code=1)
    before = last_answer(node.data, "up")
    os.kill(node.pid("up"), signal.SIGHUP)  # as `systemctl` of a unit that somebody wrote himself may do
    node.wait_for(lambda: last_answer(node.data, "up") != before, 30, "an answer")
    answer = last_answer(node.data, "up")
    assert answer is not None
    assert [line.split(": ")[0] for line in answer.wrong] == [f"{settings}:4"]
    assert _is_let_in(node, "MR")
    settings.write_text(right)


def test_destinations_are_those_of_the_file_and_what_waits_for_a_restart_is_named(node: Node, settings: Path) -> None:
    before = {role: node.pid(role) for role in node.roles}
    other = (
        f"{settings.read_text()}[spool]\ndisk_floor = 1\n[retention]\nimages_days = 400\n"
        '[[destinations]]\naet = "PACS"\nhost = "127.0.0.1"\nport = 1\n'
    )
    settings.write_text(other)
    said = node.run("reload")
    assert "taken over: retention.images_days, destinations" in said
    # Whoever sends the signal alone reads it in the log.
    assert "settings that wait for a restart: spool.disk_floor" in node.log.read_text()
    answer = last_answer(node.data, "up")
    assert answer is not None
    assert answer.waiting == ("spool.disk_floor",)
    for role in ("write", "deliver", "retain"):
        node.wait_for(partial(_is_renewed, node, role, before[role]), 60, f"{role} to begin anew")
    assert {role for role in node.roles if node.pid(role) != before[role]} == {"write", "deliver", "retain"}
    assert [entry["name"] for entry in node.cli("destinations", "list")["destinations"]] == ["PACS"]
    assert "started again" not in node.log.read_text()


def test_what_up_would_not_start_with_changes_nothing_and_what_it_runs_with_is_a_warning(
    node: Node, settings: Path
) -> None:
    right = settings.read_text()
    settings.write_text(f'{right}[models]\ntrusted_keys = ["node.toml"]\n')
    node.run("reload", code=1)
    answer = last_answer(node.data, "up")
    assert answer is not None
    assert [line.split(": ")[0] for line in answer.wrong] == ["models.trusted_keys"]
    rules = settings.with_name("rules.toml")
    rules.write_text('[[rule]]\nname = "one"\nmodel = "none_such"\n')
    settings.write_text(
        f'{right}[models]\nrules = "rules.toml"\n[[destinations]]\naet = "A"\nhost = "a.invalid"\nport = 1\n'
    )
    answer, warnings = node.cli("reload")["processes"]["up"], node.cli("reload")["warnings"]
    assert answer["taken"] == ["models.rules", "destinations"]
    assert [line.split(": ")[:2] for line in warnings if "no address" in line or "none_such" in line] == [
        [f"{settings}:{len(right.splitlines()) + 5}", "destinations.A"],
        [f"{rules}:3", "rule.one.model"],
    ]
    # Whoever sends the signal alone reads it in the log.
    node.wait_for(
        lambda: {"destinations.A: ", "rule.one.model: "} <= _told_as_not_meant(node),
        60,
        "the log to say what is doubtful",
    )
    settings.write_text(right)
    node.run("reload")


def test_impressions_are_begun_and_ended_without_a_restart(node: Node, settings: Path) -> None:
    right, others = settings.read_text(), {role: node.pid(role) for role in ("listen", "index")}
    settings.write_text(right.replace("enabled = false", "enabled = true"))
    assert "taken over: summary.enabled" in node.run("reload")
    node.wait_ready("summarise", "assemble", "work")
    settings.write_text(right.replace("enabled = false", "enabled = true\ntimeout = 7"))
    before = node.pid("summarise")
    assert "taken over: summary.timeout" in node.run("reload")
    node.wait_for(partial(_is_renewed, node, "summarise", before), 60, "summarise to begin anew")
    last = node.pid("summarise")
    settings.write_text(right)
    node.run("reload")
    node.wait_for(lambda: not alive(last), 60, "summarise to end")
    node.wait_ready()
    assert {role: node.pid(role) for role in others} == others
    assert "summarise ended" not in node.log.read_text()


def _told_as_not_meant(node: Node) -> set[str]:
    said = node.log.read_text()
    return {name for name in ("destinations.A: ", "rule.one.model: ") if name in said.partition("not meant")[2]}


def _is_renewed(node: Node, role: str, before: int) -> bool:
    try:
        return not node.unready(role) and node.pid(role) != before
    except FileNotFoundError:  # between its two lives
        return False


def _is_let_in(node: Node, name: str) -> bool:
    association = call(node, name)
    if association.is_established:
        association.release()
        return True
    return False
