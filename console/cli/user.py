"""Who runs a command and why, for entries of the trail that must name a person."""

import os
import pwd
from pathlib import Path

from audit.trail import Ledger
from dicom_node.outside import LONGEST_REASON, words
from domain.errors import ConfigurationError
from store.database import Database

_LOGIN = Path("/proc/self/loginuid")
_NOBODY_LOGGED_IN = 2**32 - 1  # (uid_t) -1


def ledger(database: Database) -> Ledger:
    """Where a command commits: each of its entries says whose command it was."""
    return Ledger(database, "console").on_behalf_of(user())


def user() -> str:
    """Whose process this is, by the kernel: `alice (uid 1000)`, `root (uid 0, logged in as alice, uid 1000)`.

    Variables such as LOGNAME and SUDO_USER say what whoever sets them likes. The login's user the kernel keeps from the
    log-in on, through su and sudo (/proc/self/loginuid, proc_pid_loginuid(5)), where the system sets it.
    """
    own = os.getuid()
    login = _login()
    said = "" if login in (None, own) else f", logged in as {_name(login) or 'somebody'}, uid {login}"
    return f"{_name(own) or 'somebody'} (uid {own}{said})"


def _name(uid: int | None) -> str:
    """The name of a user, "" where there is none: a container's user often has no name."""
    try:
        return "" if uid is None else pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _login() -> int | None:
    """The user who logged in, None where the kernel knows of none."""
    try:
        uid = int(_LOGIN.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _NOBODY_LOGGED_IN else uid


def why(reason: str, question: str) -> str:
    """The reason that a person gave, as it is kept; raises ConfigurationError where it is none, or is too long."""
    if len(reason) > LONGEST_REASON:
        raise ConfigurationError(f"--reason: at most {LONGEST_REASON} characters are kept, these are {len(reason)}")
    said = words(reason, LONGEST_REASON)
    if not said:
        raise ConfigurationError(f"--reason: say in words {question}")
    return said
