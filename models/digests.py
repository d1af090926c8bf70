"""Writes the digests of a model package into its manifest, which is the last thing that making it does."""

import hashlib
import re
from pathlib import Path

from models.manifest import MANIFEST, SIGNATURE

# The table [digests]: its header, and every line up to the next table's.
_TABLE = re.compile(r"^\[digests\][^\n]*\n(?:(?!\s*\[)[^\n]*\n?)*", re.MULTILINE)


def write_digests(folder: Path) -> None:
    """Put the SHA-256 of every other file of `folder` into the manifest's table [digests], made if there is none.

    A signature is of the manifest as it was, so it is removed: sign again. Raises OSError where a file cannot be read
    or written.
    """
    manifest = folder / MANIFEST
    head = manifest.read_text("utf-8")
    rest = _TABLE.sub("", head).rstrip("\n")
    table = "".join(f'"{name}" = "{digest}"\n' for name, digest in _digests(folder).items())
    text = f"{rest}\n\n[digests]\n{table}"
    if text != head:
        replace_text(manifest, text)
        (folder / SIGNATURE).unlink(missing_ok=True)


def replace_text(file: Path, text: str) -> None:
    """Write `text` so that nobody ever reads half of it."""
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(text, "utf-8")
    draft.replace(file)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: _sha256(path) for name, path in names.items() if name not in {MANIFEST, SIGNATURE}}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
