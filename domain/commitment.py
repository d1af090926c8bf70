"""Storage commitment: what is decided of an instance, and the states of a transaction on either side.

A commitment (somebody asks us)  waiting → pending → sending → reported; pending ← failed, with backoff
A commitment request (we ask)    pending → asking → committed | uncommitted; pending ← waits for the report or failed;
                                 resent while objects that the archive lacks are delivered once more
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class FailureReason(IntEnum):
    """Failure Reason (0008,1197), PS3.3 C.14.1.1."""

    COMMITTED = 0
    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    CLASS_NOT_SUPPORTED = 0x0122
    DUPLICATE_TRANSACTION = 0x0131
    RESOURCE_LIMITATION = 0x0213


class CommitmentState(StrEnum):
    """Where what somebody asked stands."""

    WAITING = "waiting"  # for instances that are on their way
    PENDING = "pending"  # decided; the report waits to be sent
    SENDING = "sending"
    FAILED = "failed"
    REPORTED = "reported"
    UNREPORTED = "unreported"  # nobody took the report, for as long as it was tried
    CANCELLED = "cancelled"


class CommitmentEvent(StrEnum):
    """What happens to what somebody asked."""

    ASK = "ask"  # once more
    DECIDE = "decide"
    SEND = "send"
    TELL = "tell"  # its report was taken, on whichever association
    FAIL = "fail"
    RETRY = "retry"
    GIVE_UP = "give_up"
    SENDER_LOST = "sender_lost"
    CANCEL = "cancel"


class RequestState(StrEnum):
    """Where what we ask of an archive stands."""

    PENDING = "pending"  # to be asked, or asked and the report is waited for
    ASKING = "asking"
    FAILED = "failed"
    RESENT = "resent"  # what it lacks is delivered once more
    COMMITTED = "committed"
    UNCOMMITTED = "uncommitted"  # the archive cannot say so, or says no
    CANCELLED = "cancelled"


class RequestEvent(StrEnum):
    """What happens to what we ask."""

    ASK = "ask"
    WAIT = "wait"
    COMMIT = "commit"
    RESEND = "resend"
    FAIL = "fail"
    RETRY = "retry"
    GIVE_UP = "give_up"
    ASKER_LOST = "asker_lost"
    CANCEL = "cancel"


COMMITMENT: Mapping[tuple[CommitmentState, CommitmentEvent], CommitmentState] = {
    (CommitmentState.WAITING, CommitmentEvent.DECIDE): CommitmentState.PENDING,
    (CommitmentState.PENDING, CommitmentEvent.SEND): CommitmentState.SENDING,
    (CommitmentState.PENDING, CommitmentEvent.TELL): CommitmentState.REPORTED,
    (CommitmentState.SENDING, CommitmentEvent.TELL): CommitmentState.REPORTED,
    (CommitmentState.SENDING, CommitmentEvent.FAIL): CommitmentState.FAILED,
    (CommitmentState.SENDING, CommitmentEvent.GIVE_UP): CommitmentState.UNREPORTED,
    (CommitmentState.SENDING, CommitmentEvent.SENDER_LOST): CommitmentState.PENDING,
    (CommitmentState.FAILED, CommitmentEvent.RETRY): CommitmentState.PENDING,
    # Who asks again has not heard.
    (CommitmentState.REPORTED, CommitmentEvent.ASK): CommitmentState.WAITING,
    (CommitmentState.UNREPORTED, CommitmentEvent.ASK): CommitmentState.WAITING,
    (CommitmentState.UNREPORTED, CommitmentEvent.TELL): CommitmentState.REPORTED,
    (CommitmentState.PENDING, CommitmentEvent.CANCEL): CommitmentState.CANCELLED,
    (CommitmentState.SENDING, CommitmentEvent.CANCEL): CommitmentState.CANCELLED,
}

REQUEST: Mapping[tuple[RequestState, RequestEvent], RequestState] = {
    (RequestState.PENDING, RequestEvent.ASK): RequestState.ASKING,
    (RequestState.ASKING, RequestEvent.WAIT): RequestState.PENDING,
    (RequestState.ASKING, RequestEvent.COMMIT): RequestState.COMMITTED,
    (RequestState.ASKING, RequestEvent.RESEND): RequestState.RESENT,
    (RequestState.ASKING, RequestEvent.FAIL): RequestState.FAILED,
    (RequestState.ASKING, RequestEvent.GIVE_UP): RequestState.UNCOMMITTED,
    (RequestState.ASKING, RequestEvent.ASKER_LOST): RequestState.PENDING,
    (RequestState.PENDING, RequestEvent.CANCEL): RequestState.CANCELLED,
    (RequestState.ASKING, RequestEvent.CANCEL): RequestState.CANCELLED,
    # A delivery that was stored once more is asked about anew, however the last question ended.
    **{(state, RequestEvent.RETRY): RequestState.PENDING for state in RequestState if state != RequestState.ASKING},
}


@dataclass(frozen=True)
class Held:
    """What the index has of one instance that is asked about.

    `sop_class` is "" where it has none; `synced` says that its object is on disk for good, `doubted` that other bytes
    came under its UID or that what came could not be read.
    """

    sop_class: str
    synced: bool
    doubted: bool


def judged(asked_class: str, held: Held, *, all_came: bool, is_old: bool) -> FailureReason | None:
    """What is said of one instance; None while that is still to be found out.

    What is not there may be on its way until `all_came`; what is not synced will be, unless its host is lost, which is
    so where the question `is_old`.
    """
    if held.doubted:
        return FailureReason.PROCESSING_FAILURE
    if not held.sop_class:
        return FailureReason.NO_SUCH_INSTANCE if all_came else None
    if held.sop_class != asked_class:
        return FailureReason.CLASS_INSTANCE_CONFLICT
    if not held.synced:
        return FailureReason.PROCESSING_FAILURE if is_old else None
    return FailureReason.COMMITTED
