"""On an inference's completion: its findings become DICOM objects, written once whatever happens."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from audit.actions import Action
from audit.trail import Transaction
from consumers.destinations import ProfiledDestination, wanted_forms
from consumers.steps import predecessors, sources
from consumers.steps.announced import finished_job
from domain.clock import Clock, SystemClock
from domain.errors import Permanent
from domain.events import Event, ResultsWritten
from domain.records import ResultRecord
from sr_writer.masks import unpack, unpack_map
from sr_writer.results import ResultObject, write
from store import results, studies
from store.jobs import Job
from store.leases import moment
from store.objects import ObjectStore
from store.retention import keep_files
from store.summaries import Summary

# Two readers of one header may differ; results go to the study that the images were filed under, or nowhere.
OTHER_STUDY = "its images bear another Study Instance UID than the one that they were filed under"


class ResultsWriter:
    """Handles inference.completed and results.requested: writes what any of `destinations` may get."""

    def __init__(
        self, objects: ObjectStore, destinations: Sequence[ProfiledDestination] = (), clock: Clock | None = None
    ) -> None:
        self._objects = objects
        self._destinations = destinations
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Write the objects, note them, announce them. The same job gives the same bytes under the same UIDs.

        The event's time is the moment from which the destinations' answers were taken, by the database's clock: the
        answers have theirs from other hosts. Raises Unfounded where the job has no findings or is another's.
        """
        connection, begun = transaction.connection, moment(transaction.connection)
        keep_files(connection)  # their rows come after them
        job = finished_job(connection, event)
        assert job.findings is not None and job.finished_at is not None
        if job.withdrawn_at:
            self._leave(transaction, job, "they were withdrawn")
            return
        # UIDs derive from the files themselves: results copy their headers, and one may have been corrected.
        findings = replace(job.findings, input_digest=job.input_set)
        keys = sources.of_run(connection, job)
        if keys is None:
            self._leave(transaction, job, sources.why_gone(connection, job.study_id))
            return
        earlier = sources.of_earlier(connection, job)
        if earlier is None:
            self._leave(transaction, job, sources.NOTHING_EARLIER)
            return
        before = list(map(self._objects.path, earlier))
        files = list(map(self._objects.path, keys.values()))
        number = results.number(connection, job)
        edition, superseded = predecessors.edition(connection, job, number, results.earlier(connection, job, number))
        mask = unpack(self._objects.get(findings.mask.key), findings.mask) if findings.mask else None
        maps = [unpack_map(self._objects.get(one.key), one) for one in findings.maps]
        forms = wanted_forms(connection, self._destinations)
        requests = sources.requests(connection, job.study_id, job.finished_at, self._objects)
        written = write(findings, mask, files, superseded, job.finished_at, forms, maps, edition, requests, before)
        if {one.study_uid for one in written} - {studies.uid_of(connection, job.study_id)}:
            raise Permanent(OTHER_STUDY)
        rows = [kept(self._objects, job, one, self._clock.now()) for one in written]
        self._objects.sync()
        results.add_results(connection, rows)
        studies.note_progress(connection, job.study_id, f"results of {job.model} written", self._clock.now())
        data = ResultsWritten(job.id, job.model, job.version, len(rows))
        transaction.emit(Event(data, job.study_id, begun))
        digests = [[row.kind, row.sop_uid, row.digest] for row in rows]
        by = {"job": str(job.id), "model": job.model, "version": job.version, "model_digest": job.model_digest}
        transaction.record(Action.WRITTEN, job.study_id, **by, objects=digests)

    def _leave(self, transaction: Transaction, job: Job, reason: str) -> None:
        transaction.record(Action.NOT_WRITTEN, job.study_id, job=str(job.id), model=job.model, reason=reason)


def kept(objects: ObjectStore, item: Job | Summary, one: ResultObject, now: datetime) -> ResultRecord:
    """The row of a result object whose file is in the store by then."""
    sha256 = hashlib.sha256()
    for piece in one.pieces:
        sha256.update(piece)
    digest = sha256.hexdigest()
    key = f"results/{digest[:2]}/{digest}.dcm"
    objects.put(key, one.pieces)
    return ResultRecord(
        sop_uid=one.sop_instance_uid,
        job_id=item.id if isinstance(item, Job) else None,
        summary_id=item.id if isinstance(item, Summary) else None,
        study_id=item.study_id,
        kind=one.kind,
        sop_class=one.form.sop_class,
        series_uid=one.series_instance_uid,
        transfer_syntax=one.form.transfer_syntax,
        refers=one.form.refers,
        object_key=key,
        digest=digest,
        size=sum(memoryview(piece).nbytes for piece in one.pieces),
        written_at=now,
    )
