"""Takes jobs and gives each a warm model process with a hard limit of time.

The lease is renewed while the model runs, so that a worker that dies loses its job to another within seconds, and one
that only takes long does not.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from audit.trail import Action, Ledger, Transaction
from config import metrics
from consumers.steps import stuck
from domain.clock import Clock, SystemClock
from domain.errors import IntegrityError, NodeError, Permanent, Retryable, Unavailable
from domain.events import Event, InferenceCompleted, InferenceFailed
from domain.findings import Findings
from domain.retry import RetryPolicy
from domain.states import JobEvent, JobState
from inference_worker.model_process import Answer, ModelProcess, Task, TimedOut, map_file, mask_file
from store import jobs
from store.jobs import Job
from store.objects import ObjectStore
from store.studies import note_progress

_log = logging.getLogger(__name__)


class Worker:
    """One worker: one model process. `name` is the owner of its leases; `lease` is in seconds.

    `timeout` (s) is what one inference may take; `scratch` is a folder for a mask on its way into the store; `alive` is
    called while a model runs, for whoever wonders about a loop that does not come round; `together` gives how many jobs
    of a model may run at once, which is 1 but for models that read images.
    """

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        child: ModelProcess,
        policy: RetryPolicy,
        timeout: float,
        lease: float,
        scratch: Path,
        name: str = "",
        clock: Clock | None = None,
        alive: Callable[[], None] = lambda: None,
        together: Callable[[str], int] = lambda model: 1,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._child = child
        self._policy = policy
        self._timeout = timeout
        self._lease = lease
        self._scratch = scratch
        self._together = together
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
        """Run what is due; False where nothing is. Raises Unavailable where the database does not answer.

        That is one job, or several of one model that reads images: `together` says how many of it.
        """
        claimed = self._claim()
        if not claimed:
            return False
        begun = self._clock.now()
        with self._leases_kept(claimed):
            outcomes = self._infer(claimed)
            for job, outcome in zip(claimed, outcomes, strict=True):
                self._settled(job, outcome, (self._clock.now() - begun).total_seconds())
        return True

    def _claim(self) -> list[Job]:
        with self._ledger.transaction() as transaction:
            first = jobs.claim(transaction.connection, self._name, self._clock.now(), self._lease)
            if first is None:
                return []
            claimed = [first]
            while len(claimed) < self._together(first.model):
                another = jobs.claim(transaction.connection, self._name, self._clock.now(), self._lease, like=first)
                if another is None:
                    break
                claimed.append(another)
            for job in claimed:
                now = self._clock.now()
                note_progress(transaction.connection, job.study_id, f"{job.model} runs", now)
                transaction.record(Action.JOB_LEASED, job.study_id, **_about(job), worker=self._name)
            return claimed

    def _infer(self, claimed: Sequence[Job]) -> Sequence[Answer | NodeError]:
        """What came of each job. The files of the job that is due next are read meanwhile, whoever will take it."""
        with self._ledger.database.transaction() as connection:
            tasks = [self._task(job, jobs.objects_of(connection, job)) for job in claimed]
            after = jobs.peek(connection, self._clock.now())
            upcoming = self._task(after, jobs.objects_of(connection, after)) if after else None
        self._scratch.mkdir(parents=True, exist_ok=True)
        if len(tasks) > 1:
            return self._child.run_together(tasks, self._timeout)
        try:
            return [self._child.run(tasks[0], self._timeout, upcoming)]
        except NodeError as error:
            return [error]

    def _task(self, job: Job, objects: Mapping[str, Sequence[tuple[str, str]]]) -> Task:
        files = {name: tuple(self._objects.path(key) for _, key in found) for name, found in objects.items()}
        return Task(job.model, job.version, files, self._scratch / str(job.id))

    def _settled(self, job: Job, outcome: Answer | NodeError, seconds: float) -> None:
        try:
            if isinstance(outcome, NodeError):
                raise outcome
            self._succeeded(job, outcome)
            state: str = JobState.SUCCEEDED
        except Unavailable:
            raise
        except TimedOut as error:
            state = self._failed(job, JobEvent.TIME_OUT, error)
        except (Permanent, Retryable, IntegrityError) as error:
            state = self._failed(job, JobEvent.FAIL, error)
        metrics.inference_seconds.labels(job.model, state).observe(seconds)
        _log.info("inference ended", extra={"study": job.study_id, "job": job.id, "model": job.model, "outcome": state})

    @contextmanager
    def _leases_kept(self, claimed: Sequence[Job]) -> Iterator[None]:
        """Renew the leases three times within their length, from a thread, while the model runs."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self._lease / 3):
                self._alive()
                until = self._clock.now() + timedelta(seconds=self._lease)
                try:
                    with self._ledger.database.transaction() as connection:
                        for job in claimed:
                            jobs.renew(connection, job.id, self._name, until)
                except NodeError as error:
                    _log.warning("leases not renewed", extra={"jobs": len(claimed), "reason": str(error)})

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _succeeded(self, job: Job, answer: Answer) -> None:
        findings = self._keep_arrays(job, answer)
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
            data = InferenceCompleted(job.id, job.model, job.version, job.revision, len(findings.segments))
            transaction.emit(Event(data, job.study_id, now))
            transaction.record(
                Action.INFERRED,
                job.study_id,
                **_about(job),
                model_digest=job.model_digest,
                input_digest=findings.input_digest,
                engine=findings.engine,
                mask=findings.mask.sha256 if findings.mask else "",
                maps=[one.sha256 for one in findings.maps],
                milliseconds={step: round(seconds * 1000) for step, seconds in answer.seconds.items()},
            )

    def _keep_arrays(self, job: Job, answer: Answer) -> Findings:
        """The findings with the keys under which their arrays are stored."""
        findings = answer.findings
        if findings.model.digest != job.model_digest:
            raise Permanent(f"package {job.model} was changed since this job was requested; send the study again")
        scratch = self._scratch / str(job.id)
        mask = findings.mask
        if mask:
            mask = replace(mask, key=self._keep(f"masks/{mask.sha256[:2]}/{job.id}", mask_file(scratch)))
        maps = tuple(
            replace(one, key=self._keep(f"maps/{one.sha256[:2]}/{job.id}.{number}", map_file(scratch, number)))
            for number, one in enumerate(findings.maps)
        )
        if mask or maps:
            self._objects.sync()
        return replace(findings, mask=mask, maps=maps)

    def _keep(self, key: str, draft: Path) -> str:
        self._objects.put(key, [draft.read_bytes()])
        draft.unlink()
        return key

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
        data = InferenceFailed(job.id, job.model, job.version, job.revision, state.value, job.attempts)
        transaction.emit(Event(data, job.study_id, now))
        transaction.record(Action.JOB_FAILED, job.study_id, **_about(job), reason=reason, state=state.value)
        stuck.stop(transaction, job.study_id, stuck.Cause.INFERENCE, f"{job.model}: {reason}", now, job.revision)


def _about(job: Job) -> dict[str, str | int]:
    return {
        "job": str(job.id),
        "model": job.model,
        "version": job.version,
        "revision": job.revision,
        "attempt": job.attempts,
    }
