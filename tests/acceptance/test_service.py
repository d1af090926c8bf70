"""Installed as a service on a machine of its own: by its commands, with systemd, under a user of its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from console.cli.service_files import DATA, SETTINGS, UNITS
from tests.support import packages
from tests.support.machine import NODE, Machine
from tests.support.phantoms import write
from tests.support.processes import wait_for
from tests.support.trial import small

pytestmark = pytest.mark.slow

UNIT = "dicom-node.service"
READY = "all roles are ready"
MODELS = '\n[models]\nfolder = "/srv/models"\n\n[assembly]\nsettle = 1\n'


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with TemporaryDirectory(dir="/var/tmp") as place:
        study, models = Path(place) / "study", Path(place) / "models"
        study.mkdir()
        write(small("as a service").datasets(), study)
        packages.write_package(models)
        with Machine(Path(place) / "machine", study, models) as booted:
            yield booted


@pytest.fixture(scope="module")
def service(machine: Machine) -> Machine:
    """The machine once the node was installed there and is up."""
    done = machine.node("service", "install")
    assert done.returncode == 0, done.stdout + done.stderr + machine.said()
    await_start(machine)
    return machine


def test_it_runs_as_a_user_of_its_own_whose_data_nobody_else_may_read(service: Machine) -> None:
    assert printed(service, "stat", "--format=%U %a", DATA) == "dicom-node 700"
    assert printed(service, "stat", "--format=%U %G %a", SETTINGS) == "root dicom-node 640"
    assert printed(service, "getent", "passwd", "dicom-node").rsplit(":", 1)[1] == "/usr/sbin/nologin"
    group = printed(service, "systemctl", "show", "--property", "ControlGroup", "--value", UNIT)
    listed = f"ps -o user:20= -p $(cat /sys/fs/cgroup/systemd{group}/cgroup.procs | paste -sd,)"
    users = printed(service, "sh", "-c", listed)
    assert set(users.split()) == {"dicom-node"}


def test_who_may_not_read_the_settings_is_told_how_to_go_on(service: Machine) -> None:
    for words in (("status", "--config"), ("config", "check"), ("reload", "--config")):
        done = service.run("runuser", "-u", "games", "--", NODE / "bin/dicom-node", *words, SETTINGS)
        assert done.returncode == 1
        assert f"{SETTINGS}: cannot be read: it is not this user's; run this with sudo" in done.stderr


def test_a_study_that_is_sent_to_it_has_its_results_behind_all_walls(service: Machine) -> None:
    change(service, lambda text: text + MODELS)
    restart(service)
    sent = service.node("send", "/srv/study", "--to", "DICOM_NODE@127.0.0.1:11112")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    wait_for(lambda: "results" in status(service), 180, "results", service.said, interval=0.3)


def test_a_reload_takes_over_a_caller_and_one_of_a_wrong_file_fails_and_changes_nothing(service: Machine) -> None:
    before, right = shown(service, "MainPID"), printed(service, "cat", SETTINGS)
    change(service, lambda text: text.replace("# callers = [", "callers = ["))
    assert service.run("systemctl", "reload", UNIT).returncode == 0
    change(service, lambda text: text.replace("port = 11112", 'port = "none"'))
    assert service.run("systemctl", "reload", UNIT).returncode != 0
    said = journal(service, "--lines=40")
    assert "up: taken over: listener.callers" in said
    assert f"{SETTINGS}:8: listener.port" in said
    assert (shown(service, "MainPID"), shown(service, "ActiveState")) == (before, "active")
    change(service, lambda _: right)


def test_the_journal_has_each_line_by_its_role_and_how_grave_it_is(service: Machine) -> None:
    told = json.loads(journal(service, "--output=json", "DICOM_NODE_ROLE=index", "PRIORITY=6", "--lines=1"))
    assert told["SYSLOG_IDENTIFIER"] == "dicom-node"
    assert told["MESSAGE"].startswith("index: ")


def test_a_node_that_was_killed_is_started_again(service: Machine) -> None:
    before = shown(service, "MainPID")
    service.run("kill", "-KILL", before)
    wait_for(lambda: shown(service, "MainPID") not in {before, "0"}, 60, "another process", service.said)
    await_start(service)


def test_installing_it_again_leaves_the_settings_as_they_are(service: Machine) -> None:
    before = printed(service, "cat", SETTINGS)
    change(service, lambda text: text.replace("port = 11112", "port = 104"))
    done = service.node("service", "install", "--no-start")
    assert done.returncode == 0, done.stderr
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in printed(service, "cat", UNITS / UNIT)
    restart(service)
    assert "answered" in printed(service, "/opt/dicom-node/bin/dicom-node", "echo", "DICOM_NODE@127.0.0.1:104")
    assert printed(service, "cat", SETTINGS) == before.replace("port = 11112", "port = 104")


def test_a_wrong_setting_is_told_with_its_line_and_not_tried_for_ever(service: Machine) -> None:
    right = printed(service, "cat", SETTINGS)
    change(service, lambda text: text.replace("port = 104", 'port = "none"'))
    service.run("systemctl", "restart", UNIT)
    wait_for(lambda: shown(service, "ActiveState") == "failed", 60, "the end", service.said)
    said = journal(service, "--lines=20")
    assert f"{SETTINGS}:8: listener.port" in said
    assert shown(service, "ExecMainStatus") == "2"
    change(service, lambda _: right)
    restart(service)


def test_a_data_folder_elsewhere_is_made_the_services_own_and_one_of_somebody_else_is_left_alone(
    service: Machine,
) -> None:
    right = printed(service, "cat", SETTINGS)
    change(service, lambda text: text.replace(str(DATA), "/srv/ai"))
    refused = service.node("service", "install")
    assert (refused.returncode, f"the service has its node in {DATA}" in refused.stderr) == (1, True)
    assert service.node("service", "install", "--empty").returncode == 0
    await_start(service)
    assert printed(service, "stat", "--format=%U %a", "/srv/ai") == "dicom-node 700"
    service.run("chown", "games", "/srv/ai")
    refused = service.node("service", "install")
    assert refused.returncode == 1
    assert "/srv/ai belongs to another user than dicom-node" in refused.stderr
    service.run("chown", "dicom-node", "/srv/ai")
    service.run("systemctl", "stop", UNIT)
    change(service, lambda _: right)
    assert service.node("service", "install").returncode == 0
    await_start(service)


def test_data_that_are_copied_to_a_bigger_disk_as_the_page_says_are_the_services_there(service: Machine) -> None:
    before = status(service)
    change(service, lambda text: text.replace(str(DATA), "/data/dicom-node"))
    refused = service.node("service", "install").stderr
    for line in (line.strip().replace("sudo ", "") for line in refused.splitlines() if line.startswith("  sudo ")):
        assert service.run("sh", "-c", line).returncode == 0, line
    assert service.node("service", "install").returncode == 0
    await_start(service)
    assert "results" in status(service) and "/data/dicom-node" in printed(service, "cat", SETTINGS), before
    service.run("systemctl", "stop", UNIT)
    change(service, lambda text: text.replace("/data/dicom-node", str(DATA)))
    assert service.node("service", "install").returncode == 0
    await_start(service)


def test_removed_it_is_gone_and_settings_and_data_are_left(service: Machine) -> None:
    done = service.node("service", "remove")
    assert done.returncode == 0, done.stderr
    assert shown(service, "LoadState") == "not-found"
    assert service.run("pgrep", "-u", "dicom-node").returncode == 1
    assert service.run("test", "-e", SETTINGS, "-a", "-d", DATA / "objects").returncode == 0
    assert "there is no service" in service.node("service", "remove").stdout


def await_start(machine: Machine) -> None:
    wait_for(lambda: shown(machine, "StatusText") == READY, 240, "the service's roles", machine.said, interval=0.3)


def restart(machine: Machine) -> None:
    machine.run("systemctl", "restart", UNIT)
    await_start(machine)


def shown(machine: Machine, name: str) -> str:
    """A property of the unit, as systemd has it."""
    return printed(machine, "systemctl", "show", "--property", name, "--value", UNIT)


def printed(machine: Machine, *command: str | Path) -> str:
    return machine.run(*command).stdout.strip()


def journal(machine: Machine, *options: str) -> str:
    """What the journal has of the unit, once all that was said to it is there."""
    machine.run("journalctl", "--sync")
    return printed(machine, "journalctl", "--no-pager", f"--unit={UNIT}", *options)


def change(machine: Machine, how: Callable[[str], str]) -> None:
    machine.run("tee", SETTINGS, stdin=how(machine.run("cat", SETTINGS).stdout))


def status(machine: Machine) -> str:
    return machine.node("status", "--config", str(SETTINGS)).stdout
