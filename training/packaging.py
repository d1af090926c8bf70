"""Writes the digests of a model package into its manifest, which is the last thing that making it does.

python -m training.packaging models/ct_lung
"""

import hashlib
import sys
from pathlib import Path

from models.manifest import MANIFEST

_HEADER = "[digests]\n"


def write_digests(folder: Path) -> None:
    """Replace the manifest's last table, [digests], by the SHA-256 of every other file in `folder`."""
    manifest = folder / MANIFEST
    head = manifest.read_text("utf-8").partition(_HEADER)[0]
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != manifest)
    lines = [f'"{path.relative_to(folder).as_posix()}" = "{_sha256(path)}"\n' for path in files]
    manifest.write_text(head + _HEADER + "".join(lines), "utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    write_digests(Path(sys.argv[1]))
