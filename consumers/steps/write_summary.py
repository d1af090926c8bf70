"""On an impression's completion: it becomes DICOM objects, written once whatever happens."""

from collections.abc import Sequence
from dataclasses import replace

from audit.actions import Action
from audit.trail import Transaction
from consumers.destinations import ProfiledDestination, wanted_forms
from consumers.steps import predecessors, sources
from consumers.steps.announced import written_summary
from consumers.steps.write import OTHER_STUDY, kept
from domain.clock import Clock, SystemClock
from domain.errors import Permanent
from domain.events import Event, SummaryWritten
from domain.ids import JobId
from domain.profiles import OF_A_STUDY
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
        gone = sources.why_gone(connection, summary.study_id) if len(found) < len(runs) else ""
        if why := _left(summary) or gone:
            transaction.record(Action.NOT_WRITTEN, summary.study_id, summary=str(summary.id), reason=why)
            return
        assert summary.impression and summary.facts and summary.finished_at
        before = summaries.earlier(connection, summary)
        edition, superseded = predecessors.edition(connection, summary, summary.number, before)
        forms = wanted_forms(connection, self._destinations, OF_A_STUDY)
        requests = sources.requests(connection, summary.study_id, summary.finished_at, self._objects)
        made = write(
            *(summary.impression, summary.facts, summary.sources, found, forms, summary.finished_at),
            *(edition, superseded, requests),
        )
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
        """A run's findings as its results were written from, with these; None where an image of it is gone."""
        job = jobs.get(connection, job_id)
        assert job.findings is not None
        findings = replace(job.findings, input_digest=job.input_set)
        keys = sources.of_run(connection, job, first=True)
        if keys is None:
            return None
        written = results.results_of(connection, job)
        of_run = [WrittenResult(one.form, one.sop_uid, one.series_uid) for one in written]
        return Run(job.id, findings, list(map(self._objects.path, keys.values())), of_run)


def _left(summary: Summary) -> str:
    """Why nothing is written of it, whatever images there are."""
    if summary.withdrawn_at:
        return "it was withdrawn"
    if summary.impression is None or summary.facts is None:
        return "what it says was removed by retention"
    return "" if summary.impression.sentences else "it has no sentence"
