"""What tells a spool from that of another host: a UUID in a file of its root, made once."""

import os
import uuid
from pathlib import Path

from dicom_node.spool.segment import sync_folder


def identity(root: Path) -> str:
    """The spool's UUID, made where there is none; whoever asks holds the reader's lock. Raises OSError."""
    file = root / "identity"
    if not file.exists():
        _make(file)
    return file.read_text().strip()


def known_identity(root: Path) -> str:
    """The UUID of the spool in this folder, "" where no index has read it yet; makes nothing. Raises OSError."""
    try:
        return (root / "identity").read_text().strip()
    except FileNotFoundError:
        return ""


def _make(file: Path) -> None:
    """Whole or not at all: what the spool holds under a name could not be let go of under another."""
    fresh = file.with_suffix(".new")
    with fresh.open("w") as written:
        written.write(f"{uuid.uuid4()}\n")
        written.flush()
        os.fsync(written.fileno())
    fresh.replace(file)
    sync_folder(file.parent)
