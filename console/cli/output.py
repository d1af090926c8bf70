"""How the command line prints: tables for people, JSON for scripts, one line for what went wrong.

Everything that is printed goes through here, and no word of it is obeyed: neither as markup nor by the terminal. A text
is one line; several are given as several. What we make of them (columns, colours, ends of lines) is all that a
terminal gets to do. Commands that a text names are completed (console.cli.hints).
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from console.cli.hints import completed
from console.cli.installation import advised
from domain.errors import ConfigurationError
from domain.visible import visible

_BETWEEN, _EDGES = 3, 2  # columns of the screen between two of a table, and at its sides
_INDENT = 2  # of the lines behind the first of a row
_PIPE = 200  # columns where there is no terminal
_READABLE = 20  # a text of several words is not squeezed below this; a moment has 19
_STEPS = ((60, "s"), (60, "min"), (24, "h"))
# States that want a person's eye, and states that mean "done".
_BAD = {"stuck", "failed", "timed_out", "refused", "broken", "unreported", "uncommitted"}
_GOOD = {"succeeded", "stored", "committed", "intact", "reported"}


class Screen(Console):
    """A console on which nothing is markup. What its texts hold beside letters is shown and not obeyed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text that is printed as it is: one line."""
        return super().render_str(_line(text), **options)

    def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
        """The wall behind `styled` and `table`: whatever is drawn passes here, before it is given its colours."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_seen(segment.text), segment.style)


def screen() -> Screen:
    """Where people read; a pipe gets the same text, without colours and as wide as it needs, or as COLUMNS says."""
    if sys.stdout.isatty():
        return Screen()
    asked = os.environ.get("COLUMNS", "")
    width = int(asked) if asked.isdecimal() and 0 < int(asked) < _PIPE else _PIPE
    return Screen(width=width, soft_wrap=width == _PIPE)


def progress_screen() -> Screen:
    """Where a bar moves: standard error."""
    return Screen(stderr=True)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(as_json(value, indent=2))


def as_json(value: object, indent: int | None = None) -> str:
    """JSON in ASCII, in which every control character is escaped (RFC 8259 section 7 lets DEL pass)."""
    return json.dumps(value, indent=indent, default=str).replace("\x7f", "\\u007f")


def say(*lines: object, err: bool = False) -> None:
    """Lines on standard output, or error."""
    for line in lines:
        typer.echo(_line(line), err=err)


def tell(as_json: bool, document: object, *lines: object) -> None:
    """What a command did: a JSON document where that was asked for, else lines."""
    if as_json:
        print_json(document)
    else:
        say(*lines)


def complain(*lines: str) -> None:
    """What went wrong, on standard error."""
    for line in map(_line, lines):
        typer.echo(typer.style(line, fg="red") if sys.stderr.isatty() else line, err=True)


def styled(text: object, style: str = "") -> Text:
    """A line in a style."""
    return Text(_line(text), style)


def stacked(lines: Iterable[str], style: str = "") -> Text:
    """Lines below one another."""
    return Text("\n".join(map(_line, lines)), style)


def piped() -> BinaryIO:
    """Standard output for bytes that a program reads; a terminal would obey what they hold, so it gets none.

    Raises ConfigurationError where standard output is a terminal.
    """
    if sys.stdout.isatty():
        raise ConfigurationError("this is for a program to read: send it into a file (> FILE) or a pipe")
    return sys.stdout.buffer


class Tabulated:
    """Rows beneath their columns where each word has room, else each row as lines of its own: no word is broken.

    A word that is longer than the screen is.
    """

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        self._title = styled(title, "bold") if title else None
        self._columns = [styled(column) for column in columns]
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Drawn for the width that there is."""
        least = [_least_width(cells) for cells in zip(self._columns, *self._rows, strict=True)]
        if sum(least) + _BETWEEN * (len(least) - 1) + _EDGES <= options.max_width:
            yield self._table(least)
        else:
            yield from self._lines(options.max_width)

    def _table(self, least: Sequence[int]) -> Table:
        made = Table(title=self._title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        made.header_style = "dim"
        for column, width in zip(self._columns, least, strict=True):
            made.add_column(column, overflow="fold", min_width=width)
        for row in self._rows:
            made.add_row(*row)
        return made

    def _lines(self, width: int) -> Iterator[RenderableType]:
        """Each cell behind the name of its column, as many of a row on a line as have room."""
        if self._title:
            yield self._title
        for row in self._rows:
            for number, line in enumerate(self._filled(row, width - _INDENT)):
                yield Padding(line, (0, 0, 0, _INDENT if number else 0))
        yield Text()

    def _filled(self, row: Sequence[Text], width: int) -> Iterator[Text]:
        filled = Text()
        for name, cell in zip(self._columns, row, strict=True):
            label = f"{name.plain}:" if name.plain else ""
            piece = Text.assemble((label, "dim"), " ", cell) if cell.plain.strip() else Text()
            alone = "\n" in piece.plain or cell_len(piece.plain) > width
            if filled and piece and (alone or cell_len(filled.plain) + _BETWEEN + cell_len(piece.plain) > width):
                yield filled
                filled = Text()
            if alone:
                yield Text.assemble((label, "dim"), "\n" if _least_width([cell]) + len(label) > width else " ", cell)
            elif piece:
                filled = Text.assemble(filled, " " * _BETWEEN, piece) if filled else piece
        if filled:
            yield filled


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Tabulated:
    """A table of plain text; nothing in a cell is markup. A cell of several lines is a list of them."""
    return Tabulated(title, columns, [list(map(_cell, row)) for row in rows])


def _least_width(cells: Iterable[Text]) -> int:
    """What breaks no word, and leaves a text readable."""
    lines = [line for cell in cells for line in cell.plain.splitlines()]
    words = max((cell_len(word) for line in lines for word in line.split()), default=1)
    return max(words, min(_READABLE, max(map(cell_len, lines), default=1)))


def _line(text: object) -> str:
    """One line as it is shown, the commands that it names as they have to be typed."""
    return visible(advised(completed(str(text))))


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, list | tuple):
        return stacked(map(str, value))
    return styled("" if value is None else value)


def _seen(text: str) -> str:
    """As `visible`, with the ends of lines that a table or a stack has."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def and_more(number: int, how: str) -> Text:
    """What a list leaves out, and how to see it."""
    return styled(f"and {number} more ({how})", "dim")


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
    return styled(text, "bold red" if text in _BAD else "green" if text in _GOOD else "yellow")


def moment(at: datetime | None) -> str:
    """A stored moment in the reader's own time."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def moment_of_entry(at: str) -> str:
    """A moment of the trail in the reader's own time; "" where there is none."""
    return moment(datetime.fromisoformat(at)) if at else ""


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
