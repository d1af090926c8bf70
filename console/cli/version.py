"""Which program this is. Imports next to nothing, for it is asked by scripts and before anything works."""

import sys


def version_line() -> str:
    """Name and version of the program, and the Python that runs it."""
    from importlib.metadata import version  # noqa: PLC0415 - the first help says none

    return f"dicom-node {version('dicom-node')} (Python {'.'.join(map(str, sys.version_info[:3]))})"
