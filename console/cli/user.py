"""Who runs a command, for entries of the trail that must name a person."""

import getpass
import os


def user() -> str:
    """The name of the user, or the number where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return str(os.getuid())
