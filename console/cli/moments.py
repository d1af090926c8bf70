"""Moments as people type them: `2026-11-29`, `2026-11-29 14:00`, or how long ago, `90min`, `12h`, `3d`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

_AGO = re.compile(r"(\d{1,6}) ?(s|min|h|d)(?: ago)?")
_UNITS: Mapping[str, str] = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
_FORM = "give a day (2026-11-29), a moment ('2026-11-29 14:00'), or how long ago (90min, 12h, 3d)"


def moment_of(typed: str) -> datetime:
    """The moment that was typed, in the reader's own time where it names no zone; raises BadParameter where none is."""
    try:
        if ago := _AGO.fullmatch(typed.strip()):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(typed.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(_FORM) from None


_HELP = "a day (2026-11-29), a moment ('2026-11-29 14:00'), or how long ago (90min, 12h, 3d)."
Since = Annotated[
    datetime | None, typer.Option("--since", metavar="WHEN", parser=moment_of, help=f"From then on: {_HELP}")
]
Until = Annotated[
    datetime | None, typer.Option("--until", metavar="WHEN", parser=moment_of, help="Before then, as --since.")
]
