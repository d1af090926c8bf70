"""The parent's side of the walls: what a process that runs models is started with, and which walls stand here."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from config.programs import program
from inference_worker.child_environment import environment
from inference_worker.model_config import ModelProcessConfig
from inference_worker.scratch import Scratch
from inference_worker.walls.build import Wall, lacking
from inference_worker.walls.plan import Plan, about_drivers, code, drivers, own_modules
from models.manifest import MANIFEST

# A look at the walls imports nothing but Python's own library.
_LONGEST = 60.0


def plan_of(setup: ModelProcessConfig, packages: Sequence[Path], scratch: Scratch, others: Sequence[str] = ()) -> Plan:
    """What a process may touch that runs `packages`, the folders of several, as `setup` says.

    `others` are top-level modules besides our own.
    """
    devices = () if setup.kind == "cpu" else drivers()
    read = (*code(others), *packages, *(setup.keys or ()), *(about_drivers() if devices else ()))
    # Engines that compile are those of GPUs.
    cache = [setup.cache] if setup.cache and devices else []
    for one in cache:
        one.mkdir(parents=True, exist_ok=True)
    return Plan(
        scratch.folder, scratch.room, os.getpid(), tuple(one.absolute() for one in read), (setup.models.absolute(),),
        tuple(one.absolute() for one in cache), devices, own_modules(others), setup.walls == "required",
    )  # fmt: skip


def packages_in(folder: Path) -> list[Path]:
    """The folders of the packages in `folder`."""
    return [one.parent.absolute() for one in sorted(folder.glob(f"*/{MANIFEST}"))]


def command(plan: Plan, module: str, argument: str = "") -> list[str]:
    """The command that runs `module`.main(`argument`) behind the walls of `plan`."""
    return [*program("inference_worker.walls"), plan.to_json(), module, argument]


def standing(setup: ModelProcessConfig) -> tuple[list[Wall], str]:
    """Which walls stand on this machine, asked of a process that raises them; and what is missing, in a sentence."""
    with Scratch() as scratch:
        told = command(plan_of(setup, [], scratch), "-")
        try:
            done = subprocess.run(
                told,
                env=environment(setup, scratch.folder),
                capture_output=True,
                text=True,
                timeout=_LONGEST,
                check=False,
            )
        except OSError as error:  # a user to whom the program's own folder is closed
            return [], f"the walls cannot be raised: {error.filename}: {error.strerror}"
    if done.returncode:
        *_, last = done.stderr.splitlines() or [f"it ended with status {done.returncode}"]
        return [], f"the walls cannot be raised: {last}"
    walls = [Wall(**one) for one in json.loads(done.stdout)]
    return walls, lacking(walls)
