"""DATA/run/NAME.json: what a running process said of itself, for commands that look for it."""

import json
import os
from pathlib import Path
from typing import Any


def run_file(data: Path, name: str) -> Path:
    """Where a running role says its process and its port."""
    return data / "run" / f"{name}.json"


def running(data: Path, name: str) -> dict[str, Any] | None:
    """What the process `name` said of itself; None where it does not run (its file may outlive a kill)."""
    try:
        facts = dict(json.loads(run_file(data, name).read_text()))
        os.kill(facts["pid"], 0)
    except PermissionError:
        return facts  # it runs as somebody else
    except (OSError, ValueError, KeyError):
        return None
    return facts
