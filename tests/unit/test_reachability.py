"""What is said of a destination that goes away and comes back: once, now and then, and at its return."""

import logging

import pytest

from config import metrics
from consumers.reachability import Reachability


def reachable(name: str) -> float:
    return float(metrics.destination_reachable.labels(name)._value.get())


def test_an_outage_is_a_warning_once_a_summary_now_and_then_and_a_line_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    pacs = Reachability("PACS", now=lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for minute in range(61):
            now[0] = 60.0 * minute
            pacs.failed("connection refused")
        assert reachable("PACS") == 0
        pacs.answered()
        pacs.answered()
    said = [record.getMessage() for record in caplog.records]
    again = "destination PACS still takes no association"
    assert said == [
        "destination PACS takes no association",
        again,
        again,
        again,
        again,
        "destination PACS takes associations again",
    ]
    assert vars(caplog.records[0])["reason"] == "connection refused"
    assert (vars(caplog.records[-1])["away_s"], vars(caplog.records[-1])["tries"]) == (3600, 61)
    assert reachable("PACS") == 1


def test_a_second_outage_is_told_like_the_first(caplog: pytest.LogCaptureFixture) -> None:
    pacs = Reachability("PACS2")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            pacs.failed("timed out")
            pacs.answered()
    assert [record.getMessage() for record in caplog.records] == [
        "destination PACS2 takes no association",
        "destination PACS2 takes associations again",
    ] * 2
