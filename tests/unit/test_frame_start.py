"""What each command and role loads: a list of what it may, so that what is new in it fails here first.

Libraries count, by the name of their package at the top; the standard library and the project's rooms do not.
"""

import json
import subprocess
import sys

import pytest

from console.cli.table import COMMANDS
from roles.table import ROLES
from tests.support.counterparts import ROOT

# What typer and pydantic bring along.
LINE = {"annotated_doc", "shellingham", "typer"}
SETTINGS = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
TABLES = {"rich"}
DATABASE = {"greenlet", "psycopg", "psycopg_binary", "sqlalchemy"}
METRICS = {"prometheus_client"}
# Of the listener alone: its inner path is the standard library's and a checksum.
SPOOL = {"crc32c"}

STARTED = LINE | SETTINGS | METRICS
MAY_IMPORT = {
    "status": LINE | SETTINGS | TABLES | METRICS | DATABASE,
    "explain": LINE | SETTINGS | TABLES | METRICS | DATABASE,
    "quarantine": LINE | SETTINGS | TABLES | METRICS | DATABASE,
    "up": STARTED | TABLES | SPOOL,
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
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(what=what)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    bare = subprocess.run(
        [sys.executable, "-c", LOADED.format(what="")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1])) - set(json.loads(bare.stdout))


def test_the_first_help_loads_no_command_and_no_settings() -> None:
    shown = "import contextlib, io, console.cli.app as cli\nwith contextlib.redirect_stdout(io.StringIO()):\n"
    assert loaded(shown + "    cli.app(['--help'], standalone_mode=False)") <= LINE


def test_the_version_loads_no_library() -> None:
    shows = "import sys; sys.argv[1:] = ['--version']; from console.cli.main import main; main()"
    assert loaded(shows) == set()


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_command_loads_what_it_may_and_nothing_else(name: str) -> None:
    assert name in COMMANDS
    assert loaded(f"from console.cli.app import _load; _load(None, {name!r})") <= MAY_IMPORT[name]


def test_a_listener_answers_without_database_arrays_or_a_dicom_library() -> None:
    starts = "import roles.process; from roles.table import module; module('listen')\n"
    serves = "from config.settings import Listener; from dicom_node.listener.policy import AssociationPolicy\n"
    assert loaded(f"{starts}{serves}AssociationPolicy(Listener())") <= SETTINGS | METRICS | SPOOL


def test_a_process_that_is_copied_has_nothing_that_starts_threads() -> None:
    """NumPy brings a pool for its BLAS; the supervisor is copied after it has imported what the roles share."""
    loads = "import threading, os, roles.supervisor, roles.recorded\nassert len(os.listdir('/proc/self/task')) == 1"
    assert loaded(loads) <= STARTED | DATABASE | SPOOL
