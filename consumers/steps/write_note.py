"""On results' rejection: a note for each destination that has any of them, of what it has in the form that it got."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from audit.actions import Action
from audit.trail import Transaction
from consumers.destinations import ProfiledDestination
from consumers.steps.announced import finished_job, written_summary
from domain.clock import Clock, SystemClock
from domain.errors import IntegrityError
from domain.events import Event, OfSummary
from domain.findings import Findings
from domain.profiles import EXPLICIT, IMPLICIT, KEY_OBJECT_SELECTION
from sr_writer.content import Predecessor
from sr_writer.impressions.content import author_of
from sr_writer.reports.rejection_note import Rejected, rejection_note
from sr_writer.results import ResultObject
from store import jobs, rejections
from store.database import Connection
from store.deliveries import DELIVERIES_CHANNEL
from store.jobs import Job
from store.objects import ObjectStore
from store.rejections import Rejection
from store.results import Result
from store.retention import keep_files
from store.summaries import Summary


class NoteWriter:
    """Handles results.rejected, for `destinations`."""

    def __init__(
        self, objects: ObjectStore, destinations: Sequence[ProfiledDestination] = (), clock: Clock | None = None
    ) -> None:
        self._objects = objects
        self._destinations = {one.name: one for one in destinations}
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Write what is not written yet; the same event again writes nothing.

        Raises Unfounded where the job has no findings, the impression is not written, or it is another's.
        """
        connection = transaction.connection
        of_summary = isinstance(event.data, OfSummary)
        item = written_summary(connection, event) if of_summary else finished_job(connection, event)
        keep_files(connection)  # their rows come after them
        for one in rejections.unwritten(connection, item):
            self._write(transaction, item, one)
        transaction.wake(DELIVERIES_CHANNEL)

    def _write(self, transaction: Transaction, item: Job | Summary, one: Rejection) -> None:
        connection = transaction.connection
        out = rejections.out(connection, one.delivery_id)
        note = self._note(
            _rejected(connection, item),
            item,
            one,
            out,
            rejections.successor(connection, one),
            self._syntax(connection, one),
        )
        digest = hashlib.sha256(note.part10).hexdigest()
        key = f"results/{digest[:2]}/{digest}.dcm"
        self._objects.put(key, note.pieces)
        self._objects.sync()
        rejections.note_written(connection, one.id, note.sop_instance_uid, note.form.transfer_syntax, key)
        details = {"note": str(one.id), "destination": one.destination, "cause": one.cause.value}
        details |= {"instance": note.sop_instance_uid, "sha256": digest}
        transaction.record(Action.NOTE_WRITTEN, one.study_id, **details, objects=len(out))

    def _note(
        self,
        findings: Findings | None,
        item: Job | Summary,
        one: Rejection,
        out: Sequence[Result],
        successor: int | None,
        transfer_syntax: str,
    ) -> ResultObject:
        if findings is None or item.finished_at is None or not out:
            raise IntegrityError(f"rejection note {one.id} is of nothing that was sent")
        objects = [Predecessor(each.kind, each.sop_class, each.sop_uid, each.series_uid) for each in out]
        file = self._objects.path(out[0].object_key)
        number = item.result_number or 1 if isinstance(item, Job) else item.number
        rejected = Rejected(objects, file, one.cause, number, item.finished_at, successor)
        return rejection_note(findings, rejected, str(one.delivery_id), one.requested_at, transfer_syntax)

    def _syntax(self, connection: Connection, one: Rejection) -> str:
        """Explicit VR, unless the destination was seen to take the class in Implicit VR alone."""
        destination = self._destinations.get(one.destination)
        accepted = destination.accepted(connection) if destination else None
        taken = [syntax for sop_class, syntax in accepted or () if sop_class == KEY_OBJECT_SELECTION]
        return IMPLICIT if IMPLICIT in taken and EXPLICIT not in taken else EXPLICIT


def _rejected(connection: Connection, item: Job | Summary) -> Findings | None:
    """Whose results a note takes back, by which its UIDs are derived."""
    if isinstance(item, Job):
        return replace(item.findings, input_digest=item.input_set) if item.findings else None
    if item.impression is None:
        return None
    runs = (jobs.get(connection, one) for one in item.runs)
    author = author_of(item.impression, [one.findings.model for one in runs if one.findings])
    return Findings(author, item.findings_set, (), None, ())
