"""Which program this is. Imports next to nothing, for it is asked by scripts and before anything works."""

import sys
from importlib.metadata import version


def version_line() -> str:
    """Name and version of the program, and the Python that runs it."""
    return f"dicom-node {version('dicom-node')} (Python {'.'.join(map(str, sys.version_info[:3]))})"
