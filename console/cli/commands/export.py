"""`export`: a study as DICOM files in a folder, without its persons or as it is."""

from pathlib import Path
from typing import Annotated

import typer

from config.settings import Settings
from console.cli.counting import counted
from console.cli.options import Config, Data, DatabaseUrl, Json, Study, settings_from
from console.cli.output import print_json, say
from console.cli.user import ledger, user
from console.exporting import Exporter, Report
from domain.errors import ConfigurationError
from domain.ids import StudyId
from roles.database import reading
from roles.identity_key import kept
from store.grants import OPERATOR
from store.objects import DirectoryStore
from store.queries.studies import find_study

app = typer.Typer()

_KEY = "deidentification.key"
To = Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to; a folder that is new or empty.")]
Deidentify = Annotated[bool, typer.Option("--deidentify", help="Without names, ids, free text and text in pixels.")]
Identified = Annotated[bool, typer.Option("--identified", help="As it is, with all that it says of the patient.")]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Secret that pseudonyms are made with; made where there is none. (default: deidentification.key in DIR)",
    ),
]
Results = Annotated[bool, typer.Option("--results/--no-results", help="With the results of models, or without.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write there what was done and left out, as JSON.")
]


@app.command()
def export(
    study: Study,
    to: To,
    deidentify: Deidentify = False,
    identified: Identified = False,
    key: Key = None,
    results: Results = True,
    report: ReportFile = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Write a study as DICOM files into a folder: without its persons, or as it is.

    With --deidentify by PS3.15 annex E: what is not on the list of what may stay goes, ids and UIDs become keyed
    pseudonyms, dates are moved, text in pixels is blanked; what cannot be made safe is left out, with the reason.
    The report says what was done and no value. Exports are on the trail. docs/privacy.md says what stays.

    Example:  dicom-node export 3f2a --to research --deidentify --data trial
    """
    if deidentify == identified:
        raise ConfigurationError("say how: --deidentify (without its persons), or --identified (as it is)")
    if report is not None:
        _try(report)
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        exporter = Exporter(source, DirectoryStore(settings.data / "objects"), ledger(source), user())
        done = (
            _deidentified(exporter, found, to, results, _secret(settings, key))
            if deidentify
            else exporter.identified(found, to, results)
        )
    _tell(done, to, as_json)
    if report is not None:
        _write(report, done)


def _deidentified(exporter: Exporter, study: StudyId, to: Path, results: bool, secret: bytes) -> Report:
    # What cleans needs libraries that a node without results need not have.
    from console.deidentifying import Deidentifier  # noqa: PLC0415
    from dicom_node.deidentification.pseudonyms import Pseudonyms  # noqa: PLC0415
    from inference_worker.burned_in import TextReader  # noqa: PLC0415

    reader = TextReader()
    return exporter.deidentified(
        study, to, results, lambda texts, codes: Deidentifier(Pseudonyms(secret), reader.find, texts, codes)
    )


def _secret(settings: Settings, key: Path | None) -> bytes:
    return kept(key or settings.data / _KEY)


def _try(file: Path) -> None:
    """Find out before anything leaves whether its report can be written."""
    try:
        file.open("a").close()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}; nothing was exported") from error


def _write(file: Path, done: Report) -> None:
    try:
        file.write_text(done.text, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error


def _tell(done: Report, to: Path, as_json: bool) -> None:
    if as_json:
        print_json(done.to_json())
        return
    how = f"de-identified by policy {done.policy}" if done.deidentified else "as they are, with all that they say"
    say(f"{counted(len(done.files), 'object')} in {to}, {how}; {done.results} of them results")
    for reason, count in sorted(done.left_out.items()):
        say(f"{count} left out: {reason}")
