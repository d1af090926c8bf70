"""DATA/run/NAME.json: what a running process said of itself, for commands that look for it."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from domain.json_records import json_object, record


@dataclass(frozen=True)
class Facts:
    """What commands have to know of a process beyond where it is; empty where it is not about that."""

    destinations: tuple[str, ...] = ()
    models: str = ""
    url: str = ""
    owner_url: str = ""
    api: str = ""


@dataclass(frozen=True)
class RunFile:
    """What a process said of itself; `host` and `port` are its door."""

    pid: int
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


def publish(data: Path, name: str, said: RunFile) -> int:
    """Write the file, whole or not at all. It holds for as long as the process keeps the descriptor that is returned.

    Raises OSError where it cannot be written.
    """
    file = run_file(data, name)
    draft = file.with_suffix(f".{os.getpid()}")
    file.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.write(held, said.encode().encode())
        draft.replace(file)
    except OSError:
        os.close(held)
        raise
    return held


def running(data: Path, name: str) -> RunFile | None:
    """What the process `name` said of itself; None where it does not run.

    Its file may outlive a kill or a loss of power. So the process keeps a lock on it, flock(2), which ends with the
    process however that ends, and is seen from wherever the file is: /proc may hide processes, and a container's view
    of them is another one than that of a service in it.
    """
    try:
        with run_file(data, name).open() as file:
            return decode(file.read()) if is_held(file.fileno()) else None
    except (OSError, ValueError, KeyError, OverflowError):
        return None


def all_running(data: Path) -> dict[str, RunFile]:
    """What each process of the data folder that runs said of itself, by its name."""
    names = sorted(one.stem for one in run_file(data, "").parent.glob("*.json"))
    return {name: said for name in names if (said := running(data, name)) is not None}


def is_held(descriptor: int) -> bool:
    """Whether a process holds the file's lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
