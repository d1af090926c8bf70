"""A start that waits says for what: never three seconds of silence for somebody who watches, no flood in a log."""

from itertools import pairwise

from roles.told_waits import Wait


def heard(seconds: int) -> list[float]:
    """The moments of the lines that a wait of so many seconds says, its loop turning ten times a second."""
    moments: list[float] = []
    now = [0.0]
    wait = Wait(lambda _line: moments.append(now[0]), lambda: now[0])
    for tenth in range(seconds * 10):
        now[0] = tenth / 10
        wait.goes_on(lambda: "the database")
    return moments


def test_who_watches_a_start_is_never_left_without_a_line_for_longer_than_three_seconds() -> None:
    moments = heard(59)
    assert moments[0] == 3.0
    assert {round(later - earlier, 6) for earlier, later in pairwise(moments)} == {3.0}


def test_a_wait_that_nobody_watches_says_less() -> None:
    late = [moment for moment in heard(3600) if moment > 60]
    assert {round(later - earlier, 6) for earlier, later in pairwise(late)} == {15.0}


def test_what_is_waited_for_is_asked_when_it_is_said_and_not_before() -> None:
    asked: list[str] = []
    Wait(asked.append, lambda: 0.0).goes_on(lambda: "asked")
    assert asked == []


def test_a_server_that_does_not_answer_is_named_at_once() -> None:
    said: list[str] = []
    Wait(said.append, lambda: 0.0, at_once=True).goes_on(lambda: "the database")
    assert said == ["the database"]
