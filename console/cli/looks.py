"""What `doctor` says of one thing that it looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """Whether something is as it must be. What is only noted keeps nothing from running."""

    OK = "ok"
    NOTED = "noted"
    LACKING = "lacking"


@dataclass(frozen=True)
class Look:
    """One thing that was looked at, and in a sentence what was found and what to do."""

    what: str
    mark: Mark
    said: str
