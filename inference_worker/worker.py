"""Takes jobs, one at a time, and gives each a warm model process with a hard limit of time.

The lease is renewed while the model runs, so that a worker that dies loses its job to another within seconds, and one
that only takes long does not.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from audit.trail import Action, Ledger, Transaction
from config import metrics
from domain.clock import Clock, SystemClock
from domain.errors import IntegrityError, NodeError, Permanent, Retryable, Unavailable
from domain.events import Event, EventType
from domain.findings import Findings
from domain.retry import RetryPolicy
from domain.states import JobEvent, JobState, StudyEvent
from inference_worker.child import Answer, ModelChild, Task, TimedOut
from store import jobs
from store.assembly import note_progress
from store.jobs import Job
from store.log import move_study
from store.objects import ObjectStore

_log = logging.getLogger(__name__)


class Worker:
    """One worker: one model process. `name` is the owner of its leases; `lease` is in seconds.

    `timeout` (s) is what one inference may take; `scratch` is a folder for a mask on its way into the store; `alive` is
    called while a model runs, for whoever wonders about a loop that does not come round.
    """

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        child: ModelChild,
        policy: RetryPolicy,
        timeout: float,
        lease: float,
        scratch: Path,
        name: str = "",
        clock: Clock | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._child = child
        self._policy = policy
        self._timeout = timeout
        self._lease = lease
        self._scratch = scratch
        self._name = name or f"worker@{socket.gethostname()}"
        self._clock = clock or SystemClock()
        self._alive = alive

    def take_back(self, own: bool = False) -> None:
        """Jobs whose worker died are requested again; with `own` also those of an earlier life of this worker."""
        while True:
            with self._ledger.transaction() as transaction:
                lost = jobs.pick_lost(transaction.connection, self._name if own else None, self._clock.now())
                if lost is None:
                    return
                self._lost(transaction, lost)

    def step(self) -> bool:
        """Run one job that is due; False where none is. Raises Unavailable where the database does not answer."""
        job = self._claim()
        if job is None:
            return False
        begun = self._clock.now()
        outcome = self._run(job)
        seconds = (self._clock.now() - begun).total_seconds()
        metrics.inference_seconds.labels(job.model, outcome).observe(seconds)
        _log.info(
            "inference ended", extra={"study": job.study_id, "job": job.id, "model": job.model, "outcome": outcome}
        )
        return True

    def _claim(self) -> Job | None:
        with self._ledger.transaction() as transaction:
            job = jobs.claim(transaction.connection, self._name, self._clock.now(), self._lease)
            if job:
                now = self._clock.now()
                note_progress(transaction.connection, job.study_id, f"{job.model} runs", now)
                transaction.record(Action.JOB_LEASED, job.study_id, **_about(job), worker=self._name)
            return job

    def _run(self, job: Job) -> str:
        try:
            with self._lease_kept(job):
                answer = self._infer(job)
            self._succeeded(job, answer)
            return JobState.SUCCEEDED
        except Unavailable:
            raise
        except TimedOut as error:
            return self._failed(job, JobEvent.TIME_OUT, error)
        except (Permanent, Retryable, IntegrityError) as error:
            return self._failed(job, JobEvent.FAIL, error)

    def _infer(self, job: Job) -> Answer:
        with self._ledger.database.transaction() as connection:
            inputs = jobs.objects_of(connection, job)
        files = tuple(self._objects.path(key) for _, key in inputs)
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._child.run(Task(job.model, job.version, files, self._mask(job)), self._timeout)

    def _mask(self, job: Job) -> Path:
        return self._scratch / f"{job.id}.mask"

    @contextmanager
    def _lease_kept(self, job: Job) -> Iterator[None]:
        """Renew the lease three times within its length, from a thread, while the model runs."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self._lease / 3):
                self._alive()
                until = self._clock.now() + timedelta(seconds=self._lease)
                try:
                    with self._ledger.database.transaction() as connection:
                        jobs.renew(connection, job.id, self._name, until)
                except NodeError as error:
                    _log.warning("lease not renewed", extra={"job": job.id, "reason": str(error)})

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _succeeded(self, job: Job, answer: Answer) -> None:
        findings = self._keep_mask(job, answer)
        with self._ledger.transaction() as transaction:
            if not jobs.lock_own(transaction.connection, job.id, self._name):
                return  # another worker has it by now, and will come to the same
            now = self._clock.now()
            jobs.move(
                transaction.connection,
                job,
                JobEvent.SUCCEED,
                now=now,
                reason="done",
                findings=findings.to_json(),
                finished_at=now,
            )
            note_progress(transaction.connection, job.study_id, f"{job.model} done; results are being written", now)
            data = {**_announced(job), "segments": len(findings.segments)}
            transaction.emit(Event(EventType.INFERENCE_COMPLETED, job.study_id, now, data))
            transaction.record(
                Action.INFERRED,
                job.study_id,
                **_about(job),
                model_digest=job.model_digest,
                input_digest=findings.input_digest,
                mask=findings.mask.sha256 if findings.mask else "",
                milliseconds={step: round(seconds * 1000) for step, seconds in answer.seconds.items()},
            )

    def _keep_mask(self, job: Job, answer: Answer) -> Findings:
        findings = answer.findings
        if findings.model.digest != job.model_digest:
            raise Permanent(f"package {job.model} was changed since this job was requested; send the study again")
        if findings.mask is None:
            return findings
        key = f"masks/{findings.mask.sha256[:2]}/{job.id}"
        draft = self._mask(job)
        self._objects.put(key, [draft.read_bytes()])
        self._objects.sync()
        draft.unlink()
        return replace(findings, mask=replace(findings.mask, key=key))

    def _failed(self, job: Job, how: JobEvent, error: NodeError) -> str:
        """Try again after a pause, or end the job with its reason where that cannot help or was tried enough."""
        with self._ledger.transaction() as transaction:
            if not jobs.lock_own(transaction.connection, job.id, self._name):
                return "lost"
            delay = self._policy.delay(job.attempts) if isinstance(error, Retryable) else None
            if delay is None:
                self._end(transaction, job, how, str(error))
            else:
                self._again(transaction, job, (how, JobEvent.RETRY), str(error), delay)
        return JobState.TIMED_OUT if how is JobEvent.TIME_OUT else JobState.FAILED

    def _lost(self, transaction: Transaction, job: Job) -> None:
        delay = self._policy.delay(job.attempts)
        if delay is None:
            self._end(transaction, job, JobEvent.FAIL, f"its worker died {job.attempts} times")
        else:
            self._again(transaction, job, (JobEvent.LEASE_LOST,), "its worker was lost", 0.0)

    def _again(
        self, transaction: Transaction, job: Job, happened: tuple[JobEvent, ...], reason: str, delay: float
    ) -> None:
        now = self._clock.now()
        said = f"{reason}; attempt {job.attempts}, next in {delay:g} s"
        due = now + timedelta(seconds=delay)
        jobs.move(transaction.connection, job, *happened, now=now, reason=said, not_before=due)
        note_progress(transaction.connection, job.study_id, f"{job.model}: {said}", now)
        transaction.record(Action.JOB_LOST, job.study_id, **_about(job), reason=reason)

    def _end(self, transaction: Transaction, job: Job, how: JobEvent, reason: str) -> None:
        now = self._clock.now()
        state = jobs.move(transaction.connection, job, how, now=now, reason=reason, finished_at=now)
        said = f"{job.model}: {reason}"
        stuck = move_study(transaction.connection, job.study_id, StudyEvent.FAILED, said, now, job.revision)
        data = {**_announced(job), "state": state.value, "attempts": job.attempts}
        transaction.emit(Event(EventType.INFERENCE_FAILED, job.study_id, now, data))
        transaction.record(Action.JOB_FAILED, job.study_id, **_about(job), reason=reason, state=state.value)
        if stuck:
            transaction.record(Action.STUDY_STUCK, job.study_id, reason=said)


def _announced(job: Job) -> dict[str, str | int]:
    return {"job": str(job.id), "model": job.model, "version": job.version, "revision": job.revision}


def _about(job: Job) -> dict[str, str | int]:
    return {**_announced(job), "attempt": job.attempts}
