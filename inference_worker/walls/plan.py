"""What a process that runs models may touch, as whoever starts it says; it goes to the process as JSON."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from domain.json_records import json_object, record

# A user and a group without a name, in a range that no distribution hands out (systemd.io/UIDS-GIDS): what a model runs
# as where the node runs as root.
STRANGER = 60950

# What Python, the C library and engines ask of a machine.
_MACHINE = (
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system", "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version",
    "/proc/filesystems", "/proc/sys/vm", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
_FOR_DRIVERS = (
    "/sys/bus/pci",
    "/sys/class",
    "/sys/devices",
    "/sys/module",
    "/proc/driver",
    "/proc/devices",
    "/etc/nvidia",
)
_DRIVERS = ("nvidia*", "dxg", "dri")
_LIBRARIES = {"site-packages", "dist-packages"}
# Of our own code, what a process that runs models is made of.
_OURS = ("config", "dicom_node", "domain", "inference_worker", "models")


@dataclass(frozen=True)
class Plan:
    """What the process may touch.

    `read`, `write` and `devices` are files and folders; of those `listed` the names of what lies in them may be read
    and nothing else. `scratch` is the folder that is its working directory, home and
    place for temporary files, of `room` bytes. `parent` is the process id of whoever started it, with which it ends.
    `modules` are our own packages that are imported before the walls stand: their folder cannot be listed afterwards.
    `required` refuses to go on where a wall is missing that nothing replaces.
    """

    scratch: Path
    room: int
    parent: int
    read: tuple[Path, ...]
    listed: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    modules: tuple[str, ...] = ()
    required: bool = True

    def to_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, line: str) -> "Plan":
        """What `to_json` made."""
        return record(cls, json_object(line))


def code(others: Iterable[str] = ()) -> tuple[Path, ...]:
    """Where Python, its libraries, our own packages and `others` lie; and what a machine says of itself."""
    return tuple(dict.fromkeys(one for one in _code(others) if one.exists()))


def _code(others: Iterable[str]) -> Iterator[Path]:
    yield from map(Path, _MACHINE)
    yield from (Path(sys.prefix), Path(sys.base_prefix))
    entries = [Path(__file__).parents[2], *(Path(one) for one in sys.path if one)]
    yield from (one for one in entries if one.name in _LIBRARIES)
    for entry in entries:
        yield from (entry / name for name in (*_OURS, *others) if (entry / name).is_dir())
    yield from (Path(one) for one in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if one)


def own_modules(others: Iterable[str] = ()) -> tuple[str, ...]:
    """The top-level packages that are imported before the walls stand."""
    return (*_OURS, *others)


def drivers() -> tuple[Path, ...]:
    """The device files of this machine's GPUs; none where it has none."""
    return tuple(one for name in _DRIVERS for one in Path("/dev").glob(name)) if _has_gpu() else ()


def about_drivers() -> tuple[Path, ...]:
    """What a GPU's libraries ask of a machine besides."""
    return tuple(Path(one) for one in _FOR_DRIVERS if Path(one).exists())


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()
