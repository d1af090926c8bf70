"""Whom the embedded PostgreSQL runs as: the node's own user; where that is root, which PostgreSQL refuses, another one.

Nobody is made and nothing that is not the node's is opened: what the other user cannot reach is told, with what to do.
"""

import os
import pwd
import stat
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from domain.errors import ConfigurationError

_LAST_CHOICE = "nobody"
# Prints the first place that may not be entered or executed.
_FIRST_CLOSED = 'for one; do [ -x "$one" ] || { printf %s "$one"; exit; }; done'
_KEPT = {"PATH", "LANG", "TZ"}


@dataclass(frozen=True)
class ServerUser:
    """A user of the system, other than the node's own."""

    name: str
    uid: int
    gid: int


def server_user(folder: Path, wanted: str | None) -> ServerUser | None:
    """Who is to run a server on `folder`; None for the node's own user.

    Root's choice is whoever owns `folder`, else `wanted`, else who owns the folder that it lies in, else nobody.
    Raises ConfigurationError where there is no such user, or where `folder` belongs to another one.
    """
    owner = _owner(folder)
    if os.geteuid() != 0:
        if owner not in {None, os.geteuid()}:
            raise ConfigurationError(f"{folder} belongs to {_name(owner)}: run the node as that user, or as root")
        return None
    if owner:
        if wanted and _known(wanted).pw_uid != owner:
            said = f"{folder} belongs to {_name(owner)}, and database.user is {wanted}: "
            ours = (folder / "PG_VERSION").exists()
            give = f"stop the node and chown -R {wanted} {quote(str(folder))}, or leave the setting out"
            raise ConfigurationError(said + (give if ours else "leave the setting out, or choose another data folder"))
        return _user(_by_number(owner))
    if wanted is None and (above := _owner(folder.parent)):
        return _user(_by_number(above))
    return _user(_known(wanted or _LAST_CHOICE))


def closed_to(user: ServerUser, places: Iterable[Path]) -> Path | None:
    """The first of these folders and programs that `user` can neither enter nor execute."""
    command = ["/bin/sh", "-c", _FIRST_CLOSED, "sh", *map(str, places)]
    said = subprocess.run(command, capture_output=True, check=True, **as_user(user)).stdout
    return Path(os.fsdecode(said)) if said else None


def as_user(user: ServerUser | None) -> dict[str, Any]:
    """What subprocess takes to run a program of PostgreSQL: its user, and of the environment what it needs."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
    identity = {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": ()}
    return {"env": kept, "cwd": "/", **identity}


def give(place: Path, user: ServerUser | None) -> None:
    """Make what the node has just made `user`'s."""
    if user is not None:
        os.chown(place, user.uid, user.gid, follow_symlinks=False)


def let_pass(folder: Path, user: ServerUser | None) -> None:
    """Root's own data folder may be passed, and nothing of it seen, so that `user` reaches the database in it."""
    if user is not None:
        found = folder.stat()
        if found.st_uid != user.uid and found.st_uid == os.geteuid():
            folder.chmod(stat.S_IMODE(found.st_mode) | 0o011)


def refuse_closed(user: ServerUser | None, parents: Sequence[Path]) -> None:
    """Raise ConfigurationError where `user` may not pass one of the folders above a data folder, outermost first."""
    if user is not None and (closed := closed_to(user, parents)):
        raise ConfigurationError(
            f"the node runs as root, so that PostgreSQL runs as {user.name}, who may not pass {closed}: run the node "
            "as an ordinary user, choose a data folder elsewhere (--data /var/lib/dicom-node), or give --database URL"
        )


def _owner(folder: Path) -> int | None:
    try:
        return folder.stat().st_uid
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be looked at: {error.strerror}") from error


def _known(name: str) -> pwd.struct_passwd:
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        raise ConfigurationError(f"database.user: this machine has no user {name}") from error
    if found.pw_uid == 0:
        raise ConfigurationError("database.user: PostgreSQL does not run as root")
    return found


def _by_number(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError as error:
        raise ConfigurationError(
            f"the database's folder belongs to user {uid}, of whom this machine knows no name, and PostgreSQL wants one"
        ) from error


def _user(found: pwd.struct_passwd) -> ServerUser:
    return ServerUser(found.pw_name, found.pw_uid, found.pw_gid)


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return f"user {uid}"
