"""What the listener's figures hold of its callers."""

import re
from collections.abc import Iterable

from config import metrics
from config.settings import Caller
from roles.listen import UNLISTED, ListenerMetrics


def counting(*callers: str) -> ListenerMetrics:
    return ListenerMetrics(Caller(aet=aet, address="10.0.0.0/8") for aet in callers)


def series_of_callers() -> list[str]:
    """Lines of /metrics that a caller's name is in."""
    return [line for line in metrics.exposition("listen").decode().splitlines() if 'caller="' in line]


def named(lines: Iterable[str]) -> set[str]:
    return {re.split(r'caller="(.*?)"[,}]', line)[1] for line in lines}


def test_names_that_peers_choose_are_no_figures_and_whom_the_settings_name_keeps_its_own_however_late_it_comes() -> (
    None
):
    told = counting("CT1", "CT2")
    before = named(series_of_callers())
    for number in range(10_000):
        told.echo(f"ANY\x1b{number}")
    told.echo("CT2")
    assert named(series_of_callers()) - before <= {UNLISTED, "CT2"}
    assert "CT2" in named(series_of_callers())


def test_no_series_is_made_by_what_an_instance_is_called_or_how_it_ends_for_who_is_not_listed() -> None:
    told = counting()
    told.instance("FIRST", "stored", 1, 0.1)
    before = len(series_of_callers())
    for number in range(1_000):
        told.instance(f"SCANNER{number}", "stored", 1, 0.1)
    assert len(series_of_callers()) == before


def test_labels_are_plain_text_of_the_length_of_an_ae_title_whatever_peers_are_called() -> None:
    told = counting("CT 1")
    for hostile in ('A"} 1\n', "A\\", "\x00", "x" * 10_000, "\u202eCT", UNLISTED):
        told.echo(hostile)
        told.instance(hostile, "stored", 1, 0.1)
    told.echo("CT 1")
    assert all(re.fullmatch(r"[ -~]{1,16}", name) for name in named(series_of_callers()))
