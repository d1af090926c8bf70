"""`send` and `echo`: the node as the one who calls."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from config.peers import Destination
from config.wording import destination
from console.cli.http_access import Ca, Certificate, Key, PasswordFile, Tls, TokenFile, User, with_access
from console.cli.options import Json, Timeout
from console.cli.output import complain, print_json, progress_screen, say, size
from dicom_node.scu.bare import sendable
from dicom_node.scu.kinds import echo as ask
from dicom_node.scu.kinds import send
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.errors import Retryable, UnusableInput
from domain.statuses import described

app = typer.Typer()

_UNKNOWN_CALLER = "Calling AE title not recognised"
_SHOWN = 3  # files that are named of those that failed for one reason
# What a person reads of a verdict: `send` itself tries nothing again.
_SAID = {Verdict.REFUSED: "refused", Verdict.RETRY: "not stored, to be sent again"}
_SKIPPED = 3  # files that were skipped: folders of studies hold viewers and notes as well


def _peer(text: str) -> Destination:
    try:
        return destination(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _title(text: str) -> str:
    return _peer(f"{text}@localhost:104").aet


To = Annotated[
    Destination,
    typer.Option(
        "--to", metavar="AET@HOST:PORT|URL", parser=_peer, help="Whom to send to, by C-STORE or at a URL by STOW-RS."
    ),
]
Peer = Annotated[Destination, typer.Argument(metavar="AET@HOST:PORT|URL", parser=_peer, help="Whom to ask.")]
Aet = Annotated[str, typer.Option("--aet", metavar="NAME", parser=_title, help="Our AE title.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILES|FOLDERS...", exists=True, help="Part 10 files or folders.")]


@app.command("send")
def send_files(
    files: Files,
    to: To,
    aet: Aet = "DICOM_SEND",
    timeout: Timeout = 30.0,
    user: User = None,
    password_file: PasswordFile = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    tls: Tls = False,
    cert: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send DICOM files by C-STORE or STOW-RS, as they are encoded.

    Folders are searched to the bottom; what is no DICOM file is skipped and named. A data set without file meta
    information is sent where it is implicit VR little endian beyond doubt. Exit code 1 where anything was not stored.

    Example:  dicom-node send /data/study1 image.dcm --to DICOM_NODE@127.0.0.1:11112
    """
    to = with_access(to, user, password_file, token_file, ca, tls=tls, certificate=cert, key=key)
    objects, skipped = _objects(files)
    begun = time.monotonic()
    with _progress(objects, quiet=as_json) as advance:
        outcomes = [advance(outcome) for outcome in send(objects, to, aet, timeout)]
    summary = _Summary(outcomes, skipped, time.monotonic() - begun)
    if as_json:
        print_json(summary.as_json())
    else:
        say(summary.line())
        _list_skipped(skipped)
        _list_failures(summary.failures())
    if summary.failures() or not outcomes:
        raise typer.Exit(1)


@app.command()
def echo(
    peer: Peer,
    aet: Aet = "DICOM_SEND",
    timeout: Timeout = 10.0,
    user: User = None,
    password_file: PasswordFile = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    tls: Tls = False,
    cert: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Ask a DICOM peer by C-ECHO, or a URL by a search, whether it is there.

    Example:  dicom-node echo ORTHANC@127.0.0.1:4242
    """
    peer = with_access(peer, user, password_file, token_file, ca, tls=tls, certificate=cert, key=key)
    try:
        answer = ask(peer, aet, timeout)
    except Retryable as error:
        raise type(error)(*error.lines, *_how_to_be_known(error.sentence)) from error
    if as_json:
        print_json(
            {"milliseconds": answer.milliseconds, "implementation": answer.implementation, "status": answer.status}
        )
    else:
        software = f" ({answer.implementation})" if answer.implementation else ""
        where = peer.url or f"{peer.aet} at {peer.host}:{peer.port}"
        say(f"{where}{software} answered in {answer.milliseconds:.1f} ms")
    if answer.status:
        complain(f"but with {described(answer.status)}")
        raise typer.Exit(1)


def _how_to_be_known(said: str) -> list[str]:
    """What to do where a peer knows nobody of our AE title."""
    if _UNKNOWN_CALLER not in said:
        return []
    return ["give a title that it knows: --aet NAME (of a dicom-node: one of its listener.callers)"]


@dataclass(frozen=True)
class _Skipped:
    file: Path
    reason: str


@dataclass(frozen=True)
class _Summary:
    outcomes: Sequence[Outcome]
    skipped: Sequence[_Skipped]
    seconds: float

    def failures(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.verdict is not Verdict.STORED]

    def line(self) -> str:
        stored = [one for one in self.outcomes if one.verdict is Verdict.STORED]
        parts = [f"stored {len(stored)} of {_many(len(self.outcomes), 'instance')}{self._amount(stored)}"]
        if not self.outcomes:
            parts = ["nothing to send: there is no DICOM file"]
        if self.skipped:
            parts.append(f"{_many(len(self.skipped), 'file')} left out, as no DICOM that can be sent")
        return "; ".join(parts)

    def _amount(self, stored: Sequence[Outcome]) -> str:
        """Bytes and time of what was stored; a rate only where it went on long enough to have one."""
        amount = sum(one.sent.size for one in stored)
        if not stored:
            return ""
        if self.seconds < 1:
            return f", {size(amount)}, in less than a second"
        rate = f"{len(stored) / self.seconds:.0f} instances/s, {size(amount / self.seconds)}/s"
        return f", {size(amount)}, in {self.seconds:.1f} s ({rate})"

    def as_json(self) -> dict[str, object]:
        failed = [
            {"file": str(one.sent.file), "verdict": one.verdict.value, "status": one.status, "reason": one.reason}
            for one in self.failures()
        ]
        stored = len(self.outcomes) - len(failed)
        return {
            "stored": stored,
            "failed": failed,
            "skipped": len(self.skipped),
            "skipped_files": [{"file": str(one.file), "reason": one.reason} for one in self.skipped],
            "seconds": round(self.seconds, 3),
        }


def _objects(paths: Iterable[Path]) -> tuple[list[Outgoing], list[_Skipped]]:
    found: list[Outgoing] = []
    skipped: list[_Skipped] = []
    for path in _files(paths):
        try:
            found.append(sendable(path))
        except UnusableInput as error:
            skipped.append(_Skipped(path, str(error)))
    return found, skipped


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(inner for inner in path.rglob("*") if inner.is_file())
        else:
            yield path


@contextmanager
def _progress(objects: Sequence[Outgoing], quiet: bool) -> Iterator[Callable[[Outcome], Outcome]]:
    """A function that passes an outcome on and moves the bar, which only a terminal gets."""
    columns = (
        TextColumn("{task.fields[done]} of {task.fields[count]} instances"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    hidden = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=progress_screen(), disable=hidden, transient=True) as bar:
        task = bar.add_task("", total=sum(one.size for one in objects), done=0, count=len(objects))

        def advance(outcome: Outcome) -> Outcome:
            bar.update(task, advance=outcome.sent.size, done=bar.tasks[task].fields["done"] + 1)
            return outcome

        yield advance


def _list_skipped(skipped: Sequence[_Skipped]) -> None:
    for one in skipped[:_SKIPPED]:
        complain(f"left out: {one.file!s}: {one.reason}")
    if (rest := len(skipped) - _SKIPPED) > 0:
        complain(f"and {rest} more were left out; --json names them all")


def _list_failures(failures: Sequence[Outcome]) -> None:
    """A line for each reason, however many files met it, and under it the first of them."""
    for (verdict, reason), count in Counter((one.verdict, one.reason) for one in failures).most_common():
        complain(f"{_many(count, 'instance')} {_SAID[verdict]}: {reason}")
        of_it = [one for one in failures if (one.verdict, one.reason) == (verdict, reason)]
        complain(*(f"  {one.sent.file!s}" for one in of_it[:_SHOWN]))
        if count > _SHOWN:
            complain(f"  and {count - _SHOWN} more; --json names them all")
        complain(*_how_to_be_known(reason))


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
