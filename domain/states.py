"""The five state machines as tables. A pair that is not in a table raises.

A study   receiving → complete → (amended → complete)* → archived; stuck from any, always with a reason
A job     requested → leased → running → succeeded | not_suitable | failed | timed_out; failed → requested while
          retries last; one that was started before its study was complete → found_early → succeeded
A delivery  pending → sending → stored → committed; pending ← failed, with backoff; refused when the peer never will
A summary  requested → running → succeeded | failed; what failed or was cancelled is requested again by a person or by
         another end of a model
A procedure step  in progress → completed | discontinued, as its modality says (PS3.4 F.7)
All but studies and procedure steps are cancelled, with the reason, where nobody wants their outcome any more.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from domain.errors import IllegalTransition

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class StudyState(StrEnum):
    """Where a study stands."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    AMENDED = "amended"
    ARCHIVED = "archived"
    STUCK = "stuck"


class StudyEvent(StrEnum):
    """What happens to a study."""

    INSTANCE = "instance"  # a new instance was indexed
    SETTLED = "settled"  # its last association has closed and the settle time has passed
    FAILED = "failed"  # a step after completion cannot go on
    RELEASED = "released"  # a person, or a later step that succeeded, took it out of stuck
    ARCHIVE = "archive"


class JobState(StrEnum):
    """Where an inference stands."""

    REQUESTED = "requested"
    LEASED = "leased"
    RUNNING = "running"
    FOUND_EARLY = "found_early"  # its findings are there, and no complete study wants them yet
    SUCCEEDED = "succeeded"
    NOT_SUITABLE = "not_suitable"  # an answer too: the model was not made for these images
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class JobEvent(StrEnum):
    """What happens to an inference."""

    LEASE = "lease"
    START = "start"
    SUCCEED = "succeed"
    SUCCEED_EARLY = "succeed_early"  # its study is not complete
    WANT = "want"  # its study is complete and wants this very input
    REFUSE = "refuse"  # a guard of its package found the images not suitable
    FAIL = "fail"
    TIME_OUT = "time_out"
    RETRY = "retry"
    LEASE_LOST = "lease_lost"  # its worker died or fell silent
    CANCEL = "cancel"  # a newer revision of the study does not want it
    ACCEPT = "accept"  # a person lets the study go on without it


class DeliveryState(StrEnum):
    """Where the results of one job stand on their way to one destination."""

    PENDING = "pending"
    SENDING = "sending"
    STORED = "stored"
    COMMITTED = "committed"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class DeliveryEvent(StrEnum):
    """What happens to a delivery."""

    SEND = "send"
    STORE = "store"
    COMMIT = "commit"
    FAIL = "fail"
    RETRY = "retry"
    REFUSE = "refuse"
    SENDER_LOST = "sender_lost"  # its process died in mid-association
    CANCEL = "cancel"  # newer results arrived before, or the destination is no longer one


class SummaryState(StrEnum):
    """Where the impression of a study's revision stands; its way as a result is that of deliveries."""

    REQUESTED = "requested"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SummaryEvent(StrEnum):
    """What happens to the impression of a study's revision."""

    START = "start"
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"
    LEASE_LOST = "lease_lost"  # its process died or fell silent
    CANCEL = "cancel"  # other findings are there by now, or nobody wants it


class ProcedureStepState(StrEnum):
    """Where a modality's procedure step stands (PS3.4 table F.1-3)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class ProcedureStepEvent(StrEnum):
    """What its modality says of a procedure step, by N-SET."""

    UPDATE = "update"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"


STUDY: Mapping[tuple[StudyState, StudyEvent], StudyState] = {
    (StudyState.RECEIVING, StudyEvent.INSTANCE): StudyState.RECEIVING,
    (StudyState.RECEIVING, StudyEvent.SETTLED): StudyState.COMPLETE,
    (StudyState.COMPLETE, StudyEvent.INSTANCE): StudyState.AMENDED,
    (StudyState.COMPLETE, StudyEvent.ARCHIVE): StudyState.ARCHIVED,
    (StudyState.AMENDED, StudyEvent.INSTANCE): StudyState.AMENDED,
    (StudyState.AMENDED, StudyEvent.SETTLED): StudyState.COMPLETE,
    (StudyState.ARCHIVED, StudyEvent.INSTANCE): StudyState.AMENDED,
    (StudyState.STUCK, StudyEvent.INSTANCE): StudyState.AMENDED,
    (StudyState.STUCK, StudyEvent.RELEASED): StudyState.COMPLETE,
    **{(state, StudyEvent.FAILED): StudyState.STUCK for state in StudyState},
}

JOB: Mapping[tuple[JobState, JobEvent], JobState] = {
    (JobState.REQUESTED, JobEvent.LEASE): JobState.LEASED,
    (JobState.LEASED, JobEvent.START): JobState.RUNNING,
    (JobState.LEASED, JobEvent.LEASE_LOST): JobState.REQUESTED,
    (JobState.RUNNING, JobEvent.LEASE_LOST): JobState.REQUESTED,
    (JobState.RUNNING, JobEvent.SUCCEED): JobState.SUCCEEDED,
    (JobState.RUNNING, JobEvent.SUCCEED_EARLY): JobState.FOUND_EARLY,
    (JobState.FOUND_EARLY, JobEvent.WANT): JobState.SUCCEEDED,
    (JobState.FOUND_EARLY, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.RUNNING, JobEvent.REFUSE): JobState.NOT_SUITABLE,
    (JobState.RUNNING, JobEvent.FAIL): JobState.FAILED,
    (JobState.RUNNING, JobEvent.TIME_OUT): JobState.TIMED_OUT,
    (JobState.FAILED, JobEvent.RETRY): JobState.REQUESTED,
    (JobState.TIMED_OUT, JobEvent.RETRY): JobState.REQUESTED,
    (JobState.CANCELLED, JobEvent.RETRY): JobState.REQUESTED,
    (JobState.FAILED, JobEvent.ACCEPT): JobState.CANCELLED,
    (JobState.TIMED_OUT, JobEvent.ACCEPT): JobState.CANCELLED,
    (JobState.REQUESTED, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.LEASED, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.RUNNING, JobEvent.CANCEL): JobState.CANCELLED,
}

DELIVERY: Mapping[tuple[DeliveryState, DeliveryEvent], DeliveryState] = {
    (DeliveryState.PENDING, DeliveryEvent.SEND): DeliveryState.SENDING,
    (DeliveryState.SENDING, DeliveryEvent.STORE): DeliveryState.STORED,
    (DeliveryState.SENDING, DeliveryEvent.FAIL): DeliveryState.FAILED,
    (DeliveryState.SENDING, DeliveryEvent.REFUSE): DeliveryState.REFUSED,
    (DeliveryState.SENDING, DeliveryEvent.SENDER_LOST): DeliveryState.PENDING,
    (DeliveryState.FAILED, DeliveryEvent.RETRY): DeliveryState.PENDING,
    (DeliveryState.REFUSED, DeliveryEvent.RETRY): DeliveryState.PENDING,
    (DeliveryState.CANCELLED, DeliveryEvent.RETRY): DeliveryState.PENDING,  # its destination is one again
    (DeliveryState.STORED, DeliveryEvent.RETRY): DeliveryState.PENDING,  # without an object, by an earlier release
    (DeliveryState.STORED, DeliveryEvent.COMMIT): DeliveryState.COMMITTED,
    (DeliveryState.PENDING, DeliveryEvent.CANCEL): DeliveryState.CANCELLED,
    (DeliveryState.SENDING, DeliveryEvent.CANCEL): DeliveryState.CANCELLED,
    (DeliveryState.FAILED, DeliveryEvent.CANCEL): DeliveryState.CANCELLED,
    (DeliveryState.REFUSED, DeliveryEvent.CANCEL): DeliveryState.CANCELLED,
}

SUMMARY: Mapping[tuple[SummaryState, SummaryEvent], SummaryState] = {
    (SummaryState.REQUESTED, SummaryEvent.START): SummaryState.RUNNING,
    (SummaryState.RUNNING, SummaryEvent.LEASE_LOST): SummaryState.REQUESTED,
    (SummaryState.RUNNING, SummaryEvent.SUCCEED): SummaryState.SUCCEEDED,
    (SummaryState.RUNNING, SummaryEvent.FAIL): SummaryState.FAILED,
    (SummaryState.FAILED, SummaryEvent.RETRY): SummaryState.REQUESTED,
    (SummaryState.CANCELLED, SummaryEvent.RETRY): SummaryState.REQUESTED,
    (SummaryState.REQUESTED, SummaryEvent.CANCEL): SummaryState.CANCELLED,
    (SummaryState.RUNNING, SummaryEvent.CANCEL): SummaryState.CANCELLED,
    (SummaryState.FAILED, SummaryEvent.CANCEL): SummaryState.CANCELLED,
}

PROCEDURE_STEP: Mapping[tuple[ProcedureStepState, ProcedureStepEvent], ProcedureStepState] = {
    (ProcedureStepState.IN_PROGRESS, ProcedureStepEvent.UPDATE): ProcedureStepState.IN_PROGRESS,
    (ProcedureStepState.IN_PROGRESS, ProcedureStepEvent.COMPLETE): ProcedureStepState.COMPLETED,
    (ProcedureStepState.IN_PROGRESS, ProcedureStepEvent.DISCONTINUE): ProcedureStepState.DISCONTINUED,
}


def advance(table: Mapping[tuple[S, E], S], state: S, event: E) -> S:
    """The state that follows `state` on `event`; raises IllegalTransition where the table has no such pair."""
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(f"{type(state).__name__}: no transition from {state} on {event}") from None
