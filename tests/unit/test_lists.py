"""What is listed twice is the same list: rooms, roles, engines, extras of the installation, kinds of network."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from config import logs
from config.settings import EngineName, Models
from console.cli import diagnostics
from console.cli.table import COMMANDS
from inference_worker.engines import choice
from inference_worker.engines.libraries import LIBRARIES
from models import checks
from roles.table import ROLES
from tests.support import node
from tests.support.counterparts import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
ROOMS = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks"}
# They make model packages; no node has them.
NEVER_ON_A_NODE = {"training", "tracking"}


def sources() -> Iterator[Path]:
    """Every text of the project that may tell somebody what to install or to run."""
    for room in sorted(ROOMS):
        yield from (ROOT / room).rglob("*.py")
    yield from (ROOT / "docs").rglob("*.md")
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "scripts/setup"))


def layers() -> set[str]:
    """The rooms that the contract of layers knows."""
    listed = (ROOT / ".importlinter").read_text("utf-8").partition("layers =\n")[2].partition("\n\n")[0]
    return set(re.findall(r"\w+", listed))


def test_every_room_has_its_layer() -> None:
    assert layers() == ROOMS


def test_every_room_logs_in_words_of_its_own() -> None:
    assert {*ROOMS, "__main__"} == logs.OWN


def test_every_role_is_a_command_and_a_service_and_is_started_in_the_tests() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    assert set(ROLES) <= set(COMMANDS)
    assert set(ROLES) <= set(compose["services"])
    assert {*node.ROLES, "relay", "summarise", "web", "follow", "forward", "serve"} == set(ROLES)


def test_the_setting_of_the_engine_names_every_engine() -> None:
    assert set(get_args(EngineName)) == {choice.AUTO, *LIBRARIES}
    described = Models.model_fields["engine"].description or ""
    assert set(re.findall(r"\w+", described.partition(": ")[2])) - {"or"} == {choice.AUTO, *LIBRARIES}


def test_every_engine_reads_some_kind_of_network_and_no_other_is_named() -> None:
    assert {engine for readers in choice.READERS.values() for engine in readers} == set(LIBRARIES)
    for order in (choice.ON_GPU, choice.ON_CPU):
        assert {kind: set(engines) <= set(choice.READERS[kind]) for kind, engines in order.items()} == dict.fromkeys(
            choice.READERS, True
        )


def test_every_kind_of_network_that_a_manifest_may_name_is_read() -> None:
    assert set(checks.NETWORKS) == {*choice.READERS, "bundle", "vision"}


def test_every_extra_is_looked_for_by_doctor_or_has_its_reason() -> None:
    looked_for = {extra for extra, _, _ in diagnostics.EXTRAS}
    engines = {extra for extra in EXTRAS if extra in LIBRARIES}
    # "node" is all that one machine needs, "embedded" is looked for with the database.
    assert looked_for | engines | {"node", "embedded"} | NEVER_ON_A_NODE == set(EXTRAS)


@pytest.mark.parametrize("extra", [extra for extra, _, _ in diagnostics.EXTRAS])
def test_doctor_looks_for_what_an_extra_brings(extra: str) -> None:
    engines = {name for library in LIBRARIES.values() for name in library.distributions}
    stated = {re.split(r"[^\w.-]", line)[0] for line in EXTRAS[extra]} - {"dicom-node"}
    assert stated - engines <= set(diagnostics.brought_by(extra))
    assert diagnostics.brought_by(extra)


def test_every_extra_that_somebody_is_told_to_install_exists() -> None:
    told = {
        extra
        for path in sources()
        for listed in re.findall(r"dicom-node\[([a-z,]+)\]", path.read_text("utf-8"))
        for extra in listed.split(",")
    }
    assert len(told) > 4
    assert told <= set(EXTRAS)


def test_every_module_that_somebody_is_told_to_run_exists_and_can_be_run() -> None:
    told = {
        name
        for path in sources()
        for name in re.findall(r"(?:python|\$\(PYTHON\)) -m ([a-z_.]+\w)", path.read_text("utf-8"))
        if name.partition(".")[0] in {*ROOMS, "benchmarks", "tests"}
    }
    assert len(told) > 4
    assert [name for name in sorted(told) if not runs(name)] == []


def runs(name: str) -> bool:
    """Whether `python -m NAME` does something."""
    path = ROOT.joinpath(*name.split("."))
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return False
    statements = ast.parse(file.read_text("utf-8")).body
    return file.name == "__main__.py" or any(
        isinstance(one, ast.If) and "__main__" in ast.unparse(one.test) for one in statements
    )
