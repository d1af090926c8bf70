"""docker-compose.yml: every role is there, may do no more than it must, and installs no more than it needs."""

import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import Http, Settings
from roles.health import Health, HealthServer
from store.grants import AUDITOR, OPERATOR, READER
from store.rights import PARTS

ROOT = Path(__file__).resolve().parents[2]
ROLES = (
    *("listen", "web", "follow", "index", "assemble", "relay", "work", "summarise", "write", "deliver", "retain"),
    "forward",
    "seal",
    "serve",
)
ONCE = ("migrate", "rights")  # they do their work and end
BY_HAND = {"console": OPERATOR, "auditor": AUDITOR}  # a person runs them, for one command
COUNTERPARTS = ("kafka", "postgres", "orthanc")
WITHOUT_ENGINE = tuple(one for one in ("migrate", "rights", *ROLES) if one not in ("work", "write", "serve"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


def test_every_role_and_its_counterparts_are_services(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {*ONCE, *ROLES, *BY_HAND, *COUNTERPARTS}
    assert all(services[role]["command"] == [role] for role in ROLES)


@pytest.mark.parametrize("role", [*ONCE, *ROLES, *BY_HAND])
def test_a_role_has_no_privilege(role: str, services: dict[str, dict[str, Any]]) -> None:
    service = services[role]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in {"0", "root"}
    assert not {"privileged", "cap_add", "devices", "pid"} & set(service)


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_a_counterpart_can_gain_no_privilege(name: str, services: dict[str, dict[str, Any]]) -> None:
    assert services[name]["cap_drop"] == ["ALL"]
    assert services[name]["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r":[0-9]", services[name]["image"]), "an image without a version changes under our feet"


def test_a_role_is_healthy_when_it_says_that_it_is_ready(services: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    assert {services[role]["environment"]["DICOM_NODE_HTTP__PORT"] for role in ROLES} == {"8080"}
    # All have the one probe, so that one of them is asked for all.
    (probe,) = {tuple(services[role]["healthcheck"]["test"]) for role in ROLES}
    health = Health()
    with HealthServer(health, Http(), tmp_path, "index") as server:
        # Where it is told to listen, it is asked, with nothing else in between.
        asks = [sys.executable, *probe[2:]]
        inside = {"DICOM_NODE_HTTP__HOST": "127.0.0.1", "DICOM_NODE_HTTP__PORT": str(server.port)}
        assert subprocess.run(asks, capture_output=True, check=False, env=inside).returncode
        health.beat()
        assert subprocess.run(asks, capture_output=True, check=False, env=inside).returncode == 0


def test_health_and_metrics_are_on_a_network_that_neither_scanners_nor_archives_nor_servers_are_on(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert {name for name, service in services.items() if "watch" in service["networks"]} == set(ROLES)
    assert compose["networks"]["watch"] == {"internal": True}
    for role in ROLES:
        # A name of that network alone: a door that listens at it is on no other one.
        (name,) = services[role]["networks"]["watch"]["aliases"]
        assert services[role]["environment"]["DICOM_NODE_HTTP__HOST"] == name
        assert name not in services
        others = [other for network, other in services[role]["networks"].items() if network != "watch"]
        assert others
        assert not any(others), "an alias there would open the door there"


def test_only_migrations_know_the_owner_of_the_schema(services: dict[str, dict[str, Any]]) -> None:
    knowing = {name for name, service in services.items() if "database_owner" in _secrets(service)}
    assert knowing == {"migrate", "postgres"}
    assert _secrets(services["listen"]) == _secrets(services["web"]) == set()


def test_each_service_logs_in_to_the_database_as_its_own_role_and_no_two_as_one(
    services: dict[str, dict[str, Any]],
) -> None:
    logins = {name: _database_secrets(service) for name, service in services.items() if name != "postgres"}
    # For commands that only look, run in its place by `docker compose exec`.
    logins["index"].remove(f"database_{READER}")
    processes = {**{name: name for name in PARTS if name in ROLES}, **BY_HAND, "migrate": "owner"}
    assert {name: found for name, found in logins.items() if found} == {
        name: {f"database_{process}"} for name, process in processes.items()
    }
    assert set(processes.values()) == {*PARTS, "owner"} - {READER}
    assert _database_secrets(services["postgres"]) == {f"database_{one}" for one in (*processes.values(), READER)}


def test_the_server_and_the_secrets_are_made_with_the_logins_that_services_have(
    services: dict[str, dict[str, Any]],
) -> None:
    wanted = {name.removeprefix("database_") for name in _database_secrets(services["postgres"])}
    made = re.search(r'^LOGINS="(.+)"$', (ROOT / "deploy/postgres/10-roles.sh").read_text(), re.MULTILINE)
    secrets = re.search(r'^LOGINS="(.+)"$', (ROOT / "scripts/compose-secrets").read_text(), re.MULTILINE)
    assert made is not None
    assert secrets is not None
    assert set(made[1].split()) == set(secrets[1].split()) == wanted


def test_no_password_stands_in_the_file(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search(r"password(?!_file$)", name, re.IGNORECASE)
            assert "://" not in str(value) or "@" not in str(value)


def test_the_dicom_port_alone_is_published_beyond_this_machine(services: dict[str, dict[str, Any]]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    web = ["${DICOM_NODE_WEB_PUBLISH:-127.0.0.1:11443}:11443"]
    listen = ["${DICOM_NODE_PUBLISH:-11112}:11112", "${DICOM_NODE_TLS_PUBLISH:-127.0.0.1:2762}:2762"]
    serve = ["${DICOM_NODE_CONSOLE_PUBLISH:-127.0.0.1:8443}:8443"]
    assert ports == {"listen": listen, "web": web, "serve": serve, "orthanc": ["127.0.0.1:8042:8042"]}
    head = (ROOT / "docker-compose.yml").read_text().partition("\nname:")[0]
    assert "The DICOM port (11112) is open on every address of this machine" in head


def test_everything_that_a_service_names_exists(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        assert _secrets(service) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", ())) <= set(services)
        volumes = [one for one in service.get("volumes", ()) if isinstance(one, str)]
        assert {volume.partition(":")[0] for volume in volumes} <= {
            *compose["volumes"],
            "./deploy/postgres",
            "./deploy/kafka",
        }


def test_every_setting_is_one_that_the_node_knows(services: dict[str, dict[str, Any]]) -> None:
    for role in (*ONCE, *ROLES):
        targets = [entry["target"] for entry in services[role].get("secrets", ())]
        secrets = [target for target in targets if target.startswith("DICOM_NODE_")]
        for variable in {*services[role]["environment"], *secrets} - {"DICOM_NODE_CONFIG"}:
            _field(variable)


def test_the_broker_is_the_one_that_the_tests_run(services: dict[str, dict[str, Any]]) -> None:
    tested = re.search(r"<version>(4[\d.]+)</version>", (ROOT / "scripts" / "kafka" / "pom.xml").read_text())
    assert tested is not None
    assert services["kafka"]["image"].partition("@")[0] == f"apache/kafka:{tested[1]}"


@pytest.mark.parametrize("role", WITHOUT_ENGINE)
def test_the_image_of_the_listener_has_no_extras(role: str, services: dict[str, dict[str, Any]]) -> None:
    assert services[role]["build"]["args"] == {"EXTRAS": ""}
    assert services[role]["image"] == "dicom-node:node"


@pytest.mark.parametrize("extras", ["", "node"])
def test_a_role_starts_without_what_the_extras_of_its_image_do_not_bring(extras: str) -> None:
    # One process for all: what one of them has imported is no help to the next, since none of this can be.
    roles = [role for role in ROLES if (role in WITHOUT_ENGINE) is not bool(extras)]
    assert roles
    _loads_without(_brought_by_other_extras(extras), f"from roles.table import module; [*map(module, {roles})]")


@pytest.mark.parametrize("extras", ["", "node"])
def test_every_command_is_there_without_what_an_extra_that_is_not_installed_would_bring(extras: str) -> None:
    asked = (
        "from console.cli.loaded import command; from console.cli.table import COMMANDS; [command(n) for n in COMMANDS]"
    )
    _loads_without(_brought_by_other_extras(extras), asked)


@cache
def _brought_by_other_extras(installed: str) -> list[str]:
    """The modules of every extra but `installed` (none where empty), as far as they are here."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    here = _locked({"dicom-node"}, frozenset({installed} - {""}))
    brought = _locked({"dicom-node"}, frozenset(metadata)) - here
    normal = {
        name: {re.sub(r"[-_.]+", "-", one).lower() for one in of} for name, of in packages_distributions().items()
    }
    names = [name for name, of in normal.items() if of & brought and not of & here]
    assert {"openai", "torch"} <= set(names)
    assert {"numpy", "highdicom", "PIL", "reportlab"} <= set(names) or installed
    return names


def _loads_without(absent: list[str], what: str) -> None:
    program = f"import sys; sys.modules.update(dict.fromkeys({absent})); {what}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()


def test_without_extras_no_engine_is_installed() -> None:
    installed = _locked({"dicom-node"}, extras=frozenset())
    assert {"pynetdicom", "sqlalchemy"} <= installed
    assert not installed & {"torch", "openvino", "onnx", "onnxruntime", "numpy", "scipy", "highdicom", "pillow"}


def test_the_workers_image_has_an_engine_and_cannot_learn() -> None:
    installed = _locked({"dicom-node"}, extras=frozenset({"worker"}))
    assert "openvino" in installed
    assert "torch" not in installed


def test_the_image_is_built_from_what_the_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) <= allowed


def test_the_entrypoint_hands_secrets_to_the_node_as_settings(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "DICOM_NODE_DATABASE__URL").write_text("postgresql+psycopg://app:a b@postgres/db")
    (tmp_path / "secrets" / "other").write_text("not a setting")
    program = tmp_path / "dicom-node"
    program.write_text(
        '#!/bin/sh\necho "$*|${DICOM_NODE_DATABASE__URL-unset}|$DICOM_NODE_DATABASE__URL_FILE|${other-unset}"\n'
    )
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SECRETS": str(tmp_path / "secrets")}
    command = [str(ROOT / "deploy" / "entrypoint"), "index", "--verbose"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    file = tmp_path / "secrets" / "DICOM_NODE_DATABASE__URL"
    assert said == f"index --verbose|unset|{file}|unset\n"


def _secrets(service: dict[str, Any]) -> set[str]:
    return {entry if isinstance(entry, str) else entry["source"] for entry in service.get("secrets", ())}


def _database_secrets(service: dict[str, Any]) -> set[str]:
    return {name for name in _secrets(service) if name.startswith("database_")}


def _field(variable: str) -> None:
    """Follow DICOM_NODE_SECTION__FIELD through the settings; fails where there is no such field."""
    fields: Any = Settings.model_fields
    for part in variable.removeprefix("DICOM_NODE_").lower().split("__"):
        assert part in fields, variable
        fields = getattr(fields[part].annotation, "model_fields", {})


def _locked(names: set[str], extras: frozenset[str]) -> set[str]:
    """Everything that the lock file installs for the project with `extras`, as names."""
    packages = {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, extras) for name in names]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        optional = packages[name].get("optional-dependencies", {})
        needed = [
            *packages[name].get("dependencies", []),
            *(one for extra in wanted for one in optional.get(extra, [])),
        ]
        waiting.extend((one["name"], frozenset(one.get("extra", []))) for one in needed)
    return {name for name, _ in seen}
