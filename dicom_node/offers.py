"""Reports that wait for their peer to have an association with the listener: files below the spool's folder.

The index writes them and takes them back; a listener process takes one by renaming it, so that one association alone
has it. What is true stands in the database: a file that is lost is written again, and a report that is told twice does
no harm (PS3.4 J.3.3 knows no order and no number of them).
"""

import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

from dicom_node.commitment import CommitmentReport
from domain.json_records import json_object, record

_FOLDER = "reports"
_OFFERED, _TAKEN = ".json", ".taken"
# s after which a listener that took a report and neither told it nor gave it back has gone.
_LONGEST = 120.0


class Offers:
    """The offers below `root` (`<data>/spool`); usable from all threads and processes."""

    def __init__(self, root: Path) -> None:
        self._root = root / _FOLDER

    def offer(self, aet: str, ident: UUID, report: CommitmentReport) -> None:
        """Let an association of `aet` take this report; one that is offered or taken stays so. Raises OSError."""
        folder = self._of(aet)
        if self.has(aet, ident):
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f"{ident}.draft"
        draft.write_text(json.dumps(asdict(report)), encoding="utf-8")
        draft.rename(folder / f"{ident}{_OFFERED}")

    def has(self, aet: str, ident: UUID) -> bool:
        """Whether it is offered, or a listener has taken it."""
        return any((self._of(aet) / f"{ident}{end}").exists() for end in (_OFFERED, _TAKEN))

    def keep_only(self, wanted: Collection[UUID]) -> None:
        """Take back every other one, and offer anew what a listener took and never told."""
        for path in self._root.glob("*/*"):
            if path.suffix not in (_OFFERED, _TAKEN) or _ident(path) not in wanted:
                path.unlink(missing_ok=True)
            elif path.suffix == _TAKEN:
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > _LONGEST:
                        path.rename(path.with_suffix(_OFFERED))

    def waiting(self, aet: str) -> Iterator[UUID]:
        """What is offered to `aet`."""
        with suppress(OSError):
            for name in os.listdir(self._of(aet)):  # noqa: PTH208 - asked ten times a second: no objects for each name
                if name.endswith(_OFFERED) and (ident := _ident(Path(name))):
                    yield ident

    def take(self, aet: str, ident: UUID) -> CommitmentReport | None:
        """The report, which is nobody else's until it is given back; None where somebody has it."""
        taken = self._of(aet) / f"{ident}{_TAKEN}"
        try:
            taken.with_suffix(_OFFERED).rename(taken)
            os.utime(taken)
            return record(CommitmentReport, json_object(taken.read_bytes()))
        except (OSError, ValueError):
            return None

    def give_back(self, aet: str, ident: UUID) -> None:
        """It was not told: another association may take it."""
        taken = self._of(aet) / f"{ident}{_TAKEN}"
        with suppress(OSError):
            taken.rename(taken.with_suffix(_OFFERED))

    def done(self, aet: str, ident: UUID) -> None:
        """It was told."""
        (self._of(aet) / f"{ident}{_TAKEN}").unlink(missing_ok=True)

    def _of(self, aet: str) -> Path:
        return self._root / aet.encode("utf-8", "replace").hex()


def _ident(path: Path) -> UUID | None:
    try:
        return UUID(path.stem)
    except ValueError:
        return None
