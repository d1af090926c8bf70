"""What is said of an instance that somebody asks about, and which states follow which."""

import pytest

from domain.commitment import (
    COMMITMENT,
    REQUEST,
    CommitmentEvent,
    CommitmentState,
    FailureReason,
    Held,
    RequestEvent,
    RequestState,
    judged,
)
from domain.errors import IllegalTransition
from domain.states import advance

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


@pytest.mark.parametrize(
    ("held", "all_came", "is_old", "said"),
    [
        (Held(CT, synced=True, doubted=False), False, False, FailureReason.COMMITTED),
        (Held(CT, synced=False, doubted=False), True, False, None),
        (Held(CT, synced=False, doubted=False), True, True, FailureReason.PROCESSING_FAILURE),
        (Held("", synced=False, doubted=False), False, False, None),
        (Held("", synced=False, doubted=False), True, False, FailureReason.NO_SUCH_INSTANCE),
        (Held(MR, synced=True, doubted=False), False, False, FailureReason.CLASS_INSTANCE_CONFLICT),
        (Held(CT, synced=True, doubted=True), False, False, FailureReason.PROCESSING_FAILURE),
        (Held("", synced=False, doubted=True), False, False, FailureReason.PROCESSING_FAILURE),
    ],
)
def test_committed_is_what_is_there_synced_of_its_class_and_beyond_doubt(
    held: Held, all_came: bool, is_old: bool, said: FailureReason | None
) -> None:
    assert judged(CT, held, all_came=all_came, is_old=is_old) == said


def test_a_pair_that_no_table_has_raises() -> None:
    for state in CommitmentState:
        for event in CommitmentEvent:
            if (state, event) not in COMMITMENT:
                with pytest.raises(IllegalTransition):
                    advance(COMMITMENT, state, event)
    for asked in RequestState:
        for happened in RequestEvent:
            if (asked, happened) not in REQUEST:
                with pytest.raises(IllegalTransition):
                    advance(REQUEST, asked, happened)


def test_nothing_is_committed_but_by_an_answer_to_a_question_that_is_out() -> None:
    committed = [pair for pair, state in REQUEST.items() if state is RequestState.COMMITTED]
    assert committed == [(RequestState.ASKING, RequestEvent.COMMIT)]
