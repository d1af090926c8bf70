"""Other users of the machine, made for a test and removed after it: only root can be several."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.counterparts import ROOT

_GETS_AT = """
import os, socket, stat, sys

def gets_at(path):
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            with socket.socket(socket.AF_UNIX) as door:
                door.connect(path)
        elif os.path.isdir(path):
            os.listdir(path)
        else:
            open(path, "rb").close()
    except OSError:
        return False
    return True

print("\\0".join(filter(gets_at, sys.stdin.read().split("\\0"))), end="")
"""


@contextmanager
def system_user() -> Iterator[str]:
    """The name of a new user without rights, home or password."""
    if os.geteuid() != 0 or shutil.which("useradd") is None or shutil.which("setpriv") is None:
        pytest.skip("only root makes users (useradd) and acts as one (setpriv)")
    name = f"dn-test-{secrets.token_hex(4)}"
    subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["userdel", name], check=True)


def become(user: str) -> list[str]:
    """What stands before a command that `user` runs."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]


def python_for(user: str) -> str:
    """A Python of our version that `user` may run: ours, or the system's where ours lies in root's home."""
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, system):
        with contextlib.suppress(OSError):
            subprocess.run([candidate, "-c", "pass"], user=user, check=True, cwd="/")
            return candidate
    pytest.skip(f"{user} may run neither {sys.executable} nor {system}")


def libraries() -> str:
    """What is PYTHONPATH for a Python that is not ours: our code and our environment's libraries."""
    return os.pathsep.join([str(ROOT), *(one for one in sys.path if one.endswith("site-packages"))])


def reached_by(user: str, places: Iterable[Path]) -> list[Path]:
    """Those files that `user` can read, folders that they can list, sockets that take their call."""
    command = [*become(user), python_for(user), "-I", "-c", _GETS_AT]
    asked = "\0".join(map(str, places))
    done = subprocess.run(command, input=asked, cwd="/", capture_output=True, text=True, check=True)
    return [Path(one) for one in done.stdout.split("\0") if one]
