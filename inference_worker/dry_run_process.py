"""The parent's side of a dry run: a package is opened and tried in a process of its own, which may hang or crash."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from domain.json_records import json_object, record
from inference_worker.child_environment import environment
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_process import ending
from inference_worker.scratch import Scratch
from inference_worker.walls.standing import command, plan_of


@dataclass(frozen=True)
class DryRun:
    """What a dry run found wrong with a package, and what is to be known besides."""

    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def dry_run(package: Path, setup: ModelProcessConfig, limit: float) -> DryRun:
    """What every engine of this machine makes of the package in the folder `package`, within `limit` seconds."""
    setup, package = setup.absolute(), package.absolute()
    told = json.dumps({"package": str(package), "setup": setup.to_json()})
    with (
        Scratch() as scratch,
        subprocess.Popen(
            command(plan_of(setup, [package], scratch), "inference_worker.dry_run"),
            env=environment(setup, scratch.folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as child,
    ):
        try:
            said, _ = child.communicate(told + "\n", limit)
        except subprocess.TimeoutExpired:
            child.kill()
            said, _ = child.communicate()
            return DryRun((f"{_doing(said)} took longer than {limit:g} s",))
    return _last(said) or DryRun((f"its process {ending(child.returncode)} while {_doing(said)}",))


def _last(said: str) -> DryRun | None:
    """What it found, which it says at its end; None where it ended before."""
    lines = said.splitlines()
    try:
        last = json_object(lines[-1]) if lines else {}
        return record(DryRun, last) if "faults" in last else None
    except ValueError:  # it ended within a line
        return None


def _doing(said: str) -> str:
    """What it had begun."""
    begun = [line for line in said.splitlines() if line.startswith('{"doing"') and line.endswith("}")]
    return str(json.loads(begun[-1])["doing"]) if begun else "reading the package"
