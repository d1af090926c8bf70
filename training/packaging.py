"""The last step of making a package by hand: its files' digests.

python -m training.packaging models/ct_lung
"""

import sys
from pathlib import Path

from models.digests import write_digests

__all__ = ["write_digests"]

if __name__ == "__main__":
    write_digests(Path(sys.argv[1]))
