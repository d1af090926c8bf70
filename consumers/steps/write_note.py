"""On results' rejection: a note for each destination that has any of them, of what it has in the form that it got."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from audit.trail import Action, Transaction
from consumers.destinations import ProfiledDestination
from consumers.steps.announced import finished_job
from domain.clock import Clock, SystemClock
from domain.errors import IntegrityError
from domain.events import Event
from domain.profiles import EXPLICIT, IMPLICIT, KEY_OBJECT_SELECTION
from sr_writer.content import Predecessor
from sr_writer.reports.rejection_note import Rejected, rejection_note
from sr_writer.results import ResultObject
from store import rejections
from store.database import Connection
from store.deliveries import DELIVERIES_CHANNEL
from store.jobs import Job
from store.objects import ObjectStore
from store.rejections import Rejection
from store.results import Result
from store.retention import keep_files


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

        Raises Unfounded where the job has no findings or is another's.
        """
        job = finished_job(transaction.connection, event)
        keep_files(transaction.connection)  # their rows come after them
        for one in rejections.unwritten(transaction.connection, job.id):
            self._write(transaction, job, one)
        transaction.wake(DELIVERIES_CHANNEL)

    def _write(self, transaction: Transaction, job: Job, one: Rejection) -> None:
        connection = transaction.connection
        out = rejections.out(connection, one.delivery_id)
        note = self._note(job, one, out, rejections.successor(connection, one), self._syntax(connection, one))
        digest = hashlib.sha256(note.part10).hexdigest()
        key = f"results/{digest[:2]}/{digest}.dcm"
        self._objects.put(key, note.pieces)
        self._objects.sync()
        rejections.note_written(connection, one.id, note.sop_instance_uid, note.form.transfer_syntax, key)
        details = {"note": str(one.id), "destination": one.destination, "cause": one.cause.value}
        details |= {"instance": note.sop_instance_uid, "sha256": digest}
        transaction.record(Action.NOTE_WRITTEN, one.study_id, **details, objects=len(out))

    def _note(
        self, job: Job, one: Rejection, out: Sequence[Result], successor: int | None, transfer_syntax: str
    ) -> ResultObject:
        if job.findings is None or job.finished_at is None or not out:
            raise IntegrityError(f"rejection note {one.id} is of nothing that was sent")
        objects = [Predecessor(each.kind, each.sop_class, each.sop_uid, each.series_uid) for each in out]
        file = self._objects.path(out[0].object_key)
        rejected = Rejected(objects, file, one.cause, job.result_number or 1, job.finished_at, successor)
        findings = replace(job.findings, input_digest=job.input_set)
        return rejection_note(findings, rejected, str(one.delivery_id), one.requested_at, transfer_syntax)

    def _syntax(self, connection: Connection, one: Rejection) -> str:
        """Explicit VR, unless the destination was seen to take the class in Implicit VR alone."""
        destination = self._destinations.get(one.destination)
        accepted = destination.accepted(connection) if destination else None
        taken = [syntax for sop_class, syntax in accepted or () if sop_class == KEY_OBJECT_SELECTION]
        return IMPLICIT if IMPLICIT in taken and EXPLICIT not in taken else EXPLICIT
