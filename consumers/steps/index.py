"""Follows the spool: objects into the store, rows and entries of the trail into PostgreSQL, a batch at a time.

A record may come twice, after a restart at any point. So every step is one that changes nothing the second time:
objects are named by their digest, instances by their UID, and records without a row of their own are marked in the
inbox. A sync for each batch would contend with the listener for the disk, so that many share one: rows are committed
before it, and until it is done their studies are held back from whoever reads objects. A checkpoint is written behind
both; what a loss of power takes of an object is written again from the spool before its study goes on.

Nothing that a record says stops the ones behind it. A batch that cannot be committed for its data is divided until the
culprit is alone, and that goes into quarantine with the reason.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from audit.trail import Ledger, Transaction
from config import metrics
from config.logs import at_work_on
from consumers.steps import messages
from consumers.steps.index_batch import IndexBatch
from consumers.steps.messages import Message
from dicom_node.intake.filing import Filed, Unreadable, damaged, file, judged, safe, unfiled, where
from dicom_node.intake.identity import PatientMarks
from dicom_node.spool import DamagedRecord, Entry, Kind, Mark, SpoolReader
from domain.clock import Clock, SystemClock
from domain.errors import ConfigurationError, Permanent, Retryable
from domain.ids import StudyId
from store import studies
from store.database import is_for_data
from store.index import STUDIES_CHANNEL
from store.objects import ObjectStore
from store.retention import keep_files, writing

_log = logging.getLogger(__name__)
# How long a durable checkpoint may lag behind the rows (s): what a restart has to look at again.
_CHECKPOINT_EVERY = 2.0
# A transaction costs as much as filing twenty small instances, however few it holds. So while an association goes on, a
# batch of less than _FEW bytes waits this long (s) for more: the index is that much behind, and the listener has the
# processor for itself meanwhile.
_GATHER = 0.1
_FEW = 8 << 20
# Records of one transaction: its locks are held briefly, and what a culprit takes down with it is soon done again.
_MOST = 1000
# Nor does one go on for longer (s) than this and its last instance: who removes files waits for its end, and who writes
# results behind that.
_LONGEST = 2.0


@dataclass(frozen=True)
class _Record:
    """An entry of the spool, and what was made of it where it is an instance or a message."""

    entry: Entry
    filing: Filed | Unreadable | None = None
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class _Committed:
    """An entry that only waits for its checkpoint: its data shall not hold a study in memory."""

    marks: tuple[Mark, ...]


class Indexer:
    """Takes batches from the spool; one at a time, in one thread. `step` is one turn of the loop.

    `alive` is called with each piece of an instance that comes from the spool, however many it has. `marks` digest whom
    instances name; without it that is not known, and no study is told to be two patients'. `descriptions` says whether
    those of studies and series are kept.
    """

    def __init__(
        self,
        reader: SpoolReader,
        ledger: Ledger,
        objects: ObjectStore,
        clock: Clock | None = None,
        alive: Callable[[], None] = lambda: None,
        marks: PatientMarks | None = None,
        descriptions: bool = True,
    ) -> None:
        self._reader = reader
        self._ledger = ledger
        self._objects = objects
        self._clock = clock or SystemClock()
        self._alive = alive
        self._marks = marks
        self._descriptions = descriptions
        self._held: list[Entry] = []
        self._committed: list[_Committed] = []
        self._unsynced: set[StudyId] = set()
        self._earlier = True  # an earlier life may have left studies held back
        self._next_checkpoint = 0.0

    def step(self, timeout: float) -> int:
        """Index what is there, or wait up to `timeout` seconds for it; the number of records taken.

        Raises Retryable or Unavailable where store or database do not answer; the same records are taken again then.
        """
        if not self._held:
            self._held = self._poll(timeout)
        taken = len(self._held)
        if taken:
            done = self._take(self._held)
            self._committed += [_Committed(entry.marks) for entry in self._held[:done]]
            self._held = self._held[done:]
        # A full disk gets room from what is done with, and that is nothing whose objects are not synced.
        if not taken or self._held or time.monotonic() > self._next_checkpoint:
            self._checkpoint()
        if not taken and self._earlier:
            self._release(None)
            self._earlier = False
        return taken

    def close(self) -> None:
        """Checkpoint what was indexed."""
        self._checkpoint()

    def _poll(self, timeout: float) -> list[Entry]:
        entries = self._reader.poll(timeout)
        going_on = entries and not any(entry.kind is Kind.ASSOCIATION_CLOSED for entry in entries)
        if going_on and sum(entry.size for entry in entries) < _FEW:
            time.sleep(_GATHER)
            entries += self._reader.poll(0.0)
        return entries

    def _take(self, entries: Sequence[Entry]) -> int:
        """How many of the entries are stored and committed: not all where the store takes no more.

        Raises Retryable where it took none.
        """
        done = 0
        while done < len(entries):
            try:
                done += self._take_together(entries[done : done + _MOST])
            except Retryable:
                if done:
                    break
                raise
        return done

    def _take_together(self, entries: Sequence[Entry]) -> int:
        """As `_take`, of those for which one transaction has time, in which no file is removed.

        A batch that no table takes is divided.
        """
        records: list[_Record] = []
        try:
            with self._ledger.transaction() as transaction:
                keep_files(transaction.connection)
                self._keep_all(entries, records)
                batch = self._write(transaction, records)
        except (Retryable, ConfigurationError):
            raise
        except Exception as error:
            # The bulkhead: what a record brings a reader or a table to is not known before it happens. What is for the
            # database's own state, such as a right or a table that is missing, would be the same for every record.
            # Where nothing was made of the first, there is nothing to divide.
            if not (records and is_for_data(error)):
                raise
            return self._take_divided(entries[: len(records)], error)
        self._committed_now(batch)
        return len(records)

    def _take_divided(self, entries: Sequence[Entry], error: Exception) -> int:
        """The objects are put once more: between two transactions they may be removed."""
        records: list[_Record] = []
        with writing(self._ledger.database):
            self._keep_all(entries, records)
            self._divide(records, error)
        return len(records)

    def _keep_all(self, entries: Sequence[Entry], records: list[_Record]) -> None:
        """Add a record for each entry whose object is stored, while there is time for one more.

        Raises Retryable where there is none at all.
        """
        ends = time.monotonic() + _LONGEST
        try:
            for entry in entries:
                records += [self._keep(safe(entry, partial(self._streamed, entry.read)))]
                if time.monotonic() > ends:
                    break
        except Retryable:
            if not records:
                self._checkpoint()
                raise

    def _keep(self, entry: Entry) -> _Record:
        if entry.kind is Kind.DAMAGED:
            return _Record(entry, damaged(entry, str(entry.details.get("reason", ""))))
        if entry.kind is Kind.MESSAGE:
            return self._keep_message(entry)
        if entry.kind is not Kind.INSTANCE:
            return _Record(entry)
        try:
            with at_work_on(association=entry.association, record=entry.sequence):
                filing = file(entry, self._marks)
            self._objects.put(filing.key, filing.pieces())
            if isinstance(filing, Filed):
                filing = judged(filing, self._objects.path)
        except DamagedRecord as error:
            return _Record(entry, damaged(entry, str(error)))
        except OSError as error:
            raise Retryable(f"the spool cannot be read: {error.strerror}") from error
        if isinstance(filing, Filed) and not self._descriptions:
            filing = replace(filing, header=filing.header.without_descriptions())
        return _Record(entry, replace(filing, pieces=_taken))

    def _keep_message(self, entry: Entry) -> _Record:
        try:
            message = replace(messages.read(entry, self._reader.identity), descriptions=self._descriptions)
            if message.object_key:
                self._objects.put(message.object_key, messages.file_of(message))
            return _Record(entry, message=message)
        except DamagedRecord as error:
            return _Record(entry, damaged(entry, str(error)))
        except Permanent as error:
            return _Record(entry, self._kept_aside(entry, str(error)))

    def _kept_aside(self, entry: Entry, reason: str) -> Unreadable:
        """A message that nobody takes, its data set in the object store."""
        try:
            filing = messages.unreadable(entry, reason)
        except (DamagedRecord, ValueError) as error:
            return damaged(entry, f"{reason}; {where(error)}")
        self._objects.put(filing.key, filing.pieces())
        return replace(filing, pieces=_taken)

    def _streamed(self, read: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        for piece in read():
            self._alive()
            yield piece

    def _commit(self, records: Sequence[_Record]) -> None:
        try:
            with self._ledger.transaction() as transaction:
                batch = self._write(transaction, records)
        except (Retryable, ConfigurationError):
            raise
        except Exception as error:  # as in _take_together
            if not is_for_data(error):
                raise
            self._divide(records, error)
        else:
            self._committed_now(batch)

    def _divide(self, records: Sequence[_Record], error: Exception) -> None:
        if len(records) == 1:
            self._quarantine(records[0], error)
            return
        middle = len(records) // 2
        self._commit(records[:middle])
        self._commit(records[middle:])

    def _write(self, transaction: Transaction, records: Sequence[_Record]) -> IndexBatch:
        entries = [record.entry for record in records]
        batch = IndexBatch(transaction, self._clock.now(), self._reader.identity)
        batch.open_associations(entries)
        batch.take_messages([one.message for one in records if one.message is not None])
        filed = [one.filing for one in records if isinstance(one.filing, Filed)]
        unreadable = [one.filing for one in records if isinstance(one.filing, Unreadable)]
        batch.lock_studies(filed, unreadable)
        batch.file_instances(filed)
        batch.quarantine(unreadable)
        batch.note(entries)
        batch.close_associations(entries)
        batch.note_callers()
        transaction.wake(STUDIES_CHANNEL)
        return batch

    def _committed_now(self, batch: IndexBatch) -> None:
        self._unsynced |= batch.studies
        _tell(batch)

    def _quarantine(self, record: _Record, error: Exception) -> None:
        """All that this writes was made safe, so that a failure here is no record's doing."""
        with self._ledger.transaction() as transaction:
            batch = IndexBatch(transaction, self._clock.now(), self._reader.identity)
            batch.open_associations([record.entry])
            reason = str(error) if isinstance(error, Permanent) else f"it cannot be filed: {where(error)}"
            unreadable = [self._unfiled(record, reason)]
            batch.lock_studies([], unreadable)
            batch.quarantine(unreadable)
            batch.close_associations([record.entry])
            batch.note_callers()
        _tell(batch)

    def _unfiled(self, record: _Record, reason: str) -> Unreadable:
        if record.message is not None:
            return self._kept_aside(record.entry, reason)
        return unfiled(record.entry, record.filing, reason)

    def _checkpoint(self) -> None:
        if self._committed:
            self._sync()
            self._release(self._unsynced)
            self._reader.checkpoint(self._committed)
            self._committed, self._unsynced = [], set()
        self._next_checkpoint = time.monotonic() + _CHECKPOINT_EVERY

    def _sync(self) -> None:
        try:
            self._objects.sync()
        except Retryable:
            # The kernel may have dropped the pages of anything since the last success: all of it is put again.
            self._reader.rewind()
            self._committed, self._held = [], []
            raise

    def _release(self, of: Collection[StudyId] | None) -> None:
        """Studies whose objects are synced may be completed."""
        with self._ledger.transaction() as transaction:
            studies.note_synced(transaction.connection, self._reader.identity, of)
            transaction.wake(STUDIES_CHANNEL)


def _tell(batch: IndexBatch) -> None:
    for outcome, count in batch.counts.items():
        metrics.indexed.labels(outcome).inc(count)
    # A line a batch for each kind: thousands may come at once, and each is in the table and on the trail.
    for fault, count in batch.faults.items():
        extra = {"count": count, "reason": fault.value}
        _log.error("instances went into quarantine (dicom-node quarantine list)", extra=extra)
    for why, count in batch.refused.items():
        _log.warning("the listener refused (dicom-node audit show)", extra={"count": count, "reason": why})


def _taken() -> Iterator[bytes]:
    """In the place of an instance's data, once it is in the object store."""
    return iter(())
