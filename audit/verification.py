"""The whole trail held against everything that is known of it, in one pass: chain, tree, tiles, checkpoints.

Pure: entries, tiles and checkpoints come as iterators, so that a trail of any length is read once and never held.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.actions import Action
from audit.archive_entries import ArchiveEntries
from audit.chain import GENESIS, Row, Verdict
from audit.chain import verify as follow
from audit.clocks import Backwards, later
from audit.notes import Checkpoint, Note, NoteError, VerifierKey
from audit.tiles import HEIGHT, WIDTH, Growth, Tile
from audit.tree import HASH_SIZE, leaf_hash
from domain.json_records import json_object

_MOST_SAID = 20  # convictions that are told one by one
_UNSIGNED = timedelta(minutes=1)  # in which entries are signed wherever the role seal runs
_OF_KEYS = f'"action":"{Action.TRAIL_KEY}"'
_UNBOUND = (
    "no key was given: signatures are held against the first key that the trail itself names, which whoever rewrites "
    "the trail chooses; give --key, or verify where the node's keys are"
)


@dataclass(frozen=True)
class Claim:
    """A checkpoint that somebody has: `where` in words. Of a row of the database `row` is its other columns."""

    where: str
    note: str
    row: tuple[int, bytes, datetime] | None = None


@dataclass(frozen=True)
class Conviction:
    """What shows that the trail, or what is kept with it, was altered. `entries` are those among which it was."""

    where: str
    reason: str
    entries: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass
class TrailVerdict:
    """What was found. `claims` were held against the trail and agree with it; `signers` are the ids of their keys."""

    chain: Verdict = field(default_factory=lambda: Verdict(0))
    root: bytes = b""
    claims: int = 0
    newest: int = 0  # entries that the largest of them covers
    signers: list[str] = field(default_factory=list)
    tiles: int = 0
    convictions: list[Conviction] = field(default_factory=list)
    convicted: int = 0
    warnings: list[str] = field(default_factory=list)
    archived: int = 0  # entries before the first that was read
    unreached: int = 0  # claims behind the place where the chain breaks

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.chain.bad is None and not self.convicted

    def convict(self, where: str, reason: str, entries: tuple[int, int] | None = None) -> None:
        """Something is wrong."""
        self.convicted += 1
        if len(self.convictions) < _MOST_SAID:
            self.convictions.append(Conviction(where, reason, entries))


#: Of a level, its kept tiles in order: number and hashes.
Tiles = Callable[[int], Iterator[tuple[int, bytes]]]


@dataclass(frozen=True)
class Archived:
    """What is known of the entries 1 to `size`, which lie in an archive alone.

    `head` is the hash of the last of them, `leaves` the hashes of all, as the tiles have them; `key` the one that the
    trail named first. What the rest follows from is bound by a checkpoint over just these. The newest part among them
    begins with entry `first`, and lies in a file of SHA-256 `digest`.
    """

    size: int
    head: bytes
    leaves: Iterable[bytes]
    key: VerifierKey | None
    first: int
    digest: bytes


@dataclass(frozen=True)
class Evidence:
    """What the entries are held against, as it was before the first of them was read.

    `kept` are the database's own checkpoints in the order of their making; `sealed` entries have their tiles. `others`
    are what outside places have, each in its own order. `keys` are trusted; where there is none, the first that the
    trail itself names is, which is said. A key that takes over is trusted where a checkpoint names it in what a trusted
    one and it have signed: an entry that names it, and a signature beside that of a trusted key, anybody can add.
    """

    tiles: Tiles = lambda _level: iter(())
    kept: Iterable[Claim] = ()
    sealed: int = 0
    others: Sequence[Iterable[Claim]] = ()
    keys: Sequence[VerifierKey] = ()
    archived: Archived | None = None


def verify_trail(rows: Iterable[Row], evidence: Evidence) -> TrailVerdict:
    """Hold the entries against the chain, the tiles and every checkpoint that is known.

    They come from the first on, or from the one behind those that are `archived`.
    """
    verdict = TrailVerdict()
    watch = _Watch(verdict, evidence)
    before = evidence.archived
    verdict.chain = follow(watch.observed(rows), *((before.size, before.head) if before else ()))
    watch.finish()
    return verdict


@dataclass(frozen=True)
class _Said:
    """A claim that could be read."""

    claim: Claim
    checkpoint: Checkpoint
    note: Note


class _Trust:
    """Which keys a checkpoint may be signed by, as the trail goes on."""

    def __init__(self, keys: Sequence[VerifierKey], verdict: TrailVerdict) -> None:
        self._trusted = list(keys)
        self._verdict = verdict
        self._unbound = not keys

    def read(self, entry: str) -> None:
        """Take notice of a key that an entry names."""
        if _OF_KEYS in entry and (key := key_named(entry)) is not None:
            self.name(key)

    def name(self, key: VerifierKey) -> None:
        """The trail names a key: where none was given, the first of them counts."""
        if self._unbound:
            self._unbound = False
            self._trusted = [key]
            self._verdict.warnings.append(_UNBOUND)

    def signers(self, note: Note) -> list[VerifierKey]:
        """Who of the trusted signed; raises NoteError where a signature is forged."""
        found = list(note.signed_by(self._trusted))
        successor = Checkpoint.parse(note.text).successor
        if found and successor and note.signed_by([successor]) and successor not in self._trusted:
            self._trusted.append(successor)
        return found


class _Tiles:
    """Holds full tiles, as they come, against those that are kept."""

    def __init__(self, evidence: Evidence, verdict: TrailVerdict) -> None:
        self._open = evidence.tiles
        self._sealed = evidence.sealed
        self._verdict = verdict
        self._levels: dict[int, Iterator[tuple[int, bytes]]] = {}
        self._next: dict[int, tuple[int, bytes] | None] = {}
        self.wrong: list[int] = []  # the first entry of each that holds another hash

    def hold(self, tile: Tile) -> None:
        """One of those that the entries come to; of one level in their order."""
        if tile.level not in self._levels:
            self._levels[tile.level] = self._open(tile.level)
            self._advance(tile.level)
        kept = self._next[tile.level]
        first = (tile.number << HEIGHT * (tile.level + 1)) + 1
        last = (tile.number + 1) << HEIGHT * (tile.level + 1)
        where = f"tile {tile.number} of level {tile.level}"
        if kept is None or kept[0] != tile.number:
            if last <= self._sealed:
                self._verdict.convict(where, f"it is missing: it held entries {first} to {last}", (first, last))
            return
        self._advance(tile.level)
        self._verdict.tiles += 1
        if kept[1] != tile.hashes:
            entry = _first_other(tile, kept[1])
            self.wrong.append(entry)
            self._verdict.convict(where, f"it holds another hash than entry {entry} comes to", (entry, entry))

    def _advance(self, level: int) -> None:
        self._next[level] = next(self._levels[level], None)


class _Watch:
    """Looks at the entries as they pass, and holds claims and tiles against the tree that they make."""

    def __init__(self, verdict: TrailVerdict, evidence: Evidence) -> None:
        self._verdict = verdict
        self._growth = Growth()
        self._head: bytes | None = GENESIS  # None while it is unknown
        self._tiles = _Tiles(evidence, verdict)
        self._trust = _Trust(evidence.keys, verdict)
        self._clock = Backwards()
        self._ended = False  # whether the chain was followed to the last entry
        self._agreed = 0  # entries that the last claim which agrees covers
        self._unsigned = ""  # the moment of the first entry behind those
        self._kept = _in_order(evidence.kept, verdict)
        others = [said for source in evidence.others for said in _in_order(source, verdict)]
        self._others = iter(sorted(others, key=lambda said: said.checkpoint.size))
        self._due = [self._kept, self._others]
        self._waiting = [next(source, None) for source in self._due]
        self._look()
        self._archive: ArchiveEntries | None = None
        if before := evidence.archived:
            self._archive = ArchiveEntries(before.first, before.size, before.digest)
            self._pass_over(before)

    def observed(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows. Each counts once whoever follows the chain has found that it follows, and wants the next."""
        for row in rows:
            yield row
            self._trust.read(row.entry)
            self._clock.see(row.number, row.entry)
            if self._archive:
                self._archive.see(row.number, row.entry)
            self._head = row.hash
            for tile in self._growth.append(leaf_hash(row.entry)):
                self._tiles.hold(tile)
            self._look()
            self._unsigned = "" if self._agreed == row.number else self._unsigned or self._clock.latest
        self._ended = True

    def _pass_over(self, archived: Archived) -> None:
        """Entries of which the leaves alone are here: tiles and roots are held against those."""
        verdict, what = self._verdict, f"entries 1 to {archived.size}, which are archived"
        verdict.archived, self._head = archived.size, None
        if archived.key:
            self._trust.name(archived.key)
        for number, leaf in enumerate(archived.leaves, 1):
            if number == archived.size:
                self._head = archived.head
            for tile in self._growth.append(leaf):
                self._tiles.hold(tile)
            self._look()
        if self._growth.size != archived.size:
            verdict.convict(what, f"the tiles have the first {self._growth.size} of them", (1, archived.size))
        elif self._agreed != archived.size:
            verdict.convict(what, "no checkpoint over just these agrees with the tiles", (1, archived.size))
        self._head = archived.head

    def finish(self) -> None:
        """What lies beyond the last entry, or beyond the place where the chain breaks."""
        verdict, size = self._verdict, self._growth.size
        verdict.root = self._growth.frontier.root()
        if self._archive and self._ended and (reason := self._archive.objection()):
            verdict.convict(f"entries 1 to {verdict.archived}, which are archived", reason, (1, verdict.archived))
        if self._clock.count:
            verdict.warnings.append(str(self._clock))
        for first, source in zip(self._waiting, self._due, strict=True):
            for said in (*([first] if first else []), *source):
                if self._ended:
                    reason = f"the trail had {said.checkpoint.size} entries, and has {size}: its end was cut off"
                    verdict.convict(said.claim.where, reason, (size + 1, said.checkpoint.size))
                else:
                    verdict.unreached += 1
        if verdict.claims and self._ended and later(self._clock.latest, self._unsigned, _UNSIGNED):
            verdict.warnings.append(
                f"entries {self._agreed + 1} to {size} are under no checkpoint, since {self._unsigned}: does the role "
                "seal run?"
            )
        if not verdict.claims and not verdict.convicted and size:
            verdict.warnings.append(
                "there is no checkpoint: who may write to the database may have made all of this anew"
            )

    def _look(self) -> None:
        """Every claim that is about as many entries as have passed."""
        for at, source in enumerate(self._due):
            while (said := self._waiting[at]) and said.checkpoint.size <= self._growth.size:
                self._judge(said)
                self._waiting[at] = next(source, None)

    def _judge(self, said: _Said) -> None:
        verdict, where, size = self._verdict, said.claim.where, said.checkpoint.size
        try:
            signers = self._trust.signers(said.note)
        except NoteError as error:
            verdict.convict(where, error.sentence)
            return
        if not signers:
            verdict.convict(where, "no key that is trusted signed it")
        elif fault := self._fault(said.checkpoint):
            verdict.convict(where, f"{fault}; {self._altered(size)}", (self._agreed + 1, size))
        else:
            verdict.claims += 1
            verdict.newest = self._agreed = size
            ids = [key.key_id.hex() for key in signers]
            verdict.signers += [one for one in ids if one not in verdict.signers]

    def _fault(self, checkpoint: Checkpoint) -> str:
        if checkpoint.root != self._growth.frontier.root():
            return f"the first {checkpoint.size} entries had another root when it was signed"
        if self._head is not None and checkpoint.chain not in (None, self._head):
            return f"entry {checkpoint.size} had another hash when it was signed"
        return ""

    def _altered(self, size: int) -> str:
        """Where, as narrowly as tiles and the checkpoints before tell."""
        named = [entry for entry in self._tiles.wrong if self._agreed < entry <= size]
        if named:
            return f"by the tiles entry {min(named)} is the first that is another"
        return f"what was altered lies in entries {self._agreed + 1} to {size}"


def key_named(entry: str) -> VerifierKey | None:
    """The key that an entry names, None where it names none."""
    try:
        said = json_object(entry)
        details = said["details"]
        if said["action"] != Action.TRAIL_KEY or not isinstance(details, Mapping):
            return None
        return VerifierKey.parse(str(details["key"]))
    except (ValueError, TypeError, KeyError, NoteError, RecursionError):
        return None


def _first_other(ours: Tile, kept: bytes) -> int:
    """The first entry below the first hash in which two tiles differ."""
    places = range(0, len(ours.hashes), HASH_SIZE)
    at = next((at for at in places if ours.hashes[at : at + HASH_SIZE] != kept[at : at + HASH_SIZE]), 0) // HASH_SIZE
    return ((ours.number * WIDTH + at) << HEIGHT * ours.level) + 1


def _in_order(claims: Iterable[Claim], verdict: TrailVerdict) -> Iterator[_Said]:
    """Those of one source that can be read; one that goes back behind an earlier one, or in time, is told."""
    largest, latest = 0, None
    for claim in claims:
        said = _read(claim, verdict)
        if said is None:
            continue
        size, at = said.checkpoint.size, said.checkpoint.at
        if size < largest:
            verdict.convict(claim.where, f"it goes back to {size} entries, behind a checkpoint of {largest}")
            continue
        if latest is not None and at is not None and at < latest:
            verdict.warnings.append(f"{claim.where}: it is older than the one before it: a clock was set back to {at}")
        largest, latest = size, at or latest
        yield said


def _read(claim: Claim, verdict: TrailVerdict) -> _Said | None:
    try:
        note = Note.parse(claim.note)
        checkpoint = Checkpoint.parse(note.text)
    except NoteError as error:
        verdict.convict(claim.where, error.sentence)
        return None
    if claim.row and claim.row != (checkpoint.size, checkpoint.root, checkpoint.at):
        verdict.convict(claim.where, "its columns are not what its note says")
        return None
    return _Said(claim, checkpoint, note)
