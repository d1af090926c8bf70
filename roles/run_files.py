"""DATA/run/NAME.json: what a running process said of itself, for commands that look for it."""

import json
import os
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STARTTIME = 22 - 3  # proc(5): field 22 of stat, and what follows the name begins with field 3


def run_file(data: Path, name: str) -> Path:
    """Where a running role says its process and its port."""
    return data / "run" / f"{name}.json"


def running(data: Path, name: str) -> dict[str, Any] | None:
    """What the process `name` said of itself; None where it does not run.

    Its file may outlive a kill or a loss of power, and its number be another process's by now: the one that began when
    the file says is meant.
    """
    try:
        facts = dict(json.loads(run_file(data, name).read_text()))
        return facts if _is_alive(int(facts["pid"]), facts["began"]) else None
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None


def all_running(data: Path) -> dict[str, dict[str, Any]]:
    """What each process of the data folder that runs said of itself, by its name."""
    names = sorted(one.stem for one in run_file(data, "").parent.glob("*.json"))
    return {name: facts for name in names if (facts := running(data, name)) is not None}


def began(process: int) -> str:
    """When a process began: the machine's start by its id, and clock ticks since; raises OSError where none is seen."""
    stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
    return f"{_BOOT.read_text().strip()} {stat.rpartition(')')[2].split()[_STARTTIME]}"


def _is_alive(process: int, since: object) -> bool:
    try:
        return began(process) == since
    except OSError:
        return _is_hidden(process)


def _is_hidden(process: int) -> bool:
    """Whether it runs as somebody else whose processes /proc does not show (its option hidepid)."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    return False
