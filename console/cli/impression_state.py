"""Where the impression of a study stands, in a line."""

from console.cli.counting import counted
from console.cli.output import moment
from domain.records import SummaryRecord
from domain.states import SummaryState


def standing(one: SummaryRecord) -> str:
    """`impression 1 of revision 1: written by the template, 5 sentences, 2026-11-29 12:00:00`."""
    return f"impression {one.number} of revision {one.revision}: {_stands(one)}"


def _stands(one: SummaryRecord) -> str:
    if one.withdrawn_at:
        return f"withdrawn at {moment(one.withdrawn_at)}"
    if one.state != SummaryState.SUCCEEDED:
        return f"{one.state} since {moment(one.since)}: {one.reason}"
    if not one.author:
        return f"written at {moment(one.finished_at)}; what it says was removed by retention"
    from domain.impressions import Author  # noqa: PLC0415 - a list of studies tells no impression

    writer = "the template" if one.author == Author.TEMPLATE else f"a {one.author}"
    return f"written by {writer}, {counted(one.sentences, 'sentence')}, {moment(one.finished_at)}"
