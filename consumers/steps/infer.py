"""Inference as leased work: each job gets a warm model process with a hard limit of time.

A worker that dies loses its job to another within seconds, and one that only takes long does not.
"""

import logging
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from audit.actions import Action
from audit.trail import Transaction
from config import metrics
from consumers.leased_work import Claimed
from consumers.steps import early, stuck
from consumers.steps.earlier_inputs import EarlierInputs, earlier_inputs
from consumers.steps.request_summary import WhenEnded, no_request
from domain.clock import Clock, SystemClock
from domain.errors import (
    ConfigurationError,
    IntegrityError,
    NodeError,
    NotSuitable,
    Permanent,
    Retryable,
    UnusableInput,
    word,
)
from domain.events import Event, InferenceFailed, InferenceNotSuitable
from domain.findings import Findings
from domain.ids import StudyId
from domain.retry import RetryPolicy
from domain.states import JobEvent, JobState
from inference_worker.earlier_names import earlier_name
from inference_worker.model_process import Answer, Task, TimedOut, map_file, mask_file
from models.provenance import Provenance
from store import jobs
from store.database import Connection, Database
from store.jobs import IS_DUE, JOBS, Job
from store.leases import Condition, Lease, LeaseTable
from store.objects import ObjectStore
from store.pauses import MODEL_GOES_ON
from store.quarantine import unreadable_of_series
from store.studies import lacking, note_progress

_log = logging.getLogger(__name__)

# Bytes of one array at the most: 16,000 slices of 512 x 512 labels.
_MOST = 1 << 32


# Seconds for what is around inferences: loading models, which has limits of its own, and keeping what came of them.
_AROUND = 3600.0


class Models(Protocol):
    """The model process, as far as jobs need it; `inference_worker.model_process.ModelProcess` is the one."""

    def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer: ...

    def run_together(self, tasks: Sequence[Task], timeout: float) -> list[Answer | NodeError]: ...


@dataclass(frozen=True)
class Inferred:
    """Findings whose arrays are in the store, the seconds of each step, and the study that was compared with.

    `made_by` is what the package that is installed says of itself, nothing where it went in the meantime.
    """

    findings: Findings
    seconds: Mapping[str, float]
    earlier: str
    made_by: Provenance


class Inference:
    """The handler of jobs for `consumers.leased`, with one model process.

    `timeout` (s) is what one inference may take; `scratch` is a folder for a mask on its way into the store; `prepared`
    is called before a job runs, so that the process has the package that it names; `alongside` gives how many jobs of a
    model may run at once, which is 1 but for models that read images. `when_ended` is called last in the transaction in
    which a job of a study ends. `made_by` gives for a package's digest what the trail says of it.
    """

    rows: LeaseTable[JobState, JobEvent] = JOBS
    scope: Sequence[Condition] = ()
    due: Sequence[Condition] = (IS_DUE, MODEL_GOES_ON)

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        models: Models,
        policy: RetryPolicy,
        timeout: float,
        scratch: Path,
        clock: Clock | None = None,
        prepared: Callable[[Job], None] = lambda job: None,
        alongside: Callable[[str], int] = lambda model: 1,
        when_ended: WhenEnded = no_request,
        made_by: Callable[[str], Provenance] = lambda digest: Provenance(),
    ) -> None:
        self.policy = policy
        self._database = database
        self._objects = objects
        self._models = models
        self._timeout = timeout
        self._scratch = scratch
        self._clock = clock or SystemClock()
        self._prepared = prepared
        self._alongside = alongside
        self._when_ended = when_ended
        self._made_by = made_by

    def load(self, connection: Connection, row: uuid.UUID) -> Job:
        """The job as it stands."""
        return jobs.get(connection, row)

    def together(self, first: Job) -> tuple[int, Condition]:
        """Jobs of one package, where it reads images."""
        return self._alongside(first.model), jobs.same_model(first)

    def longest(self, rows: int) -> float:
        """Each has its time-out, and where the process dies each runs once more by itself."""
        return _AROUND + 2 * rows * self._timeout

    def overtaken(self, connection: Connection, item: Job) -> str:
        """A newer revision of the study has another input for the model, or none; an early job's has other images."""
        if item.early:
            return early.CHANGED if jobs.input_has_changed(connection, item) else ""
        return jobs.OVERTAKEN if jobs.is_overtaken(connection, item) else ""

    def began(self, transaction: Transaction, item: Job) -> None:
        """Say so."""
        note_progress(transaction.connection, item.study_id, f"{item.model} runs", self._clock.now())
        transaction.record(Action.JOB_LEASED, item.study_id, **_about(item))

    def run(self, claimed: Sequence[Claimed[Job]], sign: Callable[[], None]) -> Sequence[Inferred | NodeError]:
        """What came of each job. The files of the job that is due next are read meanwhile, whoever will take it."""
        with self._database.transaction() as connection:
            refusals: list[NodeError | None] = [_refusal(connection, one.item) for one in claimed]
            earlier = [earlier_inputs(connection, one.item) for one in claimed]
            lacks = ["" if one.item.early else lacking(connection, one.item.study_id) for one in claimed]
            tasks = [
                self._task(one.item, one.lease, jobs.objects_of(connection, one.item), beside)
                for one, beside in zip(claimed, earlier, strict=True)
            ]
        refusals = [
            refusal or (early.fault(task) if one.item.early else None)
            for one, task, refusal in zip(claimed, tasks, refusals, strict=True)
        ]
        whole = [task for task, refusal in zip(tasks, refusals, strict=True) if not refusal]
        upcoming = self._upcoming()
        self._scratch.mkdir(parents=True, exist_ok=True)
        answers = iter(self._infer(claimed[0].item, whole, upcoming) if whole else ())
        each = zip(claimed, tasks, refusals, earlier, lacks, strict=True)
        return [
            self._kept(one.item, task, refusal or next(answers), beside, missing)
            for one, task, refusal, beside, missing in each
        ]

    def _infer(self, first: Job, tasks: Sequence[Task], upcoming: Task | None) -> Sequence[Answer | NodeError]:
        try:
            self._prepared(first)
            if len(tasks) > 1:
                return self._models.run_together(tasks, self._timeout)
            return [self._models.run(tasks[0], self._timeout, upcoming)]
        except NodeError as error:
            return [error] * len(tasks)

    def _upcoming(self) -> Task | None:
        try:
            with self._database.transaction() as connection:
                row = JOBS.peek(connection, *self.due)
                if row is None:
                    return None
                job = jobs.get(connection, row)
                return self._task(job, Lease(row, 0), jobs.objects_of(connection, job), earlier_inputs(connection, job))
        except Retryable:
            raise
        except Exception as error:  # what is wrong with it is said when it is its turn
            _log.debug("the next job cannot be read ahead", exc_info=error)
            return None

    def _task(
        self, job: Job, lease: Lease, objects: Mapping[str, Sequence[tuple[str, str]]], beside: EarlierInputs
    ) -> Task:
        files = {name: tuple(self._objects.path(key) for _, key in found) for name, found in objects.items()}
        files |= {earlier_name(name): tuple(map(self._objects.path, keys)) for name, keys in beside.keys.items()}
        # A holder that lost the job may still be at work on this machine: each claim has a file of its own.
        return Task(job.model, job.version, files, self._scratch / f"{job.id}.{lease.epoch}")

    def _kept(
        self, job: Job, task: Task, outcome: Answer | NodeError, beside: EarlierInputs, lacks: str
    ) -> Inferred | NodeError:
        if isinstance(outcome, NodeError):
            return outcome
        try:
            findings = _told(self._keep_arrays(job, task.scratch, outcome.findings), beside, lacks)
            return Inferred(findings, outcome.seconds, beside.study, self._made_by(job.model_digest))
        except NodeError as error:
            return error

    def _keep_arrays(self, job: Job, scratch: Path, findings: Findings) -> Findings:
        """The findings with the keys under which their arrays are stored."""
        if findings.model.digest != job.model_digest:
            raise ConfigurationError(
                f"package {job.model} was changed since this job was requested: give what was changed a new version"
            )
        mask = findings.mask
        if mask:
            kept = self._keep("masks", job, mask.sha256, mask_file(scratch), math.prod(mask.shape))
            mask = replace(mask, key=kept)
        maps = tuple(
            replace(one, key=self._keep("maps", job, one.sha256, map_file(scratch, number), 4 * math.prod(one.shape)))
            for number, one in enumerate(findings.maps)
        )
        if mask or maps:
            self._objects.sync()
        return replace(findings, mask=mask, maps=maps)

    def _keep(self, kind: str, job: Job, sha256: str, draft: Path, size: int) -> str:
        # What does not shrink grows by five bytes for each 16 KiB (zlib, deflateBound).
        if size > _MOST or draft.stat().st_size > size + size // 1000 + 1024:
            draft.unlink()
            raise Permanent(f"{job.model} wrote more into {kind} than their shape, or any series, has room for")
        # Named by its content: a holder that lost the job puts nothing else under the key of the other's findings.
        key = f"{kind}/{sha256[:2]}/{job.id}.{sha256}"
        self._objects.put(key, [draft.read_bytes()])
        draft.unlink()
        return key

    def succeeded(self, transaction: Transaction, item: Job, result: Inferred) -> str:
        """Keep the findings and announce them; those of an early job once its study is complete and wants them."""
        connection, now, findings = transaction.connection, self._clock.now(), result.findings
        event, reason = (JobEvent.SUCCEED_EARLY, early.FOUND) if item.early else (JobEvent.SUCCEED, "done")
        state = JOBS.move(connection, item.id, event, reason=reason, findings=findings.to_json(), finished_at=now)
        if not item.early:
            early.announce(transaction, item, findings, now)
        transaction.record(
            Action.INFERRED,
            item.study_id,
            **_about(item),
            weights_digest=result.made_by.weights,
            thresholds=result.made_by.thresholds,
            input_digest=findings.input_digest,
            engine=findings.engine,
            mask=findings.mask.sha256 if findings.mask else "",
            maps=[one.sha256 for one in findings.maps],
            **({"earlier_study": result.earlier} if result.earlier else {}),
            milliseconds={step: round(seconds * 1000) for step, seconds in result.seconds.items()},
        )
        if not item.early:
            self._when_ended(transaction, item.study_id, now)
        return state.value

    def failure(self, error: NodeError) -> JobEvent:
        """A job that was too slow, and one whose images are not suitable, is told apart from one that failed."""
        if isinstance(error, NotSuitable):
            return JobEvent.REFUSE
        return JobEvent.TIME_OUT if isinstance(error, TimedOut) else JobEvent.FAIL

    def retried(self, transaction: Transaction, item: Job, reason: str, said: str) -> None:
        """Say why and when."""
        note_progress(transaction.connection, item.study_id, f"{item.model}: {said}", self._clock.now())
        transaction.record(Action.JOB_RETRIED, item.study_id, **_about(item), reason=reason)

    def taken_back(self, transaction: Transaction, item: Job, reason: str) -> None:
        """Say that its worker was lost."""
        note_progress(transaction.connection, item.study_id, f"{item.model}: {reason}", self._clock.now())
        transaction.record(Action.JOB_LOST, item.study_id, **_about(item), reason=reason)

    def cancelled(self, transaction: Transaction, item: Job, reason: str) -> None:
        """The study has a newer job, which says where it is; or an early one was in vain."""
        if item.early:
            metrics.early_jobs.labels("in vain").inc()
        transaction.record(Action.JOB_CANCELLED, item.study_id, **_about(item), reason=reason)

    def ended(self, transaction: Transaction, item: Job, error: NodeError) -> str:
        """The study is stuck until a person has looked, unless a package failed and others have their say.

        Where a guard refuses the images, that is the answer, and the study goes on. What an early job came to is said
        when its study is complete and asks again.
        """
        if item.early:
            reason = f"{early.ENDED}: {error.sentence}"
            JOBS.move(transaction.connection, item.id, JobEvent.CANCEL, reason=reason, finished_at=self._clock.now())
            self.cancelled(transaction, item, reason)
            return JobState.CANCELLED.value
        if isinstance(error, NotSuitable):
            return self._not_suitable(transaction, item, error.sentence)
        connection, now, reason = transaction.connection, self._clock.now(), error.sentence
        state = JOBS.move(connection, item.id, self.failure(error), reason=reason, finished_at=now)
        data = InferenceFailed(item.id, item.model, item.version, item.revision, state.value, item.attempts)
        transaction.emit(Event(data, item.study_id, now))
        transaction.record(Action.JOB_FAILED, item.study_id, **_about(item), reason=reason, state=state.value)
        said = f"{item.model}: {reason}"
        if isinstance(error, ConfigurationError | IntegrityError) and jobs.others_go_on(connection, item):
            note_progress(connection, item.study_id, said, now)
        else:
            stuck.stop(transaction, item.study_id, stuck.Cause.INFERENCE, said, now, item.revision)
        self._when_ended(transaction, item.study_id, now)
        return state.value

    def _not_suitable(self, transaction: Transaction, item: Job, reason: str) -> str:
        connection, now = transaction.connection, self._clock.now()
        state = JOBS.move(connection, item.id, JobEvent.REFUSE, reason=reason, finished_at=now)
        note_progress(connection, item.study_id, f"{item.model}: not suitable: {reason}", now)
        data = InferenceNotSuitable(item.id, item.model, item.version, item.revision)
        transaction.emit(Event(data, item.study_id, now))
        transaction.record(Action.JOB_NOT_SUITABLE, item.study_id, **_about(item), reason=reason)
        self._when_ended(transaction, item.study_id, now)
        return state.value

    def abandoned(self, transaction: Transaction, row: uuid.UUID, study: StudyId, error: NodeError) -> None:
        """The study is stuck until a person has looked."""
        transaction.record(Action.JOB_FAILED, study, job=str(row), reason=error.sentence, state=JobState.FAILED.value)
        if jobs.is_early(transaction.connection, row):
            JOBS.move(transaction.connection, row, JOBS.retry, JOBS.cancel, reason=f"{early.ENDED}: {error.sentence}")
            return
        now = self._clock.now()
        stuck.stop(transaction, study, stuck.Cause.INFERENCE, error.sentence, now)
        self._when_ended(transaction, study, now)

    def settled(self, item: Job, state: str, seconds: float, error: NodeError | None = None) -> None:
        """Count and log it: what failed with a word of why, for the reason itself may quote what an image says."""
        metrics.inference_seconds.labels(item.model, state).observe(seconds)
        extra = {"study": item.study_id, "job": item.id, "model": item.model, "outcome": state}
        if error is None or isinstance(error, NotSuitable):
            _log.info("inference ended", extra=extra)
        else:
            _log.warning("inference failed", extra={**extra, "reason": word(error)})


def _refusal(connection: Connection, job: Job) -> UnusableInput | None:
    """Of a series of which something came and cannot be read a model would see a part, and nobody be told."""
    ids = {job.series_id, *map(uuid.UUID, job.inputs.values())}
    count = unreadable_of_series(connection, job.study_id, ids)
    if not count:
        return None
    them = "it" if count == 1 else "them"
    return UnusableInput(
        f"{count} image{'s' * (count > 1)} of the series came and cannot be read: have {them} sent again "
        f"(dicom-node status {str(job.study_id)[:8]} says which and why)"
    )


def _told(findings: Findings, beside: EarlierInputs, lacks: str) -> Findings:
    """With what the study `lacks`, and of the earlier one what is said once something was compared with it."""
    compared = any(one.compared for one in findings.segments)
    said = [f"not all of the study had come when it was read: {lacks}"] if lacks else []
    said += [beside.remark] if beside.remark and (compared or not beside.study) else []
    return replace(findings, remarks=(*findings.remarks, *said))


def _about(job: Job) -> dict[str, str | int]:
    """What the trail says of a job: of its input the digest of the files' digests (domain.ids.set_digest)."""
    named = {"job": str(job.id), "model": job.model, "version": job.version}
    named |= {"model_digest": job.model_digest, "input_set": job.input_set}
    return {**named, "revision": job.revision, "attempt": job.attempts, **({"early": True} if job.early else {})}
