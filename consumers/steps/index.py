"""Follows the spool: objects into the store, rows and entries of the trail into PostgreSQL, a batch at a time.

A record may come twice, after a restart at any point. So every step is one that changes nothing the second time:
objects are named by their digest, instances by their UID, and records without a row of their own are marked in the
inbox. A checkpoint is written only behind the sync of the objects and the commit of the rows.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from audit.trail import Ledger
from config import metrics
from consumers.steps.index_batch import IndexBatch
from dicom_node.intake.filing import Filed, Unreadable, file
from dicom_node.spool import Entry, Kind, SpoolReader
from domain.clock import Clock, SystemClock
from store.index import STUDIES_CHANNEL
from store.objects import ObjectStore

# How long a synced checkpoint may lag behind the rows (s): what a restart has to look at again.
_SYNC_EVERY = 2.0
# A transaction costs as much as filing twenty small instances, however few it holds. So while an association goes on, a
# batch of less than _FEW bytes waits this long (s) for more: the index is that much behind, and the listener has the
# processor for itself meanwhile.
_GATHER = 0.1
_FEW = 8 << 20


class Indexer:
    """Takes batches from the spool; one at a time, in one thread. `step` is one turn of the loop."""

    def __init__(self, reader: SpoolReader, ledger: Ledger, objects: ObjectStore, clock: Clock | None = None) -> None:
        self._reader = reader
        self._ledger = ledger
        self._objects = objects
        self._clock = clock or SystemClock()
        self._unsynced: list[Entry] = []
        self._syncing: tuple[list[Entry], Future[None]] | None = None
        self._syncer = ThreadPoolExecutor(1, "sync")
        self._last_sync = 0.0
        self._held: list[Entry] = []

    def step(self, timeout: float) -> int:
        """Index what is there, or wait up to `timeout` seconds for it; the number of records taken.

        Raises Retryable or Unavailable where store or database do not answer; the same records are taken again then.
        """
        if not self._held:
            self._held = self._poll(timeout)
        entries = self._held
        if entries:
            self._take(entries)
            self._unsynced += [replace(entry, read=_taken) for entry in entries]
            self._held = []
        self._advance_checkpoint(idle=not entries)
        return len(entries)

    def close(self) -> None:
        """Sync and checkpoint what was indexed."""
        while self._unsynced or self._syncing:
            self._advance_checkpoint(idle=True)
            if self._syncing:
                self._syncing[1].exception()
        self._syncer.shutdown()

    def _poll(self, timeout: float) -> list[Entry]:
        entries = self._reader.poll(timeout)
        going_on = entries and not any(entry.kind is Kind.ASSOCIATION_CLOSED for entry in entries)
        if going_on and sum(entry.size for entry in entries) < _FEW:
            time.sleep(_GATHER)
            entries += self._reader.poll(0.0)
        return entries

    def _take(self, entries: Sequence[Entry]) -> None:
        filed = [self._keep(file(entry)) for entry in entries if entry.kind is Kind.INSTANCE]
        with self._ledger.transaction() as transaction:
            batch = IndexBatch(transaction, self._clock.now())
            batch.open_associations(entries)
            batch.file_instances([one for one in filed if isinstance(one, Filed)])
            batch.set_aside([one for one in filed if isinstance(one, Unreadable)])
            batch.note(entries)
            batch.close_associations(entries)
            transaction.wake(STUDIES_CHANNEL)
        for outcome, count in batch.counts.items():
            metrics.indexed.labels(outcome).inc(count)

    def _keep(self, one: Filed | Unreadable) -> Filed | Unreadable:
        self._objects.put(one.key, one.pieces())
        return replace(one, pieces=_taken)

    def _advance_checkpoint(self, idle: bool) -> None:
        """Sync in the background, so that indexing goes on; checkpoint here, where the reader lives."""
        if self._syncing and self._syncing[1].done():
            entries, future = self._syncing
            self._syncing = None
            future.result()
            self._reader.checkpoint(entries)
        due = idle or time.monotonic() - self._last_sync > _SYNC_EVERY
        if self._unsynced and not self._syncing and due:
            self._syncing = (self._unsynced, self._syncer.submit(self._objects.sync))
            self._unsynced, self._last_sync = [], time.monotonic()


def _taken() -> Iterator[bytes]:
    """In the place of an entry's data: what only waits for its checkpoint shall not hold a study in memory."""
    return iter(())
