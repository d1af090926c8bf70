"""DATA/run/NAME.json: what a running process said of itself, for commands that look for it."""

import errno
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from domain.json_records import json_object, record

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STARTTIME = 22 - 3  # proc(5): field 22 of stat, and what follows the name begins with field 3


@dataclass(frozen=True)
class Facts:
    """What commands have to know of a process beyond where it is; empty where it is not about that."""

    destinations: tuple[str, ...] = ()
    models: str = ""
    url: str = ""
    owner_url: str = ""


@dataclass(frozen=True)
class RunFile:
    """What a process said of itself; `began` tells it from later ones of its number, `host` and `port` are its door."""

    pid: int
    began: str
    host: str
    port: int
    role: str
    started: str
    facts: Facts = field(default_factory=Facts)

    def encode(self) -> str:
        """As JSON, everything on one level."""
        said = asdict(self)
        told = {name: value for name, value in said.pop("facts").items() if value}
        return json.dumps(said | told)


def decode(text: str) -> RunFile:
    """What `RunFile.encode` made; raises ValueError where it is something else."""
    said = json_object(text)
    return record(RunFile, {**said, "facts": said})


def run_file(data: Path, name: str) -> Path:
    """Where a running role says its process and its port."""
    return data / "run" / f"{name}.json"


def running(data: Path, name: str) -> RunFile | None:
    """What the process `name` said of itself; None where it does not run.

    Its file may outlive a kill or a loss of power, and its number be another process's by now: the one that began when
    the file says is meant.
    """
    try:
        said = decode(run_file(data, name).read_text())
        return said if _is_alive(said.pid, said.began) else None
    except (OSError, ValueError, OverflowError):
        return None


def all_running(data: Path) -> dict[str, RunFile]:
    """What each process of the data folder that runs said of itself, by its name."""
    names = sorted(one.stem for one in run_file(data, "").parent.glob("*.json"))
    return {name: said for name in names if (said := running(data, name)) is not None}


def began(process: int) -> str:
    """When a process began: the machine's start by its id, and clock ticks since; raises OSError where none is seen."""
    stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
    return f"{_BOOT.read_text().strip()} {stat.rpartition(')')[2].split()[_STARTTIME]}"


def _is_alive(process: int, since: str) -> bool:
    try:
        return began(process) == since
    except OSError:
        return _exists(process)


def _exists(process: int) -> bool:
    """Whether there is a process that /proc does not show: somebody else's, or one closed to its like (hidepid)."""
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True
