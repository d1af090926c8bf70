"""What is kept of a trail, and what attackers do to it: each probe in tests/probes/audit is a list of such steps.

A probe names what it does to the database's rows (`do`) and to an export of them (`export_do`), and what the node and
the verifier of one file must say then. Steps change what is kept and nothing else, as a superuser would by SQL; what
was published outside stays as it was.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from audit.actions import Action
from audit.canonical import canonical
from audit.chain import GENESIS, Row, link
from audit.export.json_lines import Extent, JsonLines, Sealed
from audit.notes import Checkpoint, Note, NoteError, Signature, VerifierKey
from audit.tiles import Growth
from audit.tree import MemoryTree, leaf_hash
from tests.support.exports import BEGAN, ORIGIN, chained, entry, signer

PROBES = Path(__file__).parents[1] / "probes" / "audit"
LENGTH, SEALED = 300, (100, 260, 300)
#: The node's, whoever stole it has it too; the attacker's; the node's next one.
KEYS = {"stolen": signer(1), "another": signer(2), "next": signer(3), "of another trail": signer(4, ORIGIN + "-other")}
MADE = BEGAN + timedelta(days=1)  # when an export is made

Step = Mapping[str, Any]


@dataclass(frozen=True)
class KeptCheckpoint:
    """A row of the checkpoints."""

    number: int
    size: int
    root: bytes
    note: str
    at: datetime


@dataclass
class Kept:
    """The rows of a trail, its full tiles by level and number, and its checkpoints."""

    rows: list[Row]
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    checkpoints: list[KeptCheckpoint] = field(default_factory=list)

    def tree(self) -> MemoryTree:
        """Over the rows as they are."""
        return MemoryTree(leaf_hash(row.entry) for row in self.rows)


def untouched() -> Kept:
    """A trail of some hundred entries that was sealed three times."""
    kept = Kept(chained(map(entry, range(1, LENGTH + 1))))
    _retile(kept)
    for size in SEALED:
        _seal(kept, {"size": size, "key": "stolen"})
    return kept


@dataclass(frozen=True)
class Probe:
    """One attack; `live` and `export` say what is told of it, None where it does not reach there."""

    name: str
    about: str
    do: Sequence[Step]
    export_do: Sequence[Step]
    live: Mapping[str, Any] | None
    export: Mapping[str, Any] | None
    only: Sequence[int] | None

    @classmethod
    def read(cls, file: Path) -> "Probe":
        said = json.loads(file.read_text())
        steps = said.get("do", []), said.get("export_do", [])
        return cls(file.stem, said["about"], *steps, said.get("live"), said.get("export"), said.get("only"))

    def attacked(self) -> Kept:
        """What is kept, after it."""
        kept = untouched()
        for step in self.do:
            _DO[step["kind"]](kept, step)
        return kept

    def exported(self) -> bytes:
        """What the node writes out of that, and what became of it on its way."""
        lines = exported(self.attacked(), self.only)
        for step in self.export_do:
            lines = _EXPORT_DO[step["kind"]](lines, step)
        return b"".join(lines)


def probes() -> list[Probe]:
    """All, by name."""
    return [Probe.read(file) for file in sorted(PROBES.glob("*.json"))]


def published() -> list[Note]:
    """What the outside has: nobody who attacks the database gets at it."""
    return [Note.parse(one.note) for one in untouched().checkpoints]


# Rows. `at` counts from 1, and is the place of a row, not its number.


def _edit(kept: Kept, step: Step) -> None:
    row = kept.rows[step["at"] - 1]
    assert step["from"] in row.entry
    kept.rows[step["at"] - 1] = replace(row, entry=row.entry.replace(step["from"], step["to"]))


def _swap(kept: Kept, step: Step) -> None:
    at = step["at"] - 1
    kept.rows[at], kept.rows[at + 1] = kept.rows[at + 1], kept.rows[at]


def _remove(kept: Kept, step: Step) -> None:
    del kept.rows[step["at"] - 1 : step.get("to", step["at"])]


def _insert(kept: Kept, step: Step) -> None:
    at = step["at"] - 1
    kept.rows.insert(at, Row(step["number"], step["entry"], link(kept.rows[at - 1].hash, step["entry"])))


def _renumber(kept: Kept, step: Step) -> None:
    kept.rows[step["at"] - 1] = replace(kept.rows[step["at"] - 1], number=step["to"])


def _rehash(kept: Kept, step: Step) -> None:
    at = step["at"] - 1
    previous = kept.rows[at - 1].hash if at else GENESIS
    kept.rows[at] = replace(kept.rows[at], hash=link(previous, kept.rows[at].entry))


def _flip(kept: Kept, step: Step) -> None:
    """One bit of a column."""
    row = kept.rows[step["at"] - 1]
    if step["column"] == "number":
        made = replace(row, number=row.number ^ 1 << step["bit"])
    elif step["column"] == "hash":
        made = replace(row, hash=_flipped(row.hash, step["bit"]))
    else:
        made = replace(row, entry=_flipped(row.entry.encode(), step["bit"]).decode())
    kept.rows[step["at"] - 1] = made


def _flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _rechain(kept: Kept, step: Step) -> None:
    """From a place on every row gets the number, in its text too, and the hash that follow."""
    for at in range(step["at"] - 1, len(kept.rows)):
        said = {**json.loads(kept.rows[at].entry), "number": at + 1}
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        kept.rows[at] = Row(at + 1, text, link(kept.rows[at - 1].hash if at else GENESIS, text))


def _append(kept: Kept, step: Step) -> None:
    """Entries as the node appends them, with a clock that goes on from the last one's."""
    for _ in range(step.get("count", 1)):
        number = len(kept.rows) + 1
        text = step.get("entry") or _telling(step, number) or entry(number, at=_time(step, number))
        kept.rows.append(Row(number, text, link(kept.rows[-1].hash, text)))


def _telling(step: Step, number: int) -> str:
    """The text of an entry by which the node says that a new key is to sign."""
    if "tells" not in step:
        return ""
    said = {**json.loads(entry(number)), "action": Action.TRAIL_KEY.value}
    return canonical({**said, "details": {"key": str(KEYS[step["tells"]].verifier), "user": "", "lost": False}})


def _time(step: Step, number: int) -> datetime:
    return BEGAN + timedelta(seconds=number, hours=step.get("hours", 0))


# Tiles.


def _retile(kept: Kept, _step: Step | None = None) -> None:
    """All tiles as the rows have them."""
    growth = Growth()
    made = [tile for row in kept.rows for tile in growth.append(leaf_hash(row.entry))]
    kept.tiles = {(tile.level, tile.number): tile.hashes for tile in made}


def _tile(kept: Kept, step: Step) -> None:
    """One bit of the tile's hashes, or another place for it, or none."""
    hashes = kept.tiles.pop((0, 0))
    match step["change"]:
        case "hashes":
            kept.tiles[0, 0] = _flipped(hashes, step["bit"])
        case "number":
            kept.tiles[0, 1 << step["bit"]] = hashes
        case "level":
            kept.tiles[1 << step["bit"], 0] = hashes


# Checkpoints. `checkpoint` is the number of one.


def _seal(kept: Kept, step: Step) -> None:
    """A further checkpoint, true of the rows as they are, unless the step says otherwise."""
    size = step.get("size", len(kept.rows))
    true = size <= len(kept.rows)
    root = kept.tree().root(size) if true and not step.get("root") else bytes(32)
    chain = kept.rows[size - 1].hash if true and not step.get("chain") else bytes(32)
    at = _time(step, size)
    signers = [KEYS[name] for name in step["key"].split(" and ")]
    origin = signers[0].name
    text = Checkpoint(origin, size, root, chain, at).text()
    for name in step.get("names", ()):
        text += f"next-key {KEYS[name].verifier}\n"
    note = Note(text, tuple(one.sign(text) for one in signers))
    number = kept.checkpoints[-1].number + 1 if kept.checkpoints else 1
    kept.checkpoints.append(KeptCheckpoint(number, size, root, str(note), at))


def _reseal(kept: Kept, step: Step) -> None:
    """Every checkpoint that the rows still reach is made anew."""
    sizes = [one.size for one in kept.checkpoints if one.size <= len(kept.rows)]
    kept.checkpoints = []
    for size in sizes:
        _seal(kept, {**step, "size": size})


def _forget(kept: Kept, step: Step) -> None:
    kept.checkpoints = [one for one in kept.checkpoints if one.number < step["checkpoint"]]


def _replay(kept: Kept, step: Step) -> None:
    """An old one takes the place of the newest, or comes behind it."""
    old, last = kept.checkpoints[step["checkpoint"] - 1], kept.checkpoints[-1]
    if step.get("in_place"):
        kept.checkpoints.pop()
    kept.checkpoints.append(replace(old, number=last.number + (not step.get("in_place"))))


def _checkpoint(kept: Kept, step: Step) -> None:
    """One bit of a column, or another signature, or another text under the same one."""
    at = step["checkpoint"] - 1
    one = kept.checkpoints[at]
    note = Note.parse(one.note)
    match step["change"]:
        case "size":
            made = replace(one, size=one.size ^ 1 << step["bit"])
        case "root":
            made = replace(one, root=_flipped(one.root, step["bit"]))
        case "at":
            made = replace(one, at=one.at + timedelta(microseconds=1))
        case "number":
            made = replace(one, number=one.number ^ 1 << step["bit"])
        case "note":
            made = replace(one, note=one.note.replace(step["from"], step["to"]))
        case "signature":
            made = replace(one, note=str(replace(note, signatures=(_forged(note.signatures[0], step["bit"]),))))
        case "signed beside":
            made = replace(one, note=str(note.with_signatures([KEYS[step["key"]].sign(note.text)])))
        case "root of the rows":
            root = kept.tree().root(one.size)
            text = note.text.replace(note.text.splitlines()[2], base64.b64encode(root).decode())
            chain = base64.b64encode(kept.rows[one.size - 1].hash).decode()
            text = text.replace(text.splitlines()[3], f"chain {chain}")
            made = replace(one, root=root, note=str(replace(note, text=text)))
    kept.checkpoints[at] = made
    kept.checkpoints.sort(key=lambda one: one.number)


def _forged(signature: Signature, bit: int) -> Signature:
    return replace(signature, raw=_flipped(signature.raw, bit))


_DO: Mapping[str, Callable[[Kept, Step], None]] = {
    "edit": _edit,
    "swap": _swap,
    "remove": _remove,
    "insert": _insert,
    "renumber": _renumber,
    "rehash": _rehash,
    "flip": _flip,
    "rechain": _rechain,
    "append": _append,
    "retile": _retile,
    "tile": _tile,
    "seal": _seal,
    "reseal": _reseal,
    "forget": _forget,
    "replay": _replay,
    "checkpoint": _checkpoint,
}


# Exports, as lists of lines.


def exported(kept: Kept, only: Sequence[int] | None = None) -> list[bytes]:
    """As the node writes it: up to the newest checkpoint, proofs by the tiles, what is false included."""
    newest = kept.checkpoints[-1] if kept.checkpoints else None
    try:
        note = Note.parse(newest.note) if newest else None
        size = Checkpoint.parse(note.text).size if note else len(kept.rows)
    except NoteError:
        return []
    sealed = Sealed(note, _signers(note), _nodes(kept)) if note else None
    whole = only is None
    extent = Extent(1, size, "all" if whole else "entries of one study", GENESIS if whole else None)
    rows = [row for row in kept.rows if row.number <= size and (whole or row.number in (only or ()))]
    return list(JsonLines(extent, sealed, MADE).lines(rows))


def _signers(note: Note) -> list[VerifierKey]:
    said = {(one.name, one.key_id) for one in note.signatures}
    return [key.verifier for key in KEYS.values() if (key.verifier.name, key.verifier.key_id) in said]


def _nodes(kept: Kept) -> Callable[[int, int], bytes]:
    """Leaves by the tile where it has them, all above by them."""
    tile = kept.tiles.get((0, 0), b"")
    leaves = [leaf_hash(row.entry) for row in kept.rows]
    leaves[: len(tile) // 32] = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    return MemoryTree(leaves).node


def footed(lines: list[bytes]) -> list[bytes]:
    """With the last line that fits the others."""
    end = {"end": True, "count": len(lines) - 2, "sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    return [*lines[:-1], _line(end)]


def _line(said: object) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _cut(lines: list[bytes], step: Step) -> list[bytes]:
    """So many bytes are missing at the end."""
    return [b"".join(lines)[: -step["bytes"]]]


def _cut_lines(lines: list[bytes], step: Step) -> list[bytes]:
    """Lines are missing; `at` counts from 1, the first line of all."""
    return lines[: step["at"] - 1] + lines[step.get("to", step["at"]) :]


def _change(lines: list[bytes], step: Step) -> list[bytes]:
    """Words of a line are others."""
    before, after = step["from"].encode(), step["to"].encode()
    at = step["at"] - 1
    assert before in lines[at]
    return [*lines[:at], lines[at].replace(before, after, 1), *lines[at + 1 :]]


def _take(lines: list[bytes], step: Step) -> list[bytes]:
    """A member of a line is that of another line."""
    at = step["at"] - 1
    said = {**json.loads(lines[at]), step["member"]: json.loads(lines[step["of"] - 1])[step["member"]]}
    return [*lines[:at], _line(said), *lines[at + 1 :]]


def _head(lines: list[bytes], step: Step) -> list[bytes]:
    """The first line is that of an export of another trail: of an earlier one, of one that was signed by others."""
    kept = untouched()
    for one in step["of"]:
        _DO[one["kind"]](kept, one)
    return [exported(kept, step.get("only"))[0], *lines[1:]]


def _repeat(lines: list[bytes], step: Step) -> list[bytes]:
    return [*lines[: step["at"]], *lines[step["at"] - 1 :]]


_EXPORT_DO: Mapping[str, Callable[[list[bytes], Step], list[bytes]]] = {
    "cut": _cut,
    "cut lines": _cut_lines,
    "change": _change,
    "take": _take,
    "head": _head,
    "repeat": _repeat,
    "foot": lambda lines, _step: footed(lines),
}
