"""How the command line prints: tables for people, JSON for scripts, one line for what went wrong."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_STEPS = ((60, "s"), (60, "min"), (24, "h"))
# States that want a person's eye, and states that mean "done".
_BAD = {"stuck", "failed", "timed_out", "refused", "broken"}
_GOOD = {"succeeded", "stored", "committed", "intact"}


def screen() -> Console:
    """Where people read; a pipe gets the same text, without colours and as wide as it needs."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, default=str))


def complain(message: str) -> None:
    """What went wrong, on standard error."""
    typer.echo(typer.style(message, fg="red") if sys.stderr.isatty() else message, err=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of plain text; nothing in a cell is markup."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    made.header_style = "dim"
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in row))
    return made


def and_more(number: int, how: str) -> Text:
    """What a list leaves out, and how to see it."""
    return Text(f"and {number} more ({how})", style="dim")


def print_list(
    columns: Sequence[str], rows: Sequence[Sequence[object]], more: int, none: str = "there are none"
) -> None:
    """The newest of a list, and how many others there are."""
    out = screen()
    out.print(table("", columns, rows) if rows else none)
    if more:
        out.print(and_more(more, "--last N"))


def state(text: str) -> Text:
    """A state in its colour."""
    return Text(text, style="bold red" if text in _BAD else "green" if text in _GOOD else "yellow")


def moment(at: datetime | None) -> str:
    """A stored moment in the reader's own time."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def ago(at: datetime, now: datetime) -> str:
    """How long ago, in the one unit that tells it: `12 s`, `3 min`, `2 days`."""
    amount = max((now - at).total_seconds(), 0)
    for size, unit in _STEPS:
        if amount < size:
            return f"{amount:.0f} {unit} ago"
        amount /= size
    return f"{amount:.0f} day{'' if round(amount) == 1 else 's'} ago"


def size(amount: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
