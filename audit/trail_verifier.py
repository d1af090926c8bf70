#!/usr/bin/env python3
"""Verifies an export of an audit trail, without the node: this one file, Python 3.9 or later, and `cryptography`.

    python trail_verifier.py EXPORT [--key VERIFIERKEY] [--checkpoints FILE ...]

EXPORT is what `dicom-node audit export` wrote (JSON lines). VERIFIERKEY is the key that signs the node's checkpoints,
as `dicom-node audit keys` shows it; each FILE holds checkpoints that were published outside the node's database. Have
both from where nobody writes who could have changed the trail: by itself an export shows that it is whole and follows
from itself; with them it shows that it is the history that was.

Held against one another are: every byte and the last line's SHA-256; every entry and the one before (chain), its own
number and canonical text (RFC 8785); all entries, or each by its proof, and the root of the checkpoint's Merkle tree
(RFC 6962; RFC 9162 2.1.3.2); every other checkpoint and that tree (RFC 9162 2.1.4.2); every checkpoint and its Ed25519
signature (C2SP signed-note, tlog-checkpoint).

Exit code 0: proven. 1: altered or incomplete; the first entry or checkpoint that shows it is named. 2: not judged.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

LONGEST = 64 << 20  # bytes of a line: an entry names some ten thousand instances at the most
CLOCKS = timedelta(seconds=1)  # by which the clocks of a node's hosts may differ
PUBLISHED = timedelta(minutes=1)  # in which a checkpoint that is signed stands in the database for certain
HEADER = ["format", "version", "origin", "keys", "first", "last", "of", "made", "before", "left"]
HEADER += ["checkpoint", "checkpoints"]
DASH = "\N{EM DASH} "  # before a signature


class Altered(Exception):
    """The export, or the trail that it is of, is not what it was."""


class Unjudged(Exception):
    """There is nothing that can be judged."""


@dataclass
class Verdict:
    """What was found: `altered` convicts, for `unproven` nothing vouches, `remarks` deserve a look."""

    entries: int = 0
    what: str = "entries, SHA-256"
    sha256: str = ""
    altered: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        return 1 if self.altered else 2 if self.unproven else 0


# Texts, each in the one form that it may have: two that are read alike are the same bytes.
def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_float=int, parse_constant=int)  # which refuse what is not whole
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _written(value: Any, sort: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort)


def _line_of(raw: bytes, keys: Sequence[str], what: str) -> dict[str, Any]:
    try:
        text = raw[:-1].decode()
        value = _parsed(text)
        if raw[-1:] == b"\n" and isinstance(value, dict) and list(value) == list(keys) and _written(value) == text:
            return value
    except (ValueError, RecursionError):
        pass
    raise Altered(f"{what} is not in its form")


def objection(number: int, text: str) -> str:
    """What is wrong with an entry's own text (RFC 8785, whole numbers, keys in ASCII): "" where nothing is."""
    try:
        body = _parsed(text)
        if not _plain(body) or _written(body, sort=True) != text:
            return "its text is not in canonical form"
    except (ValueError, RecursionError) as error:
        return f"its text is not an entry: {error}"
    said = body.get("number") if isinstance(body, dict) else None
    return "" if said == number and said is not True else "its text carries another number"


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(key.isascii() and _plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return not isinstance(value, int) or abs(value) < 2**53


def _of_type(kind: type[Any], value: Any, what: str) -> Any:
    if type(value) is not kind or (type(value) is int and not 0 <= value < 2**53):
        raise Altered(f"{what} is not in its form")
    return value


def _decoded(text: Any, lengths: Sequence[int], what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
        if len(raw) in lengths and base64.b64encode(raw).decode() == text:  # RFC 4648 3.5
            return raw
    except (ValueError, TypeError):
        pass
    raise Altered(f"{what} is not in base 64, or of another length")


def _hashes(value: Any, what: str) -> list[bytes]:
    return [_decoded(one, (32,), what) for one in _of_type(list, value, what)]


def _moment(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
        return at if at.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\x01", left, right)


class Tree:
    """A Merkle tree (RFC 6962 2.1) so far: the roots of its largest complete subtrees, one for each bit of `size`."""

    def __init__(self, size: int, peaks: list[bytes]) -> None:
        if len(peaks) != bin(size).count("1"):
            raise Altered(f"the first line has no tree of {size} entries to go on from")
        self.size, self.peaks = size, peaks

    def add(self, hashed: bytes) -> None:
        done = self.size
        while done & 1:
            hashed, done = _node(self.peaks.pop(), hashed), done >> 1
        self.peaks.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        hashed = self.peaks[-1] if self.peaks else _sha256()
        for peak in reversed(self.peaks[:-1]):
            hashed = _node(peak, hashed)
        return hashed


def _climbed(at: int, last: int, hashed: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The roots of the old tree and of the new one that a proof leads to (RFC 9162 2.1.3.2, 2.1.4.2); None: nowhere."""
    before = after = hashed
    for step in proof:
        if not last:
            return None
        if at & 1 or at == last:
            before, after = _node(step, before), _node(step, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = _node(after, step)
        at, last = at >> 1, last >> 1
    return None if last else (before, after)


def included(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that leaf `index` of the tree is this one."""
    found = _climbed(index, size - 1, hashed, proof) if 0 <= index < size else None
    return found is not None and found[1] == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `new` leaves begins with that of `old`."""
    if old in (0, new):
        return not proof and old_root == (new_root if old else Tree(0, []).root())
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    return old < new and bool(path) and _climbed(at, last, path[0], path[1:]) == (old_root, new_root)


# Keys and checkpoints (C2SP signed-note, tlog-checkpoint).


class Key(NamedTuple):
    """A verifier key: what a signature line says of it, and its 32 bytes."""

    name: str
    id: bytes
    raw: bytes

    @classmethod
    def parse(cls, text: Any) -> Key:
        """Of `NAME+KEYID+BASE64`; raises Altered."""
        name, _, rest = _of_type(str, text, "a verifier key").partition("+")
        packed = _decoded(rest.partition("+")[2], (33,), "a verifier key")
        key = cls(name, _sha256(name.encode(), b"\n", packed)[:4], packed[1:])
        if packed[0] != 1 or key.id.hex() != rest.partition("+")[0] or not re.fullmatch(r"[^\s+]+", name):
            raise Altered("a verifier key does not fit its own id: is it whole?")
        return key

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether the signature over the text is this key's (Ed25519, RFC 8032)."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - where it is missing, `main` says so
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Checkpoint:
    """A signed note that says: trail `origin` had `size` entries, this root, and `chain` as the last entry's hash."""

    where: str
    text: str
    signatures: tuple[tuple[str, bytes], ...]
    origin: str
    size: int
    root: bytes
    chain: bytes | None
    at: datetime | None

    def __str__(self) -> str:
        return f"the checkpoint of size {self.size}{f' of {self.at.isoformat()}' if self.at else ''} {self.where}"

    @classmethod
    def parse(cls, note: Any, where: str) -> Checkpoint:
        """Of a note's text; raises Altered."""
        what = f"a checkpoint {where}"
        text, _, end = _of_type(str, note, what).rpartition("\n\n")
        lines, signed = text.split("\n"), [one.split(" ") for one in end[:-1].split("\n")]
        if end[-1:] != "\n" or len(lines) < 3 or not re.fullmatch("0|[1-9][0-9]{0,15}", lines[1]):
            raise Altered(f"{what} is none, or is cut short")
        if any(len(one) != 3 or one[0] != DASH.strip() for one in signed):
            raise Altered(f"{what} has a line of signature that is none")
        more = {word: value for word, _, value in (line.partition(" ") for line in lines[3:])}
        chain = _decoded(more["chain"], (32,), what) if "chain" in more else None
        signatures = tuple((one[1], _decoded(one[2], range(5, 999), what)) for one in signed)
        root, at = _decoded(lines[2], (32,), what), _moment(more.get("time"))
        return cls(where, text + "\n", signatures, lines[0], int(lines[1]), root, chain, at)

    def signed_by(self, keys: Iterable[Key]) -> set[Key]:
        """Which of the keys signed it; raises Altered where a signature that says so is wrong."""
        named = {(name, packed[:4]): packed[4:] for name, packed in self.signatures}
        signed = {key for key in keys if key[:2] in named}
        if not all(key.signed(self.text, named[key[:2]]) for key in signed):
            raise Altered(f"{self} has a signature that does not fit what it says")
        return signed

    def successors(self) -> list[Key]:
        """The keys to sign from here on, by the text: a signature beside it anybody may add."""
        named = (line.partition(" ") for line in self.text.split("\n")[3:])
        return list(self.signed_by([Key.parse(value) for word, _, value in named if word == "next-key"]))


class Export:
    """One export, read once from its first line to its last."""

    def __init__(self, file: BinaryIO, keys: Sequence[Key] = (), outside: Sequence[Checkpoint] = ()) -> None:
        self.verdict = Verdict()
        self._file, self._given, self._outside = file, keys, list(outside)
        self._sha256, self._backwards = hashlib.sha256(), list[int]()
        self._latest: datetime | None = None
        self.tree: Tree | None = None  # over all entries; None where each has its proof

    def judge(self) -> Verdict:
        """Hold everything against everything; raises Unjudged where it is no export."""
        try:
            self._begin()
            self._end(self._follow())
            self._compare()
        except Altered as found:
            self.verdict.altered.append(str(found))
        for number in self._backwards[:1]:
            said = "its time lies before that of the entry before it: a clock was set back"
            self.verdict.remarks.append(f"entry {number}: {said} ({len(self._backwards)} times in all)")
        return self.verdict

    def _line(self) -> bytes:
        raw = self._file.readline(LONGEST + 1)
        if len(raw) > LONGEST:
            raise Altered("a line is longer than any is")
        self._before_end = self._sha256.hexdigest()
        self._sha256.update(raw)
        return raw

    def _begin(self) -> None:
        raw = self._line()
        if not raw.startswith(b'{"format":"dicom-node trail","version":'):
            raise Unjudged("this is no export of a trail: dicom-node audit export makes one")
        head = _line_of(raw, HEADER, what := "the first line")
        if _of_type(int, head["version"], what) != 1:
            raise Unjudged("this export is of another release: dicom-node audit verifier of that prints its verifier")
        self.first, self.last = (_of_type(int, head[name], what) for name in ("first", "last"))
        self._made, _ = _moment(head["made"]), _of_type(str, head["of"], what)
        if not (self._made and self.first) or (head["before"] is None) != (head["left"] is None):
            raise Altered(f"{what} is not in its form")
        self._read_checkpoints(head)
        if head["left"] is not None:
            if not re.fullmatch("[0-9a-f]{64}", _of_type(str, head["before"], what)):
                raise Altered(f"{what} has no SHA-256 of the entry before the first")
            self._chain = bytes.fromhex(head["before"])
            self.tree = Tree(self.first - 1, _hashes(head["left"], "the tree before the first entry"))
        elif (self.first, self.last) != (1, self.newest and self.newest.size):
            raise Altered(f"{what} is not of the checkpoint that single entries are to be proven by")
        else:
            self.verdict.what = "chosen entries (none was left out if the trail's entry of it has this SHA-256)"

    def _read_checkpoints(self, head: dict[str, Any]) -> None:
        older = _of_type(list, head["checkpoints"], "the list of checkpoints")
        if not all(isinstance(one, dict) and list(one) == ["note", "proof"] for one in older):
            raise Altered("the list of checkpoints is not in its form")
        inside, note = "in the export", head["checkpoint"]
        self.older = [(Checkpoint.parse(one["note"], inside), _hashes(one["proof"], "a proof")) for one in older]
        self.newest = None if note is None else Checkpoint.parse(note, inside)
        self.inside = [*(one for one, _ in self.older), *([self.newest] if self.newest else [])]
        if head["origin"] != (self.newest and self.newest.origin) or (older and not self.newest):
            raise Altered("the first line is of another trail than its checkpoint")
        named = {Key.parse(one) for one in _of_type(list, head["keys"], "the list of keys")}
        signed = {one: one.signed_by({*named, *self._given}) for one in (*self.inside, *self._outside)}
        self._sized: dict[int, list[Checkpoint]] = {}
        for one, keys in signed.items():
            self._sized.setdefault(one.size, []).append(one)
            if not keys or (self.newest or one).origin != one.origin:
                raise Altered(f"{one} is {'of another trail' if keys else 'signed by no key that counts'}")
        if strange := named.difference(*signed.values()):
            raise Altered(f"the first line names key {strange.pop().id.hex()}, which signed nothing here")
        # The newest one's key is vouched for from outside, or by such a key. Older ones are proven by the newest.
        trusted = set(self._given) or {key for one in self._outside for key in signed[one]}
        if not trusted and named:
            trusted, shown = named, ", ".join(sorted(key.id.hex() for key in named))
            self.verdict.unproven.append(f"nobody outside vouches for key {shown}: give --key or --checkpoints")
        for one in sorted(signed, key=lambda one: one.size):
            trusted |= set(one.successors()) if signed[one] & trusted else set()
        if self.newest and not signed[self.newest] & trusted:
            raise Altered(f"{self.newest} is signed by no key that counts")

    def _follow(self) -> bytes:
        """Hold every entry against what is known so far; the line behind them."""
        number = self.first - 1
        self._meet(number)
        while (raw := self._line()).startswith(b'{"number":'):
            said = _line_of(raw, ["number", "entry", "hash" if self.tree else "proof"], f"what follows entry {number}")
            before, number = number, _of_type(int, said["number"], f"the number behind entry {number}")
            if number > self.last:
                raise Altered(f"entry {number} stands behind entry {self.last}, with which the export is to end")
            if number <= before or (self.tree and number != before + 1):
                raise Altered(f"entry {before + 1} is missing; {number} stands in its place")
            self._hold(number, _of_type(str, said["entry"], f"the text of entry {number}"), said)
            self.verdict.entries += 1
        if self.tree and number != self.last and raw:
            raise Altered(f"entry {number + 1} is missing: the export says that it goes on to entry {self.last}")
        return raw

    def _hold(self, number: int, text: str, said: dict[str, Any]) -> None:
        # Whoever may append can write what is no entry, to hide what follows: that is told, and the rest is looked at.
        if reason := objection(number, text):
            self.verdict.altered[9:] = [f"entry {number} is wrong: {reason}"]
        elif at := _moment(_parsed(text).get("at")):
            self._backwards += [number] if self._latest and at < self._latest - CLOCKS else []
            self._latest = at
        leaf = _sha256(b"\x00", text.encode())
        if self.tree:
            self._chain = _sha256(self._chain, text.encode())
            if said["hash"] != self._chain.hex():
                raise Altered(f"entry {number} is wrong: its hash does not follow from the entry before and its text")
            self.tree.add(leaf)
            self._meet(number)
        elif self.newest:
            proof = _hashes(said["proof"], f"the proof of entry {number}")
            if not included(leaf, number - 1, self.newest.size, proof, self.newest.root):
                raise Altered(f"entry {number} is wrong: by its proof it is not in {self.newest}")

    def _meet(self, number: int) -> None:
        """Hold the checkpoints of this size against all entries up to here."""
        for one in self._sized.get(number, ()) if self.tree else ():
            if (one.root, one.chain or self._chain) != (self.tree and self.tree.root(), self._chain):
                raise Altered(f"{one} says otherwise than the entries up to {number}")

    def _end(self, raw: bytes) -> None:
        """Nothing is missing behind what was read, and no byte was changed on the way."""
        what = f"behind {self.verdict.entries} entries"
        if not raw:
            raise Altered(f"the export is cut off {what}: its last line is missing")
        said = _line_of(raw, ["end", "count", "sha256"], f"the line {what}")
        if _written(said) != _written({"end": True, "count": self.verdict.entries, "sha256": self._before_end}):
            raise Altered(f"the last line counts more or less than {self.verdict.entries}, or other bytes (SHA-256)")
        if self._line():
            raise Altered("something stands behind the last line")
        self.verdict.sha256 = self._sha256.hexdigest()

    def _compare(self) -> None:
        """Hold against one another the checkpoints whose entries are not all there."""
        for one, proof in self.older:
            if self.newest and not consistent(one.size, self.newest.size, one.root, self.newest.root, proof):
                raise Altered(f"the tree of {one} is not the beginning of that of {self.newest}")
        met = {size for size in self._sized if self.tree and self.first - 1 <= size <= self.last}
        compared = met | {one.size for one in self.inside}
        for one in self._outside:
            self._compare_outside(one, compared)
        if self.tree and self.newest and self.newest.size > self.last:
            raise Altered(f"entry {self.last + 1} is missing: {self.newest} covers it, and the export ends sooner")
        if self.tree and max(met, default=0) < self.last:
            self.verdict.unproven.append(f"entries {max(met, default=0) + 1} to {self.last} are under no checkpoint")
        timed = sorted((one for one in (*self.inside, *self._outside) if one.at), key=lambda one: one.size)
        for smaller, one in zip(timed, timed[1:]):
            if smaller.at and one.at and one.at < smaller.at - CLOCKS:
                self.verdict.remarks.append(f"{one}: its time lies before that of a smaller one: a clock was set back")

    def _compare_outside(self, one: Checkpoint, compared: set[int]) -> None:
        for other in self._sized[one.size]:
            if other.root != one.root:
                raise Altered(f"{one} and {other} are of one size and of two histories")
        if one.size in compared:
            return
        if self.newest and one.size < self.newest.size:
            said = "cannot be compared: export with --witness FILE, for a proof of consistency"
        elif one.at and self._made and one.at < self._made - PUBLISHED:
            raise Altered(f"{one} was there before the export was made, whose trail ends sooner: entries are missing")
        else:
            said = "is newer than this export: make another, and compare that"
        self.verdict.unproven.append(f"{one} {said}")


def notes(text: str) -> Iterator[str]:
    """The notes in a file: some behind one another, or one in each line as `{"note":...}`, as a syslog keeps them."""
    lines: list[str] = []
    for line in text.split("\n"):
        if '{"note":' in line:
            yield json.JSONDecoder().raw_decode(line[line.index('{"note":') :])[0]["note"]
            continue
        if lines and lines[-1].startswith(DASH) and not line.startswith(DASH):
            yield "\n".join([*lines, ""])
            lines = []
        lines += [line] if line or lines else []
    if lines:
        yield "\n".join(lines)


def published(path: str) -> list[Checkpoint]:
    """The checkpoints of a file; raises Unjudged where it has none."""
    try:
        if found := [Checkpoint.parse(note, f"in {path}") for note in notes(Path(path).read_bytes().decode())]:
            return found
    except (ValueError, KeyError, TypeError, RecursionError, Altered) as error:
        raise Unjudged(f"{path} holds what is no checkpoint: {error}") from None
    raise Unjudged(f"{path} holds no checkpoint")


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the export that the command line names; the exit code."""
    parser = argparse.ArgumentParser(description="Verify an export of a dicom-node's audit trail.")
    parser.add_argument("export", help="what dicom-node audit export wrote")
    parser.add_argument("--key", action="append", default=[], help="a key that signs, NAME+KEYID+BASE64")
    parser.add_argument("--checkpoints", nargs="+", action="extend", default=[], help="files of published checkpoints")
    options = parser.parse_args(arguments)
    try:
        keys = [Key.parse(one) for one in options.key]
        outside = [one for path in options.checkpoints for one in published(path)]
        with Path(options.export).open("rb") as file:
            verdict = Export(file, keys, outside).judge()
    except (Unjudged, Altered, OSError, ImportError) as error:
        return _tell([f"cannot be judged: {error}"], 2)
    lines = [f"altered: {one}" for one in verdict.altered] + [f"not proven: {one}" for one in verdict.unproven]
    if not verdict.altered:
        lines.append(f"{'whole' if verdict.code else 'proven'}: {verdict.entries} {verdict.what}: {verdict.sha256}")
    return _tell([*lines, *(f"look at: {one}" for one in verdict.remarks)], verdict.code)


def _tell(lines: Iterable[str], code: int) -> int:
    """Print lines in ASCII, of which a terminal obeys no character."""
    for line in lines:
        sys.stdout.write("".join(one if " " <= one <= "~" else f"<U+{ord(one):04X}>" for one in line) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
