"""Why results that are out count no more, as rejection notes say it (IHE RAD TF-1 33, IOCM)."""

from enum import StrEnum


class Cause(StrEnum):
    """What became of the results."""

    SUPERSEDED = "superseded"  # newer results of the same model on the same study are there
    WITHDRAWN = "withdrawn"  # they are wrong, as those that name another patient
