"""Checkpoints on their way to one outside place: what it lacks, what came of it, and since when it takes none.

Publishing makes no entry, for that would have to be signed and published in turn; that a place takes none any more, and
that it does again, is one each.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from audit.actions import Action
from audit.checkpoints import tree_of
from audit.notes import Checkpoint, Note
from audit.trail import Ledger
from audit.tree import Nodes, consistency_proof, subtree_root
from audit.witnesses import Contradicted, Offered, Outlet
from config import metrics
from config.audit import Witness
from domain.clock import Clock
from domain.errors import NodeError
from store import checkpoints
from store.checkpoints import CheckpointRow, Publication

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Publisher:
    """Gives one place the newest checkpoint, and before it each by which a key took over from another."""

    def __init__(self, ledger: Ledger, witness: Witness, way: Callable[[Witness], Outlet], clock: Clock) -> None:
        self._ledger = ledger
        self._witness = witness
        self._way = way
        self._outlet: Outlet | None = None
        self._clock = clock
        self._told: Publication | None = None
        self._said = ""  # why it takes none, as the log has it
        self._own: NodeError | None = None  # what our own database said while a place asked for a proof

    def step(self) -> bool:
        """Give what it lacks; False where it does not take it. Raises Unavailable where our own database is away."""
        told = self._told or self._known()
        due = self._due(told)
        for row in due:
            try:
                self._outlet = self._outlet or self._way(self._witness)
                lines = self._outlet.give(self._offered(row, told))
            except NodeError as error:
                if error is self._own:
                    raise
                self._failed(told, error)
                self._measure(told, due[-1])
                return False
            told = self._taken(told, row, lines)
            self._measure(told, due[-1])
        self._told = told
        metrics.witness_up.labels(self._witness.name).set(told.away_since is None)
        return True

    def _known(self) -> Publication:
        with self._ledger.database.transaction() as connection:
            found = checkpoints.publications(connection)
        return next((one for one in found if one.witness == self._witness.name), Publication(self._witness.name))

    def _due(self, told: Publication) -> list[CheckpointRow]:
        with self._ledger.database.transaction() as connection:
            newest = checkpoints.newest(connection)
            if newest is None or newest.number <= told.checkpoint:
                return []
            turns = checkpoints.of_several_keys(connection, told.checkpoint, newest.number) if told.checkpoint else []
        return [*turns, newest]

    def _offered(self, row: CheckpointRow, told: Publication) -> Offered:
        note = Note.parse(row.note)
        return Offered(
            row.number, note, Checkpoint.parse(note.text), told.size, lambda old: self._proof(old, row.size), self._root
        )

    def _proof(self, old: int, new: int) -> list[bytes]:
        return self._by_tree(lambda nodes: consistency_proof(old, new, nodes))

    def _root(self, size: int) -> bytes:
        return self._by_tree(lambda nodes: subtree_root(0, size, nodes))

    def _by_tree(self, made: Callable[[Nodes], T]) -> T:
        try:
            with self._ledger.database.transaction() as connection:
                return made(tree_of(connection).node)
        except NodeError as error:
            self._own = error
            raise

    def _taken(self, told: Publication, row: CheckpointRow, lines: tuple[str, ...]) -> Publication:
        now = self._clock.now()
        taken = Publication(self._witness.name, row.number, row.size, now)
        with self._ledger.database.transaction() as connection:
            checkpoints.keep_publication(connection, taken)
            if lines:
                checkpoints.cosign(connection, row.number, self._witness.name, "\n".join(lines), now)
        if told.away_since is not None:
            self._record(Action.WITNESS_BACK, since=_text(told.away_since))
        if self._said:
            _log.warning("an outside place takes checkpoints again", extra={"place": self._witness.name})
            self._said = ""
        self._told = taken
        return taken

    def _failed(self, told: Publication, error: NodeError) -> None:
        """Kept, and an entry, when it begins and when what is wrong becomes another thing."""
        reason = error.sentence
        if self._said != reason:
            extra = {"place": self._witness.name, "reason": reason}
            _log.warning("an outside place takes no checkpoints now; none is lost", extra=extra)
            self._said = reason
        if told.away_since is None or (isinstance(error, Contradicted) and told.reason != reason):
            self._record(Action.CONTRADICTED if isinstance(error, Contradicted) else Action.WITNESS_AWAY, reason=reason)
        if told.reason != reason or told.away_since is None:
            since = told.away_since or self._clock.now()
            told = Publication(told.witness, told.checkpoint, told.size, told.at, since, reason)
            with self._ledger.database.transaction() as connection:
                checkpoints.keep_publication(connection, told)
        self._told = told
        metrics.witness_up.labels(self._witness.name).set(0)

    def _record(self, action: Action, **details: object) -> None:
        self._ledger.record(action, place=self._witness.name, kind=self._witness.kind, **details)

    def _measure(self, told: Publication, newest: CheckpointRow) -> None:
        metrics.witness_behind.labels(self._witness.name).set(newest.size - told.size)
        if told.at is not None:
            metrics.witness_at.labels(self._witness.name).set(told.at.timestamp())


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
