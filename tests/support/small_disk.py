"""A node whose images lie on a small file system, in a mount namespace of its own."""

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# The objects' folder alone is small: the database and the spool have their own limits.
_SMALL = """
set -e
mkdir -p "$1/objects/instances"
mount -t tmpfs -o size={size},mode=0700 objects "$1/objects/instances"
shift
exec "$@"
"""


@cache
def may_mount() -> bool:
    """Whether this user may make such a namespace."""
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs x /mnt"]
    there = shutil.which("unshare") is not None
    return there and subprocess.run(tried, capture_output=True, check=False).returncode == 0


def behind(data: Path, size: int, program: Sequence[str]) -> tuple[str, ...]:
    """The program, for which the images of the data folder have that many bytes of room."""
    apart = ("unshare", "--mount", "--propagation", "private", "bash", "-c", _SMALL.format(size=size), "sh")
    return (*apart, str(data), *program)
