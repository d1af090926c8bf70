"""How far a source's changes were followed: a small file that is replaced whole, and never before that is so."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node.orthanc.answers import Change
from dicom_node.spool.segment import sync_folder
from domain.errors import IntegrityError, Retryable

_LARGEST = 1 << 16


@dataclass(frozen=True)
class Place:
    """Everything up to change `since` was taken. By `latest`, the last of these, its database is known again."""

    since: int
    latest: Sequence[Change] = ()


class PlaceFile:
    """The place of the source `name`, in a file of `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        self._name = name
        self._path = folder / f"{told}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"

    def load(self) -> Place | None:
        """None where the source was never followed. Raises Retryable, or IntegrityError where it is no such file."""
        try:
            with self._path.open("rb") as file:
                held = json.loads(file.read(_LARGEST))
            return Place(int(held["since"]), tuple(Change(int(n), str(k), str(r)) for n, k, r in held["latest"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Retryable(f"{self._path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{self._path} does not say how far {self._name} was followed: remove it to begin as the first time"
            ) from error

    def save(self, place: Place) -> None:
        """Durable on return; raises Retryable."""
        latest = [(one.number, one.kind, _kept(one)) for one in place.latest]
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w") as file:
                json.dump({"source": self._name, "since": place.since, "latest": latest}, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise Retryable(f"{self._path} cannot be written: {error.strerror}") from error


def _kept(change: Change) -> str:
    """What Orthanc calls a patient is a digest of the Patient ID alone, which whoever tries them all finds out."""
    return "" if change.kind.endswith("Patient") else change.resource
