"""Whose folder is whose in the spool: each process that writes has one of its own, by number (`SpoolWriter`).

Listener processes have those from 0 on (`listener.processes`, at most 64; `--index`).
"""

from enum import IntEnum, unique


@unique
class SpoolNumber(IntEnum):
    """Of those who write and are no listener of DICOM."""

    WEB = 1000
    FOLLOWER = 1001
    PRIORS = 1002
