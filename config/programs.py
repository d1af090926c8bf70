"""The command that runs a module of the node as a process of its own: with this very code, whatever the folder is."""

import sys
from pathlib import Path

_ROOMS = Path(__file__).resolve().parents[1]
_NAME = "dicom_node_start.py"


def program(module: str) -> list[str]:
    """What stands before the arguments: Python, without the current folder in its path, and the module."""
    # In the repository the launcher lies among the rooms; the wheel has it beside the folder of the rooms.
    beside = _ROOMS / _NAME
    return [sys.executable, "-P", str(beside if beside.is_file() else _ROOMS.with_name(_NAME)), module]
