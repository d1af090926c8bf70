"""Compose as a site keeps it: its own settings, the variants beside docker-compose.yml, and what a change rebuilds."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from config.loading import load_settings
from console.cli.app import app
from domain.retention import What
from roles.retention import policy
from roles.table import ROLES
from tests.support.counterparts import ROOT, compose_program
from tests.support.processes import free_port

VARIANTS = sorted(path.stem for path in (ROOT / "deploy" / "compose").glob("*.yml"))
EXAMPLE = (ROOT / ".env.example").read_text()


def rendered(*variants: str) -> dict[str, Any]:
    """The services as Docker Compose's own library merges docker-compose.yml with variants, and judges them."""
    files = ["docker-compose.yml", *(f"deploy/compose/{one}.yml" for one in variants)]
    command = [str(compose_program()), "-format", "json", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["services"])


def environment(service: dict[str, Any]) -> dict[str, str]:
    """A service's variables, however they are listed."""
    given = service["environment"]
    return dict(given) if isinstance(given, dict) else dict(one.split("=", 1) for one in given)


def secrets(service: dict[str, Any]) -> set[str]:
    return {one["source"] for one in service.get("secrets", ())}


def test_compose_takes_every_variant_and_all_of_them_at_once() -> None:
    assert set(ROLES) < set(rendered())
    assert all(rendered(one) for one in VARIANTS)
    assert rendered(*VARIANTS)["listen"]["network_mode"] == "host"


def test_without_kafka_nothing_waits_for_a_broker_or_knows_of_one() -> None:
    usual, without = rendered(), rendered("postgres-bus")
    assert set(usual) - set(without) == {"kafka", "rights", "relay"}
    for name, service in without.items():
        assert "kafka" not in json.dumps({key: one for key, one in service.items() if key != "build"}).lower(), name
        assert set(service.get("depends_on", ())) <= set(without)
    # All else stays as it is.
    for role in set(ROLES) - {"relay"}:
        before, after = usual[role], without[role]
        kept = {key: one for key, one in environment(before).items() if "BUS" not in key}
        assert environment(after) == kept
        assert {one for one in secrets(before) if not one.startswith("kafka")} == secrets(after)


def test_in_the_hosts_network_the_listener_is_on_loopback_with_all_but_its_dicom_port() -> None:
    listener = rendered("host-network")["listen"]
    assert listener["network_mode"] == "host"
    assert not {"networks", "ports"} & set(listener)
    given = environment(listener)
    assert given["DICOM_NODE_HTTP__HOST"] == "127.0.0.1"
    assert (given["DICOM_NODE_LISTENER__HOST"], given["DICOM_NODE_LISTENER__PORT"]) == ("0.0.0.0", "11112")


def test_a_worker_on_gpus_is_the_worker_with_them_and_an_engine_that_uses_them() -> None:
    usual, own = rendered()["work"], rendered("gpu")["work"]
    (device,) = own["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert environment(own)["DICOM_NODE_MODELS__ENGINE"] == "torch"
    assert "EXTRAS=worker torch" in json.dumps(own["build"]["args"])
    changed = {"build", "deploy", "environment", "image", "pids_limit"}
    assert {key: one for key, one in own.items() if key not in changed} == {
        key: one for key, one in usual.items() if key not in changed
    }


def test_each_variable_of_the_files_is_in_the_example_with_its_default_and_the_reverse() -> None:
    files = [ROOT / "docker-compose.yml", *(ROOT / "deploy" / "compose").glob("*.yml")]
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", "\n".join(one.read_text() for one in files)))
    assert dict(re.findall(r"^#(DICOM_NODE_\w+)=(.*)$", EXAMPLE, re.MULTILINE)) == used
    # Nothing counts before somebody takes a mark off, and every variant is offered.
    assert re.findall(r"^[^#\n].*$", EXAMPLE, re.MULTILINE) == []
    assert [one for one in VARIANTS if f"deploy/compose/{one}.yml " not in EXAMPLE] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_says_the_line_that_takes_it(variant: str) -> None:
    text = (ROOT / "deploy" / "compose" / f"{variant}.yml").read_text()
    assert f"COMPOSE_FILE=docker-compose.yml:deploy/compose/{variant}.yml" in text


def test_the_sites_folder_is_laid_once_and_what_stands_in_it_survives(tmp_path: Path) -> None:
    for one in ("scripts/compose-secrets", "deploy/compose/node.toml"):
        (tmp_path / one).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / one, tmp_path / one)
    lays = [str(tmp_path / "scripts" / "compose-secrets")]
    said = subprocess.run(lays, check=True, capture_output=True, text=True).stdout
    site = tmp_path / "deploy" / "site"
    assert "list the scanners there" in said
    assert {one.name for one in site.iterdir()} == {"node.toml", "models", "keys"}
    # The containers' user is another one, and has to read it.
    assert all(one.stat().st_mode & 0o005 for one in (site, *site.iterdir()))
    (site / "node.toml").write_text("[listener]\n")
    (tmp_path / "deploy" / "secrets" / "database_write").unlink()  # as one that came with an upgrade
    before = {one.name: one.read_text() for one in (tmp_path / "deploy" / "secrets").iterdir()}
    assert "nothing changed" in subprocess.run(lays, check=True, capture_output=True, text=True).stdout
    assert (site / "node.toml").read_text() == "[listener]\n"
    after = {one.name: one.read_text() for one in (tmp_path / "deploy" / "secrets").iterdir()}
    assert {**after, **before} == after, "a password that was there is another one"
    assert set(after) - set(before) == {"database_write"}


def test_who_had_settings_in_variables_is_told_where_they_go_before_anything_starts_without_them(
    tmp_path: Path,
) -> None:
    for one in ("scripts/compose-secrets", "deploy/compose/node.toml"):
        (tmp_path / one).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / one, tmp_path / one)
    (tmp_path / ".env").write_text("DICOM_NODE_DESCRIPTIONS=false\n")
    given = {**os.environ, "DICOM_NODE_CALLERS": "[]"}
    lays = [str(tmp_path / "scripts" / "compose-secrets")]
    said = subprocess.run(lays, check=True, capture_output=True, text=True, env=given).stderr.splitlines()
    assert [one.split()[1] for one in said] == ["DICOM_NODE_CALLERS", "DICOM_NODE_DESCRIPTIONS"]


def test_the_sites_settings_are_sound_as_they_are_laid_and_with_every_mark_taken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in os.environ if one.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)
    text = (ROOT / "deploy" / "compose" / "node.toml").read_text()
    offered = re.sub(r"^(\s*)# (?=\{|\w+ = |\[\[)", r"\1", text, flags=re.MULTILINE)
    file = tmp_path / "node.toml"
    file.write_text(text)
    assert load_settings(file).destinations[0].address == "ORTHANC@orthanc:4242"
    file.write_text(offered)
    whole = load_settings(file)
    assert [one.aet for one in whole.listener.callers] == ["CT_SCANNER", "MR_1"]
    assert [one.name for one in whole.destinations] == ["ORTHANC", "PACS"]
    assert str(whole.models.rules) == "/etc/dicom-node/rules.toml"


def test_the_sites_settings_are_checked_in_the_place_of_a_command_as_the_listener_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is of a profile, and left out where nobody names it.
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    console = environment(services["console"])
    listener = environment(rendered()["listen"])
    assert {name: one for name, one in listener.items() if "LISTENER" in name}.items() <= console.items()
    text = (ROOT / "deploy" / "compose" / "node.toml").read_text().replace('"orthanc"', '"127.0.0.1"')
    (tmp_path / "node.toml").write_text(text.replace("    # { aet", "    { aet"))
    # A container's own part of the data folder is small; the spool is a volume.
    (tmp_path / "data" / "spool").mkdir(parents=True)
    small = shutil.disk_usage(tmp_path)._replace(total=4 << 20, free=4 << 20)
    whole = shutil.disk_usage(tmp_path)._replace(total=1 << 40, free=1 << 40)
    monkeypatch.setattr("shutil.disk_usage", lambda place: whole if Path(place).name == "spool" else small)
    given = {**console, "DICOM_NODE_DATA": str(tmp_path / "data"), "DICOM_NODE_LISTENER__PORT": str(free_port())}
    given |= {"DICOM_NODE_CONFIG": str(tmp_path / "node.toml"), "DICOM_NODE_HTTP__PORT": str(free_port())}
    # As the entry script hands it over.
    url = tmp_path / "url"
    url.write_text("postgresql+psycopg://dicom_node_operator:secret@127.0.0.1:5432/dicom_node")
    url.chmod(0o600)
    given["DICOM_NODE_DATABASE__URL_FILE"] = str(url)
    result = CliRunner().invoke(app, ["config", "check"], env=given)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("variants", [(), ("postgres-bus",), tuple(VARIANTS)])
def test_what_a_site_keeps_how_long_reaches_the_role_that_removes_and_the_files_that_go(
    variants: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retain = rendered(*variants)["retain"]
    mounts = {one["target"]: one.get("read_only", False) for one in retain["volumes"]}
    file = Path(environment(retain)["DICOM_NODE_CONFIG"])
    assert mounts.pop(str(file.parent)) is True
    assert mounts == {f"/data/objects/{part}": False for part in ("instances", "masks", "maps", "requests", "results")}
    assert "database_retain" in secrets(retain)
    for name, value in environment(retain).items():
        monkeypatch.setenv(name, value)
    text = (ROOT / "deploy" / "compose" / "node.toml").read_text()
    (tmp_path / "node.toml").write_text(f"{text}\n[retention]\nimages_days = 40\nkeep_free = 5_000_000_000\n")
    kept = policy(load_settings(tmp_path / "node.toml"))
    assert (kept.days[What.IMAGES], kept.keep_free) == (40, 5_000_000_000)


def test_what_the_site_decides_no_variable_of_compose_decides_for_it() -> None:
    said = tomllib.loads((ROOT / "deploy" / "compose" / "node.toml").read_text())
    theirs = {f"DICOM_NODE_{section}__".upper() for section in said if section != "listener"}
    theirs |= {"DICOM_NODE_LISTENER__AET", "DICOM_NODE_LISTENER__CALLERS"}
    fixed = {name for service in rendered().values() for name in environment({"environment": {}, **service})}
    found = {name for name in fixed for one in theirs if name.startswith(one.removesuffix("__"))}
    assert found == {"DICOM_NODE_MODELS__MEMORY_GB"}  # the file says so


def test_a_change_of_code_rebuilds_no_layer_of_libraries() -> None:
    stages: dict[str, list[str]] = {}
    for line in re.sub(r"\\\n", " ", (ROOT / "deploy" / "Dockerfile").read_text()).splitlines():
        if made := re.match(r"FROM (\S+)(?: AS (\w+))?", line):
            steps = stages.setdefault(made[2] or "image", list(stages.get(made[1], [])))
        elif re.match(r"(COPY|RUN) ", line):
            steps.append(line)
    copied = [one for one in stages["libraries"] if one.startswith("COPY")]
    assert copied == ["COPY scripts/uv/requirements.txt /tmp/uv.txt", "COPY pyproject.toml uv.lock ./"]
    # The project is a layer of its own, after all that is large.
    assert stages["image"][-2:] == [
        "COPY --from=libraries /opt/dicom-node /opt/dicom-node",
        "COPY --from=project /opt/project /opt/dicom-node",
    ]
    assert all(not one.startswith("RUN") or "uv build" in one for one in stages["project"][len(stages["tools"]) + 2 :])
