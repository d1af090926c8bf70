"""How a demonstration speaks: lines with the seconds since its beginning; on a terminal a bar and a spinner too."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from console.demo.steps import Step
from dicom_node.scu.store import Outcome

T = TypeVar("T")


class Screen:
    """Standard output; a pipe gets the same lines without colours, each as soon as it is known."""

    def __init__(self, begun: datetime) -> None:
        self._begun = begun
        self._terminal = sys.stdout.isatty()
        self._console = Console(highlight=False, soft_wrap=True, width=None if self._terminal else 200)

    def heading(self, text: str) -> None:
        """A chapter."""
        self._print(Text(f"\n{text}", style="bold cyan"))

    def step(self, step: Step) -> None:
        """Something that happened."""
        seconds = (step.at - self._begun).total_seconds()
        line = Text(f"{seconds:8.2f} s  ", style="dim")
        line.append(f"{step.name:<16}", style="bold green")
        line.append(step.text, style="not dim")
        self._print(line)

    def line(self, text: str = "", style: str = "") -> None:
        """A line of text as it is."""
        self._print(Text(text, style=style))

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Names and values, aligned."""
        for name, value in facts:
            line = Text(f"  {name:<26}", style="dim")
            self._print(line.append(value, style="not dim"))

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner, on a terminal alone."""
        if self._terminal:
            with self._console.status(Text(text)):
                yield
        else:
            yield

    def sending(self, outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
        """Pass the outcomes on and move a bar of `total` bytes, on a terminal alone."""
        columns: Sequence[TextColumn | BarColumn | DownloadColumn | TransferSpeedColumn] = (
            TextColumn("C-STORE"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        with Progress(*columns, console=self._console, disable=not self._terminal, transient=True) as bar:
            task = bar.add_task("", total=total)
            for outcome in outcomes:
                bar.update(task, advance=outcome.sent.size)
                yield outcome

    def _print(self, text: Text) -> None:
        self._console.print(text)
        self._console.file.flush()
