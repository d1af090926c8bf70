"""How senders send, as their studies showed it."""

from datetime import UTC, datetime, timedelta

from domain.habits import Habit, Span, habits, pauses

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CT, MR = ("CT", "10.0.0.1"), ("MR", "10.0.0.2")


def span(first: float, last: float, caller: tuple[str, str] = CT) -> Span:
    return Span(caller, BEGIN + timedelta(seconds=first), BEGIN + timedelta(seconds=last))


def test_the_longest_time_between_associations_of_one_caller_is_its_pause() -> None:
    found = pauses([span(10, 12), span(0, 4), span(15, 20), span(0, 1, MR)], most=60)
    assert found == {CT: 6.0, MR: 0.0}


def test_associations_side_by_side_are_no_pause_and_what_no_wait_would_bridge_is_none() -> None:
    assert pauses([span(0, 20), span(1, 2), span(5, 30), span(200, 210)], most=60) == {CT: 0.0}


def test_of_several_studies_each_that_is_new_is_counted_and_the_longest_pause_of_all_is_kept() -> None:
    first, again, other = [span(0, 1), span(3, 4)], [span(0, 1), span(8, 9)], [span(0, 1, MR)]
    found = habits([(first, True), (again, False), (other, True)], most=60)
    assert found == {CT: Habit(1, 7.0), MR: Habit(1, 0.0)}
