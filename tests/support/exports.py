"""A short trail with its tree, its keys and its checkpoints, all in memory, and exports of it."""

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import trail_verifier
from audit.canonical import canonical
from audit.chain import GENESIS, Row, link
from audit.export.json_lines import Extent, JsonLines, Sealed
from audit.notes import Checkpoint, Note, Signer
from audit.tree import MemoryTree, leaf_hash

ORIGIN = "dicom-node/6b0f7c1e-8f5a-4f0e-9d35-0c9d1c3a7f11"
BEGAN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def signer(number: int = 1, origin: str = ORIGIN) -> Signer:
    """The same key for the same number."""
    return Signer(origin, Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)))


def entry(number: int, caller: str = "", at: datetime | None = None) -> str:
    """The text of an entry, a second later than the one before."""
    said = {"number": number, "at": (at or BEGAN + timedelta(seconds=number)).isoformat(timespec="microseconds")}
    more = {"by": {"role": "index", "host": "node"}, "study": None, "action": "instances received"}
    return canonical({**said, **more, "details": {"caller": caller or f"CT{number}"}})


def chained(texts: Iterable[str]) -> list[Row]:
    """Rows that follow from one another."""
    rows, head = [], GENESIS
    for number, text in enumerate(texts, 1):
        head = link(head, text)
        rows.append(Row(number, text, head))
    return rows


class SealedTrail:
    """Rows with the tree over them; checkpoints are made as they are asked for."""

    def __init__(self, rows: Sequence[Row], key: Signer | None = None) -> None:
        self.rows, self.key = list(rows), key or signer()
        self.tree = MemoryTree(leaf_hash(row.entry) for row in rows)

    @classmethod
    def of(cls, length: int) -> "SealedTrail":
        """An untouched one."""
        return cls(chained(map(entry, range(1, length + 1))))

    def checkpoint(self, size: int, at: datetime | None = None) -> Checkpoint:
        """What is true of the first `size` entries."""
        chain = self.rows[size - 1].hash if size else GENESIS
        return Checkpoint(ORIGIN, size, self.tree.root(size), chain, at or BEGAN + timedelta(seconds=size))

    def note(self, size: int, *signers: Signer) -> Note:
        """It, signed."""
        return self.checkpoint(size).signed(*(signers or (self.key,)))

    def export(
        self, only: Sequence[int] | None = None, size: int | None = None, older: Sequence[Note] = (), first: int = 1,
        last: int | None = None, key_of: Sequence[Signer] = (),
    ) -> bytes:  # fmt: skip
        """All entries of a part, or those with the numbers `only`, under the checkpoint of `size`."""
        size = len(self.rows) if size is None else size
        sealed = Sealed(self.note(size), tuple(one.verifier for one in key_of or (self.key,)), self.tree.node, older)
        if only is not None:
            extent, rows = Extent(1, size, "entries of one study"), [self.rows[number - 1] for number in only]
        else:
            before = self.rows[first - 2].hash if first > 1 else GENESIS
            extent, rows = Extent(first, size, before=before), self.rows[first - 1 : size]
        return b"".join(JsonLines(extent, sealed, BEGAN + timedelta(days=1)).lines(rows))


def judged(export: bytes, *, keys: Sequence[Signer] = (), published: Sequence[Note] = ()) -> trail_verifier.Verdict:
    """What the verifier of one file says of an export."""
    outside = [trail_verifier.Checkpoint.parse(str(one), "that was published") for one in published]
    known = [trail_verifier.Key.parse(str(one.verifier)) for one in keys]
    return trail_verifier.Export(io.BytesIO(export), known, outside).judge()
