"""What each command and role loads: a list of what it may, so that what is new in it fails here first.

Libraries count, by the name of their package at the top; the standard library and the project's rooms do not.
"""

import gc
import json
import shutil
import subprocess
import sys
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from config.imports import importing
from console.cli.table import COMMANDS
from roles import shared
from roles.process import WITHOUT_DATABASE
from roles.shared import least_first, load_role
from roles.table import ROLES
from tests.support.counterparts import ROOT

# What typer and pydantic bring along.
LINE = {"annotated_doc", "shellingham", "typer"}
SETTINGS = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
TABLES = {"rich"}
DATABASE = {"greenlet", "psycopg", "psycopg_binary", "sqlalchemy"}
METRICS = {"prometheus_client"}
CRYPTO = {"_cffi_backend", "cryptography"}
# Of the listener alone: its inner path is the standard library's and a checksum.
SPOOL = {"crc32c"}

STARTED = LINE | SETTINGS | METRICS
MAY_IMPORT = {
    "status": LINE | SETTINGS | TABLES | DATABASE,
    "explain": LINE | SETTINGS | TABLES | DATABASE,
    "quarantine": LINE | SETTINGS | TABLES | DATABASE,
    "callers": LINE | SETTINGS | TABLES | DATABASE,
    "doctor": LINE | SETTINGS | TABLES | DATABASE | METRICS | CRYPTO,
    "disk": LINE | SETTINGS | TABLES | DATABASE | METRICS,
    "config": LINE | SETTINGS | TABLES | METRICS,
    "up": STARTED | SPOOL,
    **dict.fromkeys((*ROLES, "keep-database"), STARTED),
}

LOADED = """
import json, sys
from pathlib import Path
{what}
files = {{name: str(getattr(module, "__file__", None) or "") for name, module in list(sys.modules.items())}}
print(json.dumps(sorted({{name.partition(".")[0] for name, file in files.items() if "site-packages" in file}})))
"""


def loaded(what: str) -> set[str]:
    """The libraries that a process has imported after `what`, without what an environment imports by itself."""
    return _loaded(what) - _loaded("")


@cache
def _loaded(what: str) -> set[str]:
    program = [sys.executable, "-c", LOADED.format(what=what)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_first_help_loads_no_command_and_no_settings() -> None:
    shown = "import contextlib, io, console.cli.app as cli\nwith contextlib.redirect_stdout(io.StringIO()):\n"
    assert loaded(shown + "    cli.app(['--help'], standalone_mode=False)") <= LINE


def test_the_version_loads_no_library() -> None:
    shows = "import sys; sys.argv[1:] = ['--version']; from console.cli.main import main; main()"
    assert loaded(shows) == set()


def alike() -> list[list[str]]:
    """The commands that may import the same: one process asks for all of these, since together they may no more."""
    names = sorted(MAY_IMPORT, key=lambda name: sorted(MAY_IMPORT[name]))
    return [list(group) for _, group in groupby(names, key=MAY_IMPORT.__getitem__)]


@pytest.mark.parametrize("names", alike(), ids=", ".join)
def test_a_command_loads_what_it_may_and_nothing_else(names: list[str]) -> None:
    assert set(names) <= set(COMMANDS)
    asked = f"from console.cli import app; from console.cli.loaded import command; [*map(command, {names})]"
    assert loaded(asked) <= MAY_IMPORT[names[0]]


def test_a_command_that_reads_loads_no_part_of_a_library_that_it_does_not_use() -> None:
    """The name of a library says little: each of these would cost what all of the node's own modules do."""
    unused = (
        *("sqlalchemy.orm", "sqlalchemy.ext", "rich.progress", "rich.traceback", "pydantic.v1"),
        *("http.client", "store.embedded", "domain.disk", "domain.retention"),
        *("summary", "domain.findings", "domain.impressions"),
    )
    loads = "import json, sys, console.cli.commands.studies\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", loads], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not [name for name in json.loads(done.stdout) if name.startswith(unused)]


def test_of_a_module_of_several_commands_the_one_that_is_asked_for_is_built_alone() -> None:
    """Of each command that is built every option's type is looked at."""
    asks = """
import typer.main
from console.cli.loaded import command
built, whole = [], typer.main.get_command_from_info
def counted(command_info, **more):
    built.append(command_info.callback.__name__)
    return whole(command_info, **more)
typer.main.get_command_from_info = counted
command("status")
print(*built)
"""
    done = subprocess.run([sys.executable, "-c", asks], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "status\n"


def test_no_plug_in_of_a_library_is_looked_for_among_all_that_an_environment_holds() -> None:
    asks = """
import dicom_node_start
dicom_node_start.secure()
import importlib.metadata
def entry_points(**_): raise AssertionError("every distribution was read")
importlib.metadata.entry_points = importlib.metadata.distributions = entry_points
from config.settings import Settings
print(Settings().data)
"""
    done = subprocess.run([sys.executable, "-P", "-c", asks], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_while_a_command_is_imported_nothing_is_collected() -> None:
    runs = """
import config.imports, contextlib, gc, io, sys
from console.cli.main import main
begun = []
gc.collect()  # so that none is due before the command's own import begins
gc.callbacks.append(lambda phase, _: begun.append(hasattr(sys.modules.get("console.cli.app"), "app")))
sys.argv[1:] = ["--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(False in begun)
"""
    done = subprocess.run([sys.executable, "-c", runs], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_listener_answers_without_database_arrays_or_a_dicom_library() -> None:
    starts = "import roles.process; from roles.table import module; module('listen')\n"
    serves = "from config.settings import Listener; from dicom_node.listener.policy import AssociationPolicy\n"
    assert loaded(f"{starts}{serves}AssociationPolicy(Listener())") <= SETTINGS | METRICS | SPOOL


def test_what_serves_people_is_loaded_by_its_own_role_alone() -> None:
    loads = "from roles.shared import load; list(load(['serve', 'deliver'], first_start=False))"
    assert {"fastapi", "starlette", "uvicorn"}.isdisjoint(loaded(loads))


def test_where_no_language_model_is_set_nobody_has_the_client_of_one() -> None:
    assert loaded("from roles.table import module; module('summarise')") <= SETTINGS | METRICS | DATABASE | CRYPTO


def test_what_is_imported_for_the_copies_starts_no_thread_and_leaves_the_environment_as_it_was() -> None:
    """NumPy brings a pool for its BLAS, and a process of several threads may not be copied."""
    loads = """
import os, threading, roles.supervisor
from roles.shared import load
from roles.table import ROLES
before = dict(os.environ)
list(load([name for name in ROLES if name not in {"listen", "web"}], first_start=True))
assert "numpy" in __import__("sys").modules
assert len(os.listdir("/proc/self/task")) == 1
assert dict(os.environ) == before
"""
    assert {"alembic", "highdicom", "pydicom", "pynetdicom", "sqlalchemy"} <= loaded(loads)


def test_the_role_that_needs_the_least_begins_first_and_every_role_has_a_place() -> None:
    names = [name for name in ROLES if name not in WITHOUT_DATABASE]
    assert sorted(least_first(names)) == sorted(names)
    assert least_first(["write", "index", "work-1", "work", "assemble"]) == [
        "work-1",
        "work",
        "assemble",
        "index",
        "write",
    ]


def test_what_a_role_lacks_is_left_to_the_role_to_say() -> None:
    loads = "import sys; sys.modules['highdicom'] = None; from roles.shared import load_role; load_role('write')"
    assert "pydicom" in loaded(loads)


def test_a_role_that_cannot_be_imported_keeps_the_others_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> None:
        raise RuntimeError("a library that is broken on this machine")

    monkeypatch.setattr(shared, "module", broken)
    load_role("write")
    assert gc.isenabled()
    gc.unfreeze()


def test_within_an_import_nothing_is_collected_and_afterwards_as_before() -> None:
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_what_is_set_up_is_compiled_whatever_the_environment_says_of_compiling(tmp_path: Path) -> None:
    """Where nothing may be kept, every process would otherwise compile all that it imports."""
    for folder in (".venv/bin", ".tools/bin", "scripts/uv", "a_room"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a_room" / "__init__.py").write_text("")
    (tmp_path / "a_room" / "module.py").write_text("")
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    installer = tmp_path / ".tools/bin/uv"
    installer.write_text('#!/bin/sh\n[ "$1" = --version ] && echo uv 1.2.3 || echo "$1 $UV_COMPILE_BYTECODE"\n')
    installer.chmod(0o755)
    (tmp_path / "scripts/uv/requirements.txt").write_text("uv==1.2.3\n")
    script = shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts")
    env = {"PATH": f"{tmp_path}/.tools/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["bash", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("sync 1\n")
    assert len(list((tmp_path / "a_room" / "__pycache__").glob("*.pyc"))) == 2
