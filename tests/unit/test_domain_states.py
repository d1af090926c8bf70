"""The state tables: every pair that is in one, and that every other pair raises."""

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IllegalTransition
from domain.states import (
    DELIVERY,
    JOB,
    PROCEDURE_STEP,
    STUDY,
    DeliveryEvent,
    DeliveryState,
    JobEvent,
    JobState,
    ProcedureStepEvent,
    ProcedureStepState,
    StudyEvent,
    StudyState,
    advance,
)

MACHINES = [
    (STUDY, StudyState, StudyEvent),
    (JOB, JobState, JobEvent),
    (DELIVERY, DeliveryState, DeliveryEvent),
    (PROCEDURE_STEP, ProcedureStepState, ProcedureStepEvent),
]


@pytest.mark.parametrize(("table", "states", "events"), MACHINES)
def test_a_pair_that_is_not_in_the_table_raises(table: dict, states: type[StrEnum], events: type[StrEnum]) -> None:  # type: ignore[type-arg]
    for state in states:
        for event in events:
            if (state, event) in table:
                assert advance(table, state, event) is table[state, event]
            else:
                with pytest.raises(IllegalTransition, match=f"from {state} on {event}"):
                    advance(table, state, event)


@pytest.mark.parametrize(("table", "states", "events"), MACHINES)
def test_every_state_can_be_reached_and_every_event_happens_somewhere(
    table: dict,  # type: ignore[type-arg]
    states: type[StrEnum],
    events: type[StrEnum],
) -> None:
    first = next(iter(states))
    reached = {first}
    while grown := {after for (state, _), after in table.items() if state in reached} - reached:
        reached |= grown
    assert reached == set(states)
    assert {event for _, event in table} == set(events)


@given(st.lists(st.sampled_from(StudyEvent)))
def test_a_study_in_any_order_of_events_is_somewhere_or_the_order_is_refused(events: list[StudyEvent]) -> None:
    state = StudyState.RECEIVING
    for event in events:
        try:
            state = advance(STUDY, state, event)
        except IllegalTransition:
            continue
        assert state in StudyState
    assert advance(STUDY, state, StudyEvent.FAILED) is StudyState.STUCK


def test_a_study_that_is_complete_takes_late_instances_from_every_state_after_it() -> None:
    for state in (StudyState.COMPLETE, StudyState.STUCK, StudyState.ARCHIVED, StudyState.AMENDED):
        assert advance(STUDY, state, StudyEvent.INSTANCE) is StudyState.AMENDED


def test_a_job_of_a_lost_worker_is_requested_again() -> None:
    assert advance(JOB, JobState.RUNNING, JobEvent.LEASE_LOST) is JobState.REQUESTED
