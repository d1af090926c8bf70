"""Modality Performed Procedure Step (PS3.4 annex F.7): what may be created and set, and what it says.

Of table F.7.2-1 the attributes of type 1 are asked for, and of an end what makes it one. One of type 2 that is left out
says as little as one without a value. PS3.7 10.1.5.1.9 and 10.1.3.1.9 say by which status each fault is answered.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from pydicom import Dataset

from dicom_node.attributes.reader import is_there, is_uid, items_of, text_of, title
from dicom_node.procedures.references import sop_uids
from dicom_node.procedures.requests import requested
from domain.procedures import Performed, RequestedProcedure
from domain.states import PROCEDURE_STEP, ProcedureStepEvent, ProcedureStepState, advance

SOP_CLASS = "1.2.840.10008.3.1.2.3.3"
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


class Wrong(IntEnum):
    """Why an operation is not done (PS3.7 annex C.5)."""

    INVALID_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE = 0x0111
    NO_SUCH_INSTANCE = 0x0112
    MISSING_ATTRIBUTE = 0x0120
    MISSING_VALUE = 0x0121


@dataclass(frozen=True)
class Refused:
    """The status, with its Error ID where it has one, and the reason, in which no value of the data set is."""

    status: Wrong
    reason: str
    error_id: int | None = None


@dataclass(frozen=True)
class KnownStep:
    """A step as far as the next operation on it needs: its state, and which attributes of its end have a value."""

    state: ProcedureStepState
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


def create(known: KnownStep | None, dataset: Dataset) -> KnownStep | Refused:
    """The step after an N-CREATE of `dataset`; `known` is what is known under its UID."""
    if known is not None:
        return Refused(Wrong.DUPLICATE, "there is a procedure step of this UID already")
    if fault := next(_faults_at_creation(dataset), None):
        return fault
    if text_of(dataset, _STATUS) != ProcedureStepState.IN_PROGRESS:
        return Refused(Wrong.INVALID_VALUE, f"{title(_STATUS)} of an N-CREATE is IN PROGRESS")
    return KnownStep(ProcedureStepState.IN_PROGRESS, _given(dataset))


def update(known: KnownStep | None, dataset: Dataset) -> KnownStep | Refused:
    """The step after an N-SET of `dataset`."""
    if known is None:
        return Refused(Wrong.NO_SUCH_INSTANCE, "there is no procedure step of this UID")
    if known.state is not ProcedureStepState.IN_PROGRESS:
        return Refused(Wrong.PROCESSING_FAILURE, "the procedure step has ended and is not changed any more", ENDED)
    stated = text_of(dataset, _STATUS)
    if (_STATUS in dataset and not stated) or (stated and stated not in tuple(ProcedureStepState)):
        return Refused(Wrong.INVALID_VALUE, f"{title(_STATUS)} is IN PROGRESS, COMPLETED or DISCONTINUED")
    if fault := next(_faults_of_series(dataset), None):
        return fault
    state = ProcedureStepState(stated) if stated else known.state
    given = known.given | _given(dataset)
    if missing := [one for one in _AT_THE_END.get(state, ()) if one not in given]:
        return Refused(Wrong.MISSING_VALUE, f"a step that is {state} has {title(missing[0])}")
    return KnownStep(_next(known.state, state), given)


def created(dataset: Dataset) -> CreatedStep:
    """What a data set says that `create` lets pass."""
    return CreatedStep(requested(items_of(dataset, _SCHEDULED), text_of(dataset, "SpecificCharacterSet")))


def changed(dataset: Dataset) -> SetStep:
    """What a data set says that `update` lets pass."""
    stated = text_of(dataset, _STATUS)
    performed = Performed(dict(_performed(dataset))) if _SERIES in dataset else None
    return SetStep(ProcedureStepState(stated) if stated else None, performed)


def _next(state: ProcedureStepState, stated: ProcedureStepState) -> ProcedureStepState:
    return advance(PROCEDURE_STEP, state, _EVENTS[stated])


def _given(dataset: Dataset) -> frozenset[str]:
    """Which of what an end needs have a value here."""
    needed: Collection[str] = {one for each in _AT_THE_END.values() for one in each}
    return frozenset(one for one in needed if _has_value(dataset, one))


def _has_value(dataset: Dataset, keyword: str) -> bool:
    return bool(items_of(dataset, keyword)) if keyword.endswith("Sequence") else is_there(dataset, keyword)


def _faults_at_creation(dataset: Dataset) -> Iterator[Refused]:
    for keyword in _CREATED:
        if keyword not in dataset:
            yield Refused(Wrong.MISSING_ATTRIBUTE, f"{title(keyword)} is missing")
        elif not _has_value(dataset, keyword):
            yield Refused(Wrong.MISSING_VALUE, f"{title(keyword)} has no value")
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
        yield Refused(Wrong.MISSING_ATTRIBUTE, f"{title(keyword)} in {title(where)} is missing")
    elif not is_uid(text_of(item, keyword)):
        yield Refused(Wrong.INVALID_VALUE, f"{title(keyword)} in {title(where)} is no UID")


def _performed(dataset: Dataset) -> Iterator[tuple[str, tuple[str, ...]]]:
    series: dict[str, dict[str, None]] = {}
    for item in items_of(dataset, _SERIES):
        of_it = series.setdefault(text_of(item, "SeriesInstanceUID"), {})
        of_it.update(
            dict.fromkeys(sop_uids(item, "ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence"))
        )
    return ((uid, tuple(uids)) for uid, uids in series.items())
