"""On an impression's completion: it becomes DICOM objects, written once whatever happens."""

from collections.abc import Sequence
from dataclasses import replace

from audit.trail import Action, Transaction
from consumers.destinations import ProfiledDestination, wanted_forms
from consumers.steps.announced import written_summary
from consumers.steps.write import OTHER_STUDY, as_predecessor, kept
from domain.clock import Clock, SystemClock
from domain.editions import Edition
from domain.errors import Permanent
from domain.events import Event, SummaryWritten
from domain.ids import JobId
from domain.profiles import OF_A_STUDY
from sr_writer.content import Predecessor
from sr_writer.impressions.content import Run, WrittenResult
from sr_writer.impressions.results import write
from store import jobs, results, studies, summaries
from store.database import Connection
from store.leases import moment
from store.objects import ObjectStore
from store.retention import keep_files
from store.summaries import Summary


class SummaryWriter:
    """Handles summary.completed and summary.requested: writes what any of `destinations` may get.

    The results of the runs that it is about are written before: their events come first.
    """

    def __init__(
        self, objects: ObjectStore, destinations: Sequence[ProfiledDestination] = (), clock: Clock | None = None
    ) -> None:
        self._objects = objects
        self._destinations = destinations
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Write the objects, note them, announce them. The same impression gives the same bytes under the same UIDs.

        The event's time is as of results.written. Raises Unfounded where it is not written or another study's.
        """
        connection, begun = transaction.connection, moment(transaction.connection)
        keep_files(connection)  # their rows come after them
        summary = written_summary(connection, event)
        runs = [self._run(connection, one) for one in summary.runs]
        found = [one for one in runs if one is not None]
        if why := _left(summary, len(found)):
            transaction.record(Action.WRITTEN, summary.study_id, summary=str(summary.id), objects=[], reason=why)
            return
        assert summary.impression and summary.facts and summary.finished_at
        edition, earlier = self._edition(connection, summary)
        forms = wanted_forms(connection, self._destinations, OF_A_STUDY)
        moment_of = summary.finished_at
        made = write(summary.impression, summary.facts, summary.sources, found, forms, moment_of, edition, earlier)
        if {one.study_uid for one in made} - {studies.uid_of(connection, summary.study_id)}:
            raise Permanent(OTHER_STUDY)
        rows = [kept(self._objects, summary, one, self._clock.now()) for one in made]
        self._objects.sync()
        results.add_results(connection, rows)
        data = SummaryWritten(summary.id, summary.revision, len(rows))
        transaction.emit(Event(data, summary.study_id, begun))
        digests = [[row.kind, row.sop_uid, row.digest] for row in rows]
        transaction.record(Action.WRITTEN, summary.study_id, summary=str(summary.id), objects=digests)

    def _run(self, connection: Connection, job_id: JobId) -> Run | None:
        """A run's findings as its results were written from, with these; None where an image of it was replaced."""
        job = jobs.get(connection, job_id)
        assert job.findings is not None
        findings = replace(job.findings, input_digest=job.input_set)
        keys = {uid: key for objects in jobs.objects_of(connection, job).values() for uid, key in objects}
        uids = dict.fromkeys(frame.sop_instance_uid for frame in findings.frames)
        if not uids.keys() <= keys.keys():
            return None
        written = results.results_of(connection, job)
        of_run = [WrittenResult(one.form, one.sop_uid, one.series_uid) for one in written]
        return Run(job.id, findings, [self._objects.path(keys[uid]) for uid in uids], of_run)

    def _edition(self, connection: Connection, summary: Summary) -> tuple[Edition, list[Predecessor]]:
        """Which of the study's impressions it is, and the objects that it supersedes."""
        before = summaries.predecessor(connection, summary)
        if before is None or before.withdrawn_at:
            return Edition(summary.number, withdrawn=before is not None), []
        objects = [as_predecessor(one) for one in results.results_of(connection, before)]
        return Edition(summary.number, before.number, before.finished_at), objects


def _left(summary: Summary, found: int) -> str:
    """Why nothing is written of it."""
    if summary.withdrawn_at:
        return "it was withdrawn"
    if summary.impression is None or summary.facts is None:
        return "what it says was removed by retention"
    if not summary.impression.sentences:
        return "it has no sentence"
    return "" if found == len(summary.runs) else "an image was replaced since; a newer revision has one of its own"
