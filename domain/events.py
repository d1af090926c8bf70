"""The events that announce a change of state: CloudEvents 1.0 envelopes with internal ids and no identity.

The key is the internal study id, so that one study's events stay in order. Each kind of event has a payload: a frozen
dataclass that says what it carries, in which version, and how that is written and read. `docs/events/` holds a schema
of each; consumers accept every version that was ever published, and fields that they do not know.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self, TypeVar, get_type_hints

from domain.errors import Permanent
from domain.ids import JobId, StudyId, SummaryId, new_id

SOURCE = "/dicom-node"
P = TypeVar("P", bound="Payload")


class EventType(StrEnum):
    """What may be announced. The text is the CloudEvents type, without the version."""

    STUDY_COMPLETED = "study.completed"
    STUDY_AMENDED = "study.amended"
    STUDY_STUCK = "study.stuck"
    INFERENCE_REQUESTED = "inference.requested"
    INFERENCE_COMPLETED = "inference.completed"
    INFERENCE_NOT_SUITABLE = "inference.not_suitable"
    INFERENCE_FAILED = "inference.failed"
    RESULTS_REQUESTED = "results.requested"
    RESULTS_WRITTEN = "results.written"
    RESULTS_DELIVERED = "results.delivered"
    RESULTS_REJECTED = "results.rejected"
    DELIVERY_FAILED = "delivery.failed"
    SUMMARY_COMPLETED = "summary.completed"
    SUMMARY_FAILED = "summary.failed"
    SUMMARY_REQUESTED = "summary.requested"
    SUMMARY_WRITTEN = "summary.written"
    SUMMARY_DELIVERED = "summary.delivered"
    SUMMARY_UNDELIVERED = "summary.undelivered"
    SUMMARY_REJECTED = "summary.rejected"


@dataclass(frozen=True)
class Payload:
    """What an event of one type carries: internal ids, counts and states only.

    A field without a default is required; one that a later version added has a default, so that older events are read.
    """

    TYPE: ClassVar[EventType]
    VERSION: ClassVar[int] = 1

    def encode(self) -> dict[str, str | int]:
        """The payload as JSON has it."""
        return {one.name: _written(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def decode(cls, data: Mapping[str, object]) -> Self:
        """The payload in `data`; raises KeyError, TypeError or ValueError where it is none."""
        kinds = get_type_hints(cls)
        return cls(**{one.name: _READ[kinds[one.name]](data[one.name]) for one in fields(cls) if one.name in data})


@dataclass(frozen=True)
class StudyCompleted(Payload):
    """A study is complete for the first time; `revision` counts how often it was."""

    TYPE: ClassVar[EventType] = EventType.STUDY_COMPLETED
    revision: int
    series: int
    instances: int


@dataclass(frozen=True)
class StudyAmended(StudyCompleted):
    """A study that was complete has more instances and is complete again."""

    TYPE: ClassVar[EventType] = EventType.STUDY_AMENDED


@dataclass(frozen=True)
class StudyStuck(Payload):
    """A study cannot go on. The reason itself may quote and stays in the database; `reason_code` names its kind."""

    TYPE: ClassVar[EventType] = EventType.STUDY_STUCK
    reason_code: str = ""


@dataclass(frozen=True)
class OfJob(Payload):
    """What every event about an inference says: which one, and of which package."""

    job: JobId
    model: str
    version: str


@dataclass(frozen=True)
class InferenceRequested(OfJob):
    """A model is to run; `series` is the one that its results will refer to."""

    TYPE: ClassVar[EventType] = EventType.INFERENCE_REQUESTED
    revision: int
    series: uuid.UUID


@dataclass(frozen=True)
class InferenceCompleted(OfJob):
    """A model has run and its findings are stored; `segments` is how many it found."""

    TYPE: ClassVar[EventType] = EventType.INFERENCE_COMPLETED
    revision: int
    segments: int


@dataclass(frozen=True)
class InferenceNotSuitable(OfJob):
    """A guard of the package refused the images, which is no failure. The reason stays in the database."""

    TYPE: ClassVar[EventType] = EventType.INFERENCE_NOT_SUITABLE
    revision: int


@dataclass(frozen=True)
class InferenceFailed(OfJob):
    """An inference has ended without findings: `state` is "failed" or "timed_out"."""

    TYPE: ClassVar[EventType] = EventType.INFERENCE_FAILED
    revision: int
    state: str
    attempts: int


@dataclass(frozen=True)
class ResultsRequested(OfJob):
    """Results of an inference that is done are to be written once more, for what destinations take by now."""

    TYPE: ClassVar[EventType] = EventType.RESULTS_REQUESTED
    revision: int


@dataclass(frozen=True)
class ResultsWritten(OfJob):
    """An inference's findings are DICOM objects now: `objects` of them."""

    TYPE: ClassVar[EventType] = EventType.RESULTS_WRITTEN
    objects: int


@dataclass(frozen=True)
class ResultsDelivered(Payload):
    """A destination has stored an inference's results."""

    TYPE: ClassVar[EventType] = EventType.RESULTS_DELIVERED
    job: JobId
    delivery: uuid.UUID
    destination: str


@dataclass(frozen=True)
class ResultsRejected(OfJob):
    """Results of an inference count no more: `cause` is "superseded" or "withdrawn".

    `notes` rejection notes of them are to be written, one for each destination that has any of them.
    """

    TYPE: ClassVar[EventType] = EventType.RESULTS_REJECTED
    cause: str
    notes: int


@dataclass(frozen=True)
class DeliveryFailed(ResultsDelivered):
    """An inference's results could not be handed over: `state` is "failed" or "refused"."""

    TYPE: ClassVar[EventType] = EventType.DELIVERY_FAILED
    state: str


@dataclass(frozen=True)
class OfSummary(Payload):
    """What every event about an impression says: which one, and of which revision of the study."""

    summary: SummaryId
    revision: int


@dataclass(frozen=True)
class SummaryCompleted(OfSummary):
    """An impression is written, of so many facts and sentences: `author` is "template" or "language model"."""

    TYPE: ClassVar[EventType] = EventType.SUMMARY_COMPLETED
    facts: int
    sentences: int
    author: str


@dataclass(frozen=True)
class SummaryFailed(OfSummary):
    """An impression could not be written; the study's results are what they are without it."""

    TYPE: ClassVar[EventType] = EventType.SUMMARY_FAILED
    attempts: int


@dataclass(frozen=True)
class SummaryRequested(OfSummary):
    """An impression that is there is to be written once more, for what destinations take by now."""

    TYPE: ClassVar[EventType] = EventType.SUMMARY_REQUESTED


@dataclass(frozen=True)
class SummaryWritten(OfSummary):
    """An impression is DICOM objects now: `objects` of them."""

    TYPE: ClassVar[EventType] = EventType.SUMMARY_WRITTEN
    objects: int


@dataclass(frozen=True)
class SummaryDelivered(OfSummary):
    """A destination has stored an impression."""

    TYPE: ClassVar[EventType] = EventType.SUMMARY_DELIVERED
    delivery: uuid.UUID
    destination: str


@dataclass(frozen=True)
class SummaryUndelivered(SummaryDelivered):
    """An impression could not be handed over: `state` is "failed" or "refused"."""

    TYPE: ClassVar[EventType] = EventType.SUMMARY_UNDELIVERED
    state: str


@dataclass(frozen=True)
class SummaryRejected(OfSummary):
    """An impression counts no more: `cause` is "superseded" or "withdrawn".

    `notes` rejection notes of it are to be written, one for each destination that has it.
    """

    TYPE: ClassVar[EventType] = EventType.SUMMARY_REJECTED
    cause: str
    notes: int


PAYLOADS: Mapping[EventType, type[Payload]] = {
    one.TYPE: one
    for one in (
        StudyCompleted,
        StudyAmended,
        StudyStuck,
        InferenceRequested,
        InferenceCompleted,
        InferenceNotSuitable,
        InferenceFailed,
        ResultsRequested,
        ResultsWritten,
        ResultsDelivered,
        ResultsRejected,
        DeliveryFailed,
        SummaryCompleted,
        SummaryFailed,
        SummaryRequested,
        SummaryWritten,
        SummaryDelivered,
        SummaryUndelivered,
        SummaryRejected,
    )
}


@dataclass(frozen=True)
class Event:
    """One announcement about a study."""

    data: Payload
    study_id: StudyId
    time: datetime
    id: uuid.UUID = field(default_factory=new_id)

    def of(self, kind: type[P]) -> P:
        """The payload, which is of `kind`; raises Permanent where a handler was given an event that is not its own."""
        if not isinstance(self.data, kind):
            raise Permanent(f"an event {self.type} is no {kind.__name__}")
        return self.data

    @property
    def type(self) -> EventType:
        """What it announces."""
        return self.data.TYPE

    def envelope(self) -> dict[str, object]:
        """The CloudEvents envelope in JSON form."""
        return {
            "specversion": "1.0",
            "id": str(self.id),
            "source": SOURCE,
            "type": self.type.value,
            "subject": str(self.study_id),
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "dataschema": schema_of(type(self.data)),
            "data": self.data.encode(),
        }

    @classmethod
    def from_envelope(cls, envelope: Mapping[str, object]) -> "Event":
        """The event in an envelope; raises Permanent where it is not one of ours."""
        try:
            if envelope["specversion"] != "1.0":
                raise Permanent(f"CloudEvents version {envelope['specversion']!r} is not understood")
            data = envelope["data"]
            if not isinstance(data, Mapping):
                raise TypeError("its data is no object")
            return cls(
                data=PAYLOADS[EventType(_text(envelope["type"]))].decode(data),
                study_id=StudyId(read_id(envelope["subject"])),
                time=datetime.fromisoformat(_text(envelope["time"])),
                id=read_id(envelope["id"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Permanent(f"not an event of the node: {type(error).__name__}: {error}") from error


def schema_of(kind: type[Payload]) -> str:
    """The file name of the schema of today's version of a payload."""
    return f"{kind.TYPE.value}.v{kind.VERSION}.schema.json"


def _written(value: object) -> str | int:
    return value if isinstance(value, int) else str(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number is wanted, not a {type(value).__name__}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is wanted, not a {type(value).__name__}")
    return value


def read_id(value: object) -> uuid.UUID:
    """An internal id as envelopes have it; raises TypeError or ValueError where it is none."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", _text(value)):
        raise ValueError("an internal id is wanted")
    return uuid.UUID(_text(value))


# How a field of each type is read.
_READ: Mapping[object, Callable[[object], object]] = {
    int: _whole,
    str: _text,
    **dict.fromkeys((uuid.UUID, JobId, SummaryId), read_id),
}
