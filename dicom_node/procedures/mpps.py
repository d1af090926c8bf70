"""Modality Performed Procedure Step (PS3.4 annex F.7): what may be created and set, and what it says.

Of table F.7.2-1 the attributes of type 1 are asked for, and of an end what makes it one. One of type 2 that is left out
says as little as one without a value. PS3.7 10.1.5.1.9 and 10.1.3.1.9 say by which status each fault is answered.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pydicom import Dataset

from dicom_node.attributes.reader import is_there, is_uid, items_of, text_of, title
from dicom_node.dimse import Status
from dicom_node.procedures.references import sop_uids
from dicom_node.procedures.requests import requested
from domain.procedures import Performed, RequestedProcedure
from domain.states import PROCEDURE_STEP, ProcedureStepEvent, ProcedureStepState, advance

#: Error ID of an N-SET on a step that has ended (PS3.4 table F.7.2-3).
ENDED = 0xA710

_STATUS = "PerformedProcedureStepStatus"
_SCHEDULED, _SERIES = "ScheduledStepAttributesSequence", "PerformedSeriesSequence"
_CREATED = (
    _SCHEDULED, "PerformedProcedureStepID", "PerformedStationAETitle", "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime", _STATUS, "Modality",
)  # fmt: skip
# What one has to have by its end. A step that is discontinued may have made nothing (F.7.2.2.2).
_AT_THE_END: Mapping[ProcedureStepState, tuple[str, ...]] = {
    ProcedureStepState.COMPLETED: (_SERIES, "PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime"),
    ProcedureStepState.DISCONTINUED: (),
}
_EVENTS = {
    ProcedureStepState.IN_PROGRESS: ProcedureStepEvent.UPDATE,
    ProcedureStepState.COMPLETED: ProcedureStepEvent.COMPLETE,
    ProcedureStepState.DISCONTINUED: ProcedureStepEvent.DISCONTINUE,
}


@dataclass(frozen=True)
class Refused:
    """The status, with its Error ID where it has one, and the reason, in which no value of the data set is."""

    status: Status
    reason: str
    error_id: int | None = None


@dataclass(frozen=True)
class KnownStep:
    """A step as far as the next operation on it needs: its state, and which attributes of its end have a value."""

    state: ProcedureStepState
    given: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """What an N-SET says of a step's state, None where it states none, and which attributes of its end it gives."""

    state: ProcedureStepState | None
    given: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CreatedStep:
    """A step that has begun: what was requested of each study that it is of, by Study Instance UID."""

    requests: Mapping[str, RequestedProcedure]


@dataclass(frozen=True)
class SetStep:
    """What an N-SET says: the state where it states one, and what was performed where it lists it."""

    state: ProcedureStepState | None
    performed: Performed | None


def creation(dataset: Dataset) -> KnownStep | Refused:
    """The step that an N-CREATE of `dataset` begins, or why it begins none."""
    if fault := next(_faults_at_creation(dataset), None):
        return fault
    if text_of(dataset, _STATUS) != ProcedureStepState.IN_PROGRESS:
        return Refused(Status.INVALID_ATTRIBUTE_VALUE, f"{title(_STATUS)} of an N-CREATE is IN PROGRESS")
    return KnownStep(ProcedureStepState.IN_PROGRESS, _given(dataset))


def change(dataset: Dataset) -> Change | Refused:
    """What an N-SET of `dataset` changes in any step, or why it changes none."""
    stated = text_of(dataset, _STATUS)
    if (_STATUS in dataset and not stated) or (stated and stated not in tuple(ProcedureStepState)):
        return Refused(Status.INVALID_ATTRIBUTE_VALUE, f"{title(_STATUS)} is IN PROGRESS, COMPLETED or DISCONTINUED")
    if fault := next(_faults_of_series(dataset), None):
        return fault
    return Change(ProcedureStepState(stated) if stated else None, _given(dataset))


def begin(known: KnownStep | None, step: KnownStep) -> KnownStep | Refused:
    """The step after an N-CREATE; `known` is what is known under its UID."""
    if known is not None:
        return Refused(Status.DUPLICATE_INSTANCE, "there is a procedure step of this UID already")
    return step


def apply(known: KnownStep | None, change: Change) -> KnownStep | Refused:
    """The step after an N-SET."""
    if known is None:
        return Refused(Status.NO_SUCH_INSTANCE, "there is no procedure step of this UID")
    event = _EVENTS[change.state or ProcedureStepState.IN_PROGRESS]
    if (known.state, event) not in PROCEDURE_STEP:
        return Refused(Status.PROCESSING_FAILURE, "the procedure step has ended and is not changed any more", ENDED)
    state, given = advance(PROCEDURE_STEP, known.state, event), known.given | change.given
    if missing := [one for one in _AT_THE_END.get(state, ()) if one not in given]:
        return Refused(Status.MISSING_ATTRIBUTE_VALUE, f"a step that is {state} has {title(missing[0])}")
    return KnownStep(state, given)


def created(dataset: Dataset) -> CreatedStep:
    """What a data set says that begins a step."""
    return CreatedStep(requested(items_of(dataset, _SCHEDULED), text_of(dataset, "SpecificCharacterSet")))


def changed(dataset: Dataset) -> SetStep:
    """What a data set says that changes a step."""
    stated = text_of(dataset, _STATUS)
    performed = Performed(dict(_performed(dataset))) if _SERIES in dataset else None
    return SetStep(ProcedureStepState(stated) if stated else None, performed)


def _given(dataset: Dataset) -> frozenset[str]:
    """Which of what an end needs have a value here."""
    needed: Collection[str] = {one for each in _AT_THE_END.values() for one in each}
    return frozenset(one for one in needed if _has_value(dataset, one))


def _has_value(dataset: Dataset, keyword: str) -> bool:
    return bool(items_of(dataset, keyword)) if keyword.endswith("Sequence") else is_there(dataset, keyword)


def _faults_at_creation(dataset: Dataset) -> Iterator[Refused]:
    for keyword in _CREATED:
        if keyword not in dataset:
            yield Refused(Status.MISSING_ATTRIBUTE, f"{title(keyword)} is missing")
        elif not _has_value(dataset, keyword):
            yield Refused(Status.MISSING_ATTRIBUTE_VALUE, f"{title(keyword)} has no value")
    for item in items_of(dataset, _SCHEDULED):
        yield from _faults_of_uid(item, "StudyInstanceUID", _SCHEDULED)
    yield from _faults_of_series(dataset)


def _faults_of_series(dataset: Dataset) -> Iterator[Refused]:
    """Each item of what was performed names a series, and each reference in it an instance."""
    for item in items_of(dataset, _SERIES):
        yield from _faults_of_uid(item, "SeriesInstanceUID", _SERIES)
        for sequence in ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence"):
            for reference in items_of(item, sequence):
                yield from _faults_of_uid(reference, "ReferencedSOPInstanceUID", sequence)


def _faults_of_uid(item: Dataset, keyword: str, where: str) -> Iterator[Refused]:
    if keyword not in item:
        yield Refused(Status.MISSING_ATTRIBUTE, f"{title(keyword)} in {title(where)} is missing")
    elif not is_uid(text_of(item, keyword)):
        yield Refused(Status.INVALID_ATTRIBUTE_VALUE, f"{title(keyword)} in {title(where)} is no UID")


def _performed(dataset: Dataset) -> Iterator[tuple[str, tuple[str, ...]]]:
    series: dict[str, dict[str, None]] = {}
    for item in items_of(dataset, _SERIES):
        of_it = series.setdefault(text_of(item, "SeriesInstanceUID"), {})
        of_it.update(
            dict.fromkeys(sop_uids(item, "ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence"))
        )
    return ((uid, tuple(uids)) for uid, uids in series.items())
