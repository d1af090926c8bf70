"""The trail as JSON lines that prove themselves: rows and nodes of the tree in, lines out; no database.

The first line is the header, the last one counts the entries and has the SHA-256 of all lines before it; in between
stands a line for each entry. Where all entries from `first` to `last` are there, `last` is the checkpoint's, and the
header has the hash before the first and the roots of the complete subtrees before it, so that the checkpoint's root
follows from the entries themselves. Where they are a choice, each has its proof of inclusion.

`audit.trail_verifier` reads it, in the one form that is written here; a change of either is another `VERSION`.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.chain import Row
from audit.notes import Checkpoint, Note, VerifierKey
from audit.tree import Nodes, complete_nodes, consistency_proof, inclusion_proof

FORMAT = "dicom-node trail"
VERSION = 1


@dataclass(frozen=True)
class Sealed:
    """What an export is proven by: the checkpoint, the keys that signed, older checkpoints, and the tree's nodes."""

    note: Note
    keys: Sequence[VerifierKey]
    nodes: Nodes
    older: Sequence[Note] = ()

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(self.note.text)


@dataclass(frozen=True)
class Extent:
    """Which entries: the numbers `first` to `last`, and in words what was asked of them.

    `before`, the chain's hash before the first, is there where every entry between is in the export.
    """

    first: int
    last: int
    of: str = "all"
    before: bytes | None = None


class JsonLines:
    """One export, a line at a time; `count` and `sha256` (of all but the last line) are right when it has ended."""

    def __init__(self, extent: Extent, sealed: Sealed | None, made: datetime) -> None:
        self._extent, self._sealed, self._made = extent, sealed, made
        self._sha256 = hashlib.sha256()
        self.count = 0

    @property
    def sha256(self) -> str:
        """In hexadecimal, of every line so far."""
        return self._sha256.hexdigest()

    def lines(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """Each line with its end, in UTF-8; `rows` come in the order of their numbers."""
        yield self._hashed(self._header())
        for row in rows:
            yield self._hashed(self._entry(row))
            self.count += 1
        yield _line({"end": True, "count": self.count, "sha256": self.sha256})

    def _hashed(self, said: object) -> bytes:
        line = _line(said)
        self._sha256.update(line)
        return line

    def _header(self) -> dict[str, object]:
        extent, sealed = self._extent, self._sealed
        return {
            "format": FORMAT,
            "version": VERSION,
            "origin": sealed.checkpoint.origin if sealed else None,
            "keys": [str(key) for key in sealed.keys] if sealed else [],
            "first": extent.first,
            "last": extent.last,
            "of": extent.of,
            "made": self._made.isoformat(timespec="microseconds"),
            "before": None if extent.before is None else extent.before.hex(),
            "left": self._left(),
            "checkpoint": str(sealed.note) if sealed else None,
            "checkpoints": [self._older(note, sealed) for note in sealed.older] if sealed else [],
        }

    def _left(self) -> list[str] | None:
        """The tree before the first entry, where all entries are there."""
        if self._extent.before is None:
            return None
        before = complete_nodes(0, self._extent.first - 1)
        return _base64(self._sealed.nodes(*at) for at in before) if self._sealed else []

    @staticmethod
    def _older(note: Note, sealed: Sealed) -> dict[str, object]:
        size = Checkpoint.parse(note.text).size
        proof = consistency_proof(size, sealed.checkpoint.size, sealed.nodes)
        return {"note": str(note), "proof": _base64(proof)}

    def _entry(self, row: Row) -> dict[str, object]:
        said: dict[str, object] = {"number": row.number, "entry": row.entry}
        if self._extent.before is not None or self._sealed is None:
            return {**said, "hash": row.hash.hex()}
        proof = inclusion_proof(row.number - 1, self._sealed.checkpoint.size, self._sealed.nodes)
        return {**said, "proof": _base64(proof)}


def _line(said: object) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _base64(hashes: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]
