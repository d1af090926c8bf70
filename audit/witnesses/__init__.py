"""Outside places that get the trail's checkpoints: what each is given, and what it may answer. One file a kind.

Each `give` raises Retryable where the place takes nothing now, with what to do where a person has to, and Contradicted
where it has a checkpoint that this trail does not come to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from audit.notes import Checkpoint, Note, NoteError
from domain.errors import IntegrityError


class Contradicted(IntegrityError):
    """A place has a checkpoint that this trail does not come to: one of the two histories is not the true one."""


@dataclass(frozen=True)
class Offered:
    """A checkpoint that is given away. `proof` is the proof of consistency from a size on, `root_at` the root at it.

    `before` is the size of the newest checkpoint that the place took, as far as is known, 0 where it took none.
    """

    number: int
    note: Note
    checkpoint: Checkpoint
    before: int
    proof: Callable[[int], list[bytes]]
    root_at: Callable[[int], bytes]

    @property
    def at(self) -> datetime:
        """When it was signed."""
        assert self.checkpoint.at is not None
        return self.checkpoint.at


class Outlet(Protocol):
    """The way to one place."""

    def give(self, offered: Offered) -> tuple[str, ...]:
        """Hand a checkpoint over, durably as far as the place is; the lines that it signed, where it signs."""


def refuse_other(offered: Offered, theirs: str, place: str) -> None:
    """Raise Contradicted where a note that the place has is of another history; what is no note is not looked at."""
    try:
        said = Checkpoint.parse(Note.parse(theirs).text)
    except NoteError:
        return
    ours = offered.checkpoint
    if said.origin != ours.origin:
        return
    if said.size > ours.size:
        raise Contradicted(f"{place} has a checkpoint of {said.size} entries, and this trail comes to {ours.size}")
    if said.root != offered.root_at(said.size):
        raise Contradicted(f"{place} has a checkpoint of {said.size} entries with another root than this trail's")
