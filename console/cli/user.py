"""Who runs a command and why, for entries of the trail that must name a person."""

import getpass
import os

from dicom_node.outside import LONGEST_REASON, words
from domain.errors import ConfigurationError


def user() -> str:
    """The name of the user, or the number where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return str(os.getuid())


def why(reason: str, question: str) -> str:
    """The reason that a person gave, as it is kept; raises ConfigurationError where it is none, or is too long."""
    if len(reason) > LONGEST_REASON:
        raise ConfigurationError(f"--reason: at most {LONGEST_REASON} characters are kept, these are {len(reason)}")
    said = words(reason, LONGEST_REASON)
    if not said:
        raise ConfigurationError(f"--reason: say in words {question}")
    return said
