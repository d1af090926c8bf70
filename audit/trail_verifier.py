#!/usr/bin/env python3
"""Verifies an export of an audit trail, without the node: this one file, Python 3.9 or later, and `cryptography`.

    python trail_verifier.py EXPORT [--key VERIFIERKEY] [--checkpoints FILE ...]

EXPORT is what `dicom-node audit export` wrote (JSON lines). VERIFIERKEY is the key that the node's checkpoints are to
be signed by, as `dicom-node audit keys` showed it; FILEs hold checkpoints that were published outside the node's
database. Both must come from a place that whoever might have changed the trail cannot write: an export alone shows
that it is whole and follows from itself; keys and checkpoints from elsewhere show that it is the history that was.

What is held against what:
- every byte against the last line (SHA-256), every line against the one form that it may have;
- every entry against the one before (chain), against its own canonical text (RFC 8785) and number;
- all entries, or each by its proof, against the root of the checkpoint's Merkle tree (RFC 6962, RFC 9162 2.1.3.2);
- every other checkpoint against the same tree, by its entries or a proof of consistency (RFC 9162 2.1.4.2);
- every checkpoint's Ed25519 signature (C2SP signed-note, tlog-checkpoint).

Exit code 0: proven. 1: something was altered or is missing; the entry or checkpoint that shows it is named. 2: cannot
be judged: no export, no checkpoint, a checkpoint that this export cannot be compared with.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Iterable, Iterator, NoReturn, Optional, Sequence

LONGEST = 64 << 20  # bytes of a line: an entry names some thousand instances at the most
CLOCKS = timedelta(seconds=1)  # by which the clocks of a node's hosts may differ
PUBLISHED = timedelta(minutes=1)  # within which a checkpoint that is signed has reached the database for certain
HEADER = ["format", "version", "origin", "keys", "first", "last", "of", "made", "before", "left", "right"]
HEADER += ["checkpoint", "checkpoints"]
EMPTY = hashlib.sha256(b"").digest()
HEX = re.compile("[0-9a-f]{64}")


class Altered(Exception):
    """The export, or the trail that it is of, is not what it was."""


class Unjudged(Exception):
    """There is nothing that can be judged, or nothing to judge it by."""


@dataclass
class Verdict:
    """What was found: `altered` convicts, `unproven` is what nothing stands for, `remarks` are for people."""

    entries: int = 0
    sha256: str = ""
    altered: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.altered else 2 if self.unproven else 0


# --- JSON, in its one form ---


def parsed(text: str) -> Any:
    """What the text is as JSON; raises ValueError, also for what this format has no use for."""
    try:
        return json.loads(text, parse_float=refused, parse_constant=refused)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def refused(text: str) -> NoReturn:
    raise ValueError(f"there is no number like {text[:20]}")


def written(value: Any, sort: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort)


def line_of(raw: bytes, keys: Sequence[str], what: str) -> dict[str, Any]:
    """The object of one line, which has these members in this order, and no byte that could be another."""
    try:
        text = raw[:-1].decode()
        value = parsed(text)
        if raw.endswith(b"\n") and isinstance(value, dict) and list(value) == list(keys) and written(value) == text:
            return value
    except (ValueError, RecursionError):
        pass
    raise Altered(f"{what} is not in its form")


def objection(number: int, text: str) -> str:
    """What is wrong with an entry's own text: "" where nothing is."""
    try:
        body = parsed(text)
        if not plain(body) or written(body, sort=True) != text:
            return "its text is not in canonical form"
    except (ValueError, RecursionError) as error:
        return f"its text is not an entry: {error}"
    same = isinstance(body, dict) and body.get("number") == number and body.get("number") is not True
    return "" if same else "its text carries another number"


def plain(value: Any) -> bool:
    """Whether a trail may hold it (RFC 8785, without fractions and with keys in ASCII)."""
    if isinstance(value, dict):
        return all(key.isascii() and plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return not isinstance(value, int) or abs(value) < 2**53


def hashes(value: Any, what: str) -> list[bytes]:
    """The list of hashes in base 64."""
    if not isinstance(value, list):
        raise Altered(f"{what} is no list of hashes")
    return [decoded(one, 32, what) for one in value]


def decoded(text: Any, length: Optional[int], what: str) -> bytes:
    """Bytes in base 64, in its one form (RFC 4648 3.5)."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raw = b""
    if not raw or length not in (None, len(raw)) or base64.b64encode(raw).decode() != text:
        raise Altered(f"{what} is not in base 64, or of another length")
    return raw


# --- The tree ---


def leaf(entry: str) -> bytes:
    return hashlib.sha256(b"\x00" + entry.encode()).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The roots of the largest complete subtrees, from left to right: one for each bit of `size`."""

    def __init__(self, size: int, peaks: list[bytes]) -> None:
        if len(peaks) != bin(size).count("1"):
            raise Altered(f"the first line has no tree of {size} entries to go on from")
        self.size, self.peaks = size, peaks

    def add(self, hashed: bytes, level: int = 0) -> None:
        """Add a complete subtree of 2**level leaves, where one fits."""
        done = self.size >> level
        while done & 1:
            hashed, done = node(self.peaks.pop(), hashed), done >> 1
        self.peaks.append(hashed)
        self.size += 1 << level

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY
        hashed = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            hashed = node(peak, hashed)
        return hashed


def levels(begin: int, end: int) -> Iterator[int]:
    """The levels of the largest complete subtrees that together are the leaves from `begin` to `end`."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level
        begin += 1 << level


def included(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 2.1.3.2."""
    at, last = index, size - 1
    for step in proof:
        if not last:
            return False
        if at & 1 or at == last:
            hashed = node(step, hashed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hashed = node(hashed, step)
        at, last = at >> 1, last >> 1
    return not last and hashed == root


def consistent(old: "Checkpoint", new: "Checkpoint", proof: Sequence[bytes]) -> bool:
    """RFC 9162 2.1.4.2."""
    if old.size in (0, new.size):
        return not proof and old.root == (new.root if old.size else EMPTY)
    path = list(proof) if old.size & (old.size - 1) else [old.root, *proof]
    at, last = old.size - 1, new.size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not path or old.size > new.size:
        return False
    before = after = path[0]
    for step in path[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            before, after = node(step, before), node(step, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node(after, step)
        at, last = at >> 1, last >> 1
    return not last and before == old.root and after == new.root


# --- Keys and checkpoints ---


@dataclass(frozen=True)
class Key:
    """A verifier key (C2SP signed-note)."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.raw).digest()[:4]

    @classmethod
    def parse(cls, text: Any) -> "Key":
        """Of `NAME+KEYID+BASE64`; raises Altered."""
        name, _, rest = str(text).strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        packed = decoded(encoded, 33, "a verifier key")
        key = cls(name, packed[1:])
        if packed[0] != 1 or key.id.hex() != key_id:
            raise Altered("a verifier key does not fit its own id")
        return key

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether the signature over the text is this key's (Ed25519, RFC 8032)."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - where it is missing, main says so
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
    chain: Optional[bytes]
    at: Optional[datetime]

    def __str__(self) -> str:
        at = f" of {self.at.isoformat()}" if self.at else ""
        return f"the checkpoint of size {self.size}{at} {self.where}"

    @classmethod
    def parse(cls, note: Any, where: str) -> "Checkpoint":
        """Of a note's text; raises Altered."""
        what = f"a checkpoint {where}"
        text, gap, end = str(note).rpartition("\n\n")
        lines = text.split("\n")
        if not gap or not end.endswith("\n") or len(lines) < 3 or not re.fullmatch("0|[1-9][0-9]{0,17}", lines[1]):
            raise Altered(f"{what} is none, or is cut short")
        more = {word: value for word, _, value in (line.partition(" ") for line in lines[3:])}
        root, chain = decoded(lines[2], 32, what), more.get("chain")
        signatures = tuple(signature(line, what) for line in end[:-1].split("\n"))
        at = moment(more.get("time", ""))
        return cls(
            where, text + "\n", signatures, lines[0], int(lines[1]), root, chain and decoded(chain, 32, what), at
        )

    def signed_by(self, keys: Iterable[Key]) -> set[Key]:
        """Which of the keys signed it; raises Altered where a signature that says so is wrong."""
        signed = set()
        for key in keys:
            for name, packed in self.signatures:
                if (name, packed[:4]) == (key.name, key.id):
                    if not key.signed(self.text, packed[4:]):
                        raise Altered(f"{self} has a signature that does not fit what it says")
                    signed.add(key)
        return signed

    def successors(self) -> list[Key]:
        """The keys that may sign from here on, as who signed this says: it stands in the text, for anybody may sign."""
        lines = (line.partition(" ") for line in self.text.split("\n")[3:])
        return [Key.parse(value) for word, _, value in lines if word == "next-key"]


def signature(line: str, what: str) -> tuple[str, bytes]:
    """Name, and key id with signature, of a line."""
    dash, _, rest = line.partition(" ")
    name, _, packed = rest.partition(" ")
    if dash != "\N{EM DASH}":
        raise Altered(f"{what} has a line of signature that is none")
    return name, decoded(packed, None, what)


def moment(text: Any) -> Optional[datetime]:
    """A moment with its zone; None where it is none."""
    try:
        at = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else None


def notes(text: str) -> Iterator[str]:
    """The notes of a file: one, several behind one another, or the first text in each object of JSON lines."""
    open_lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("{"):
            yield from (one for one in parsed(line).values() if isinstance(one, str) and "\n\n" in one)
            continue
        if open_lines and open_lines[-1].startswith("\N{EM DASH} ") and not line.startswith("\N{EM DASH} "):
            yield "\n".join(open_lines) + "\n"
            open_lines = []
        if line or open_lines:
            open_lines.append(line)
    if open_lines:
        yield "\n".join(open_lines) + "\n"


# --- The export ---


class Export:
    """One export, read once from its first line to its last."""

    def __init__(self, file: BinaryIO, keys: Sequence[Key], outside: Sequence[Checkpoint]) -> None:
        self.verdict = Verdict()
        self._file, self._trusted, self._outside = file, list(keys), outside
        self._sha256 = hashlib.sha256()
        self._latest: Optional[tuple[int, datetime]] = None
        self._backwards: list[int] = []

    def judge(self) -> Verdict:
        """Read it, and hold everything against everything; never raises Altered."""
        try:
            self._begin()
            self._follow()
            self._end()
            self._compare()
        except Altered as found:
            self.verdict.altered.append(str(found))
        if self._backwards:
            number, others = self._backwards[0], len(self._backwards) - 1
            more = f", and {others} others" if others else ""
            self.verdict.remarks.append(f"entry {number}{more}: its time lies before that of the entry before it")
        return self.verdict

    def _line(self) -> bytes:
        raw = self._file.readline(LONGEST + 1)
        if len(raw) > LONGEST:
            raise Altered("a line is longer than any is")
        return raw

    def _begin(self) -> None:
        raw = self._line()
        if not raw.startswith(b'{"format":"dicom-node trail",'):
            raise Unjudged("this is no export of a trail: dicom-node audit export --format jsonl makes one")
        head = line_of(raw, HEADER, "the first line")
        if head["version"] != 1:
            raise Unjudged("this export is of a later release: dicom-node audit verifier prints its verifier")
        self._sha256.update(raw)
        self._head = head
        self.first, self.last = (whole(head[name], f"the first line's {name}") for name in ("first", "last"))
        self._made = moment(head["made"])
        if self._made is None or not isinstance(head["of"], str) or self.first > self.last + 1:
            raise Altered("the first line is not in its form")
        self._read_checkpoints()
        self._read_left()

    def _read_checkpoints(self) -> None:
        """The header's checkpoints, each signed by a key that counts."""
        head, named = self._head, [Key.parse(one) for one in members(self._head["keys"], "the keys")]
        older = members(head["checkpoints"], "the checkpoints")
        if not all(isinstance(one, dict) and list(one) == ["note", "proof"] for one in older):
            raise Altered("the first line's checkpoints are not in their form")
        self.older = [
            (Checkpoint.parse(one["note"], "in the export"), hashes(one["proof"], "a proof of consistency"))
            for one in older
        ]
        self.newest = None if head["checkpoint"] is None else Checkpoint.parse(head["checkpoint"], "in the export")
        if self.newest is None and (older or named or head["left"] is None):
            raise Altered("the first line has no checkpoint for what it is to prove")
        self._hold_signatures(named)

    def _hold_signatures(self, named: list[Key]) -> None:
        """Older checkpoints any key of the export may have signed: they are held against the newest."""
        checkpoints, counted = self._all(), {*named, *self._trusted}
        signed = {one: one.signed_by(counted) for one in checkpoints}
        for one in checkpoints:
            if not signed[one]:
                raise Altered(f"{one} is signed by no key that counts")
            if one.origin != self._head["origin"]:
                raise Altered(f"{one} is of another trail: {one.origin}")
        if strange := set(named) - set().union(*signed.values()):
            raise Altered(f"the first line names a key that signed nothing here: {strange.pop().id.hex()}")
        trusted = self._rooted(named, [key for one in self._outside for key in signed[one]])
        for one in sorted(checkpoints, key=lambda one: one.size):
            if signed[one] & trusted:
                trusted.update(one.successors())
        if self.newest and not signed[self.newest] & trusted:
            raise Altered(f"{self.newest} is signed by no key that counts")

    def _rooted(self, named: list[Key], published: list[Key]) -> set[Key]:
        """The keys that somebody outside vouches for: those that were given, else those of published checkpoints."""
        if self._trusted or published:
            return set(self._trusted or published)
        if named:
            shown = ", ".join(key.id.hex() for key in named)
            self._unproven(f"nobody outside the export vouches for its key {shown}: give --key or --checkpoints")
        return set(named)

    def _read_left(self) -> None:
        """Where all entries are there: the tree and the chain of those before the first; None where proofs are."""
        head = self._head
        self.tree: Optional[Tree] = None
        if (head["left"] is None) != (head["right"] is None) or (head["left"] is None) != (head["before"] is None):
            raise Altered("the first line is not in its form")
        self._right: list[bytes] = []
        if head["left"] is not None:
            self._chain = hexadecimal(head["before"], "the hash before the first entry")
            self.tree = Tree(self.first - 1, hashes(head["left"], "the tree before the first entry"))
            self._right = hashes(head["right"], "the tree behind the last entry")
            if self.first == 1 and self._chain != bytes(32):
                raise Altered("the hash before entry 1 is not 32 zero bytes")

    def _follow(self) -> None:
        """Every entry, up to the last line, which stays."""
        before = self.first - 1
        self._meet(before)
        while True:
            raw = self._line()
            if not raw.startswith(b'{"number":'):
                self._last_line = raw
                break
            before = self._entry(raw, before)
        if before != self.last:
            raise Altered(f"entry {before + 1} is missing: the export ends with {before} and says {self.last}")

    def _entry(self, raw: bytes, before: int) -> int:
        self._sha256.update(raw)
        keys = ["number", "entry", "hash" if self.tree else "proof"]
        said = line_of(raw, keys, f"the line behind entry {before}")
        number = whole(said["number"], f"the number behind entry {before}")
        if not isinstance(said["entry"], str):
            raise Altered(f"entry {number} is no text")
        if (number != before + 1) if self.tree else (number <= before and self.verdict.entries > 0):
            raise Altered(f"entry {before + 1} is missing; {number} stands in its place")
        if reason := objection(number, said["entry"]):
            self.verdict.altered.append(f"entry {number} is wrong: {reason}")
        self._clock(number, said["entry"])
        self._proven(number, said)
        self.verdict.entries += 1
        return number

    def _proven(self, number: int, said: dict[str, Any]) -> None:
        hashed = leaf(said["entry"])
        if self.tree:
            self._chain = hashlib.sha256(self._chain + said["entry"].encode()).digest()
            if hexadecimal(said["hash"], f"the hash of entry {number}") != self._chain:
                raise Altered(
                    f"entry {number} is wrong: its hash does not follow from the entry before it and its own text"
                )
            self.tree.add(hashed)
            self._meet(number)
            return
        assert self.newest
        proof = hashes(said["proof"], f"the proof of entry {number}")
        if number > self.newest.size or not included(hashed, number - 1, self.newest.size, proof, self.newest.root):
            raise Altered(f"entry {number} is wrong: by its proof it is not in {self.newest}")

    def _meet(self, number: int) -> None:
        """Hold every checkpoint of this size against the tree as it is now."""
        if self.tree:
            for one in self._all():
                if one.size == number and (one.root != self.tree.root() or one.chain not in (None, self._chain)):
                    raise Altered(f"{one} says otherwise than the entries up to {number}")

    def _all(self) -> list[Checkpoint]:
        return [one for one, _ in self.older] + ([self.newest] if self.newest else []) + list(self._outside)

    def _clock(self, number: int, text: str) -> None:
        body = None if objection(number, text) else parsed(text)
        at = moment(body.get("at")) if body else None
        if at is None:
            return
        if self._latest and at < self._latest[1] - CLOCKS:
            self._backwards.append(number)
        self._latest = (number, at)

    def _end(self) -> None:
        """The last line: that nothing is missing behind what was read, nor changed on the way."""
        after = f"behind entry {self.last}" if self.verdict.entries else "behind the first line"
        if not self._last_line:
            raise Altered(f"the export is cut off {after}: its last line is missing")
        said = line_of(self._last_line, ["end", "count", "sha256"], f"the line {after}")
        self.verdict.sha256 = self._sha256.hexdigest()
        if said["end"] is not True or said["count"] != self.verdict.entries or said["count"] is True:
            raise Altered(f"the last line counts other entries than the {self.verdict.entries} that are there")
        if said["sha256"] != self.verdict.sha256:
            raise Altered("a byte of the export is not what it was: its SHA-256 is not what the last line says")
        if self._line():
            raise Altered("something stands behind the last line")

    def _compare(self) -> None:
        """Every checkpoint that its entries did not meet."""
        if self.newest is None:
            self._unproven("the export has no checkpoint: its entries follow from one another, and nothing proves more")
        else:
            self._close(self.newest)
            for older, proof in self.older:
                if not consistent(older, self.newest, proof):
                    raise Altered(f"the tree of {older} is not the beginning of that of {self.newest}")
        for one in self._outside:
            self._compare_outside(one)
        met = [one.size for one in self._all() if self._compared(one)]
        if self.tree and self.last > max(met, default=0) and self.verdict.entries:
            self._unproven(f"entries {max(met, default=0) + 1} to {self.last} are under no checkpoint")
        self._order()

    def _close(self, newest: Checkpoint) -> None:
        """Where all entries of a part are there: what stands behind them completes the checkpoint's tree."""
        if self.tree is None or newest.size <= self.last:
            if self._right:
                raise Altered("the tree behind the last entry is of no checkpoint")
            return
        wanted = list(levels(self.last, newest.size))
        if len(wanted) != len(self._right):
            raise Altered(f"the tree behind the last entry does not reach {newest}")
        for level, hashed in zip(wanted, self._right):
            self.tree.add(hashed, level)
        if self.tree.root() != newest.root:
            raise Altered(f"entries {self.first} to {self.last} are not those of {newest}")

    def _compare_outside(self, one: Checkpoint) -> None:
        for other in self._all():
            if other.size == one.size and other.root != one.root:
                raise Altered(f"{one} and {other} are of one size and of two histories")
        if self._compared(one):
            return
        if self.newest is None or one.size > self.newest.size:
            if one.at and self._made and one.at < self._made - PUBLISHED:
                raise Altered(f"{one} was published before this export was made, whose trail ends before it")
            self._unproven(f"{one} is newer than this export: export again, and compare that one")
        else:
            self._unproven(f"{one} cannot be compared: export with --checkpoints FILE, for a proof of consistency")

    def _compared(self, one: Checkpoint) -> bool:
        met = self.tree is not None and self.first - 1 <= one.size <= self.last
        proven = [older.size for older, _ in self.older] + ([self.newest.size] if self.newest else [])
        return met or one.size in proven

    def _order(self) -> None:
        """A clock that was set back is no proof of anything, and worth a look."""
        timed = sorted(((one.size, one.at) for one in self._all() if one.at), key=lambda pair: pair[0])
        for (_, earlier), (size, later) in zip(timed, timed[1:]):
            if later < earlier - CLOCKS:
                self.verdict.remarks.append(f"the checkpoint of size {size}: its time lies before that of a smaller one")

    def _unproven(self, said: str) -> None:
        self.verdict.unproven.append(said)


def members(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Altered(f"the first line has no list of {what}")
    return value


def whole(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise Altered(f"{what} is no number of an entry")
    return value


def hexadecimal(value: Any, what: str) -> bytes:
    if not isinstance(value, str) or not HEX.fullmatch(value):
        raise Altered(f"{what} is no SHA-256 in hexadecimal")
    return bytes.fromhex(value)


# --- The command ---


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Judge the export that the command line names; the exit code."""
    options = command_line().parse_args(arguments)
    try:
        import cryptography  # noqa: F401, PLC0415 - said in words where it is missing

        keys = [Key.parse(one) for one in options.key]
        outside = [one for path in options.checkpoints for one in published(path)]
        with open(options.export, "rb") as file:
            verdict = Export(file, keys, outside).judge()
    except (Unjudged, Altered, OSError) as error:
        return tell([f"cannot be judged: {error}"], 2)
    except ImportError:
        return tell(["cannot be judged: install the Python package cryptography, which verifies signatures"], 2)
    lines = [f"altered: {one}" for one in verdict.altered[:1]]
    if verdict.altered[1:]:
        lines += [f"altered: {len(verdict.altered) - 1} more; the last: {verdict.altered[-1]}"]
    lines += [f"not proven: {one}" for one in verdict.unproven] + [f"look at: {one}" for one in verdict.remarks]
    if not verdict.altered:
        lines.append(f"{'intact' if verdict.code else 'proven'}: {verdict.entries} entries; SHA-256 {verdict.sha256}")
    return tell(lines, verdict.code)


def command_line() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description="Verify an export of a dicom-node's audit trail.")
    parser.add_argument("export", help="what dicom-node audit export wrote")
    parser.add_argument("--key", action="append", default=[], help="the key that signs, NAME+KEYID+BASE64")
    parser.add_argument("--checkpoints", nargs="+", action="extend", default=[], help="files of published checkpoints")
    return parser


def published(path: str) -> list[Checkpoint]:
    """The checkpoints of a file; raises Unjudged."""
    try:
        with open(path, encoding="utf-8") as file:
            found = [Checkpoint.parse(note, f"in {path}") for note in notes(file.read())]
    except (ValueError, Altered) as error:
        raise Unjudged(f"{path} holds no checkpoints: {error}") from None
    if not found:
        raise Unjudged(f"{path} holds no checkpoints")
    return found


def tell(lines: Iterable[str], code: int) -> int:
    """Print lines of which no character is one that a terminal obeys."""
    for line in lines:
        safe = "".join(one if one.isprintable() else "\\x%02x" % ord(one) for one in line)
        sys.stdout.write(safe.encode("ascii", "backslashreplace").decode() + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
