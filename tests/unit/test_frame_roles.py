"""The roles are the same set wherever they are named, and the table of handlers names what is there."""

import os
import re
from importlib import import_module
from pathlib import Path

import yaml

from config.console import Console
from config.settings import Bus, Models, Settings
from config.web import Web
from console.actions.served import people_door
from console.cli.table import COMMANDS, ROLE_PANEL
from roles.process import known_by_commands
from roles.run_files import Facts, RunFile, publish
from roles.supervisor import role_processes
from roles.table import GROUPS, ROLES, module

ROOT = Path(__file__).resolve().parents[2]


def test_table_supervisor_commands_and_compose_name_the_same_roles() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    followed = {"kind": "orthanc", "url": "http://archive:8042", "changes": True}
    received = {"kind": "syslog", "name": "archive", "host": "10.0.0.1"}
    settings = Settings(
        bus=Bus(kafka="broker:9092"), web=Web(enabled=True), sources=[followed], audit={"receivers": [received]}
    )
    assert set(role_processes(settings)) == set(ROLES)
    assert {name for name, command in COMMANDS.items() if command.panel == ROLE_PANEL} == set(ROLES)
    assert {name for name, service in compose.items() if service.get("command") == [name]} == set(ROLES)


def test_each_role_has_a_module_that_says_what_it_does() -> None:
    for name in ROLES:
        assert callable(getattr(module(name), name)), name


def test_each_group_belongs_to_a_role_and_its_steps_exist() -> None:
    for group in GROUPS.values():
        assert group.role in ROLES
        for step in group.steps.values():
            where, _, name = step.partition(":")
            assert callable(getattr(import_module(where), name)), step


def test_every_consumer_of_events_is_in_the_table_with_its_role() -> None:
    for name, group in GROUPS.items():
        role = module(group.role)
        (said,) = re.findall(r'consume\(context, ("\w+"|[A-Z]+)', Path(str(role.__file__)).read_text())
        assert (said.strip('"') if '"' in said else getattr(role, said)) == name
    sources = [path.read_text() for path in (ROOT / "roles").glob("*.py") if path.name != "consume.py"]
    assert sum(source.count("with consume(") for source in sources) == len(GROUPS)


def test_who_sets_a_password_is_sent_to_the_door_of_the_node_that_runs(tmp_path: Path) -> None:
    own, running = Settings(data=tmp_path), Settings(data=tmp_path, console=Console(port=28_080))
    assert people_door(own) == "http://127.0.0.1:8080"
    said = RunFile(1, "127.0.0.1", 1, "serve", "", known_by_commands("serve", running))
    held = publish(tmp_path, "serve", said)
    assert people_door(own) == "http://127.0.0.1:28080"
    os.close(held)


def test_a_running_role_says_what_a_command_cannot_learn_from_its_own_settings(tmp_path: Path) -> None:
    given = Settings(models=Models(folder=tmp_path), destinations=["A@h:104"])
    said = {name: known_by_commands(name, given) for name in ROLES}
    assert {name: facts for name, facts in said.items() if facts != Facts()} == {
        "work": Facts(models=str(tmp_path)),
        "deliver": Facts(destinations=("A",)),
        "serve": Facts(api="http://127.0.0.1:8080"),
    }
