"""How a demonstration speaks: lines with the seconds since its beginning; on a terminal a bar and a spinner too."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from console.cli import output
from console.cli.output import stacked, styled
from console.demo.steps import Step
from dicom_node.scu.store import Outcome

T = TypeVar("T")


class Screen:
    """Standard output; a pipe gets the same lines without colours, each as soon as it is known."""

    def __init__(self, begun: datetime) -> None:
        self._begun = begun
        self._terminal = sys.stdout.isatty()
        self._console = output.Screen(soft_wrap=True, width=None if self._terminal else 200)

    def heading(self, text: str) -> None:
        """A chapter."""
        self.line()
        self.line(text, "bold cyan")

    def step(self, step: Step) -> None:
        """Something that happened."""
        seconds = (step.at - self._begun).total_seconds()
        line = styled(f"{seconds:8.2f} s  ", "dim").append_text(styled(f"{step.name:<16}", "bold green"))
        self._print(line.append_text(styled(step.text, "not dim")))

    def line(self, text: str = "", style: str = "") -> None:
        """Lines of text."""
        self._print(stacked(text.split("\n"), style))

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Names and values, aligned."""
        for name, value in facts:
            self._print(styled(f"  {name:<26}", "dim").append_text(styled(value, "not dim")))

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner, on a terminal alone."""
        if self._terminal:
            with self._console.status(styled(text)):
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
