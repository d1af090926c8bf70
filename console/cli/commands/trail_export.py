"""`audit export` and `audit verifier`: the trail for others, and the program by which they prove it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from audit import trail_verifier
from audit.export.exporting import recorded
from console.actions.trail import ExportFormat, export_of
from console.cli.moments import Since, Until
from console.cli.options import Config, Data, DatabaseUrl, settings_from
from console.cli.output import piped, say
from console.cli.trail_options import ByActor, OfAction, OfStudy, entry_filter
from console.cli.user import ledger, user
from domain.errors import ConfigurationError
from roles.database import reading
from roles.outside_places import place_of
from store.grants import AUDITOR

AsFormat = Annotated[
    ExportFormat, typer.Option("--format", help="jsonl: with proofs, for a verifier; csv: for a spreadsheet.")
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="A new file, yours alone; without it standard output, for a pipe."),
]

Witness = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="PLACE",
        help="Where checkpoints were published that it is to be compared with, as for verify: their proofs go along. "
        "Of use for a choice of entries; all entries need none. May be repeated.",
    ),
]


def export(
    form: AsFormat = ExportFormat.JSON_LINES,
    study: OfStudy = None,
    action: OfAction = "",
    actor: ByActor = "",
    since: Since = None,
    until: Until = None,
    out: OutFile = None,
    witness: Witness = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
) -> None:
    """Write the trail out: all of it, or the entries that are asked for.

    JSON lines prove themselves: dicom-node audit verifier > trail_verifier.py is the program that judges them, on any
    machine. What is written, and its SHA-256, is an entry of the trail.

    Examples:  dicom-node audit export --out trail.jsonl --data trial
    dicom-node audit export --format csv --study 3f2a --out study.csv --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, AUDITOR) as source, _target(out) as file:
        wanted = entry_filter(source, study, action, actor, since, until)
        claims = (claim for one in witness or [] for claim in place_of(settings, one).claims())
        made = export_of(settings, source, form, wanted, claims)
        for piece in recorded(ledger(source), made, user()):
            file.write(piece)
    if out:
        say(f"{made.count} entries in {out}; SHA-256 {made.sha256}")


def verifier() -> None:
    """Print the verifier of exports: one file, which needs Python 3.9 or later and the package cryptography alone.

    Example:  dicom-node audit verifier > trail_verifier.py
    """
    with _target(None) as file:
        file.write(Path(trail_verifier.__file__).read_bytes())


@contextmanager
def _target(out: Path | None) -> Iterator[BinaryIO]:
    """Where the bytes go. A file that is not written to its end is removed: half of one is none."""
    if out is None:
        yield piped()
        return
    try:
        number = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{out} is there already, and nothing is written over it: name another file") from None
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(number, "wb") as file:
            yield file
    except BaseException:
        out.unlink()
        raise
