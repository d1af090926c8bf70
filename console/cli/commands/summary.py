"""`summary`: the impression of a study, what it rests on, and another one."""

from pathlib import Path
from typing import Annotated

import typer

from audit.trail import Ledger
from console import json_views
from console.cli import summary_view
from console.cli.options import Config, Data, DatabaseUrl, Json, Study, settings_from
from console.cli.output import print_json, say, screen
from console.cli.user import user
from consumers.steps.request_summary import summarise_again
from consumers.steps.summarise import payload
from domain.errors import ConfigurationError, Permanent
from domain.impressions import Facts
from domain.json_records import json_object
from roles.database import reading
from roles.summarise import template
from store.grants import OPERATOR
from store.queries.studies import find_study
from store.queries.summaries import summary_of
from store.summaries import Summary, newest

app = typer.Typer()
group = typer.Typer(help="The impression of a study: what all models found together, in a few sentences.")
app.add_typer(group, name="summary")

_NONE = (
    "no impression of it was asked for: one is when the last of its models has ended and one has findings, unless "
    "summary.enabled is false"
)
Payload = Annotated[
    bool, typer.Option("--payload", help="The facts alone, byte for byte: all that a language model may be told.")
]
FactsFile = Annotated[
    Path, typer.Option("--facts", metavar="FILE", help="Facts, as `summary show --payload` has them.")
]


@group.command()
def show(
    study: Study,
    only_payload: Payload = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The sentences of a study's newest impression, each with the facts that it rests on, and where it stands.

    Example:  dicom-node summary show 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = find_study(source, study)
        with source.transaction() as connection:
            summary, record = newest(connection, found), summary_of(connection, found)
    if summary is None or record is None:
        raise Permanent(_NONE)
    if only_payload and not as_json:
        _print_payload(summary)
    elif as_json:
        print_json(json_views.summary(summary))
    else:
        _print(*summary_view.shown(summary, record))


def _print_payload(summary: Summary) -> None:
    if summary.facts is None:
        raise Permanent("nothing was told of it: its impression is not written, or what it says was removed")
    typer.echo(payload(summary.facts))


@group.command()
def again(
    study: Study, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Have another impression of a study written, of the same findings: it supersedes the earlier one.

    Example:  dicom-node summary again 3f2a --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    if not settings.summary.enabled:
        raise ConfigurationError("nobody writes impressions: summary.enabled is false")
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        number = summarise_again(Ledger(source, "console"), found, user())
    if as_json:
        print_json({"study": str(found), "number": number})
    else:
        say(f"impression {number} is asked for: dicom-node summary show {study}")


@group.command("try")
def try_out(facts: FactsFile, as_json: Json = False) -> None:
    """Print facts and the impression that is written of them here; nothing is kept, and no node is asked.

    Example:  dicom-node summary show 3f2a --payload > facts.json; dicom-node summary try --facts facts.json
    """
    read = _read(facts)
    impression = template(read)
    if as_json:
        print_json(json_views.impression(read, impression))
        return
    _print(summary_view.facts_table(read), *summary_view.sentences(read, impression))


def _read(file: Path) -> Facts:
    try:
        return Facts.from_json(json_object(file.read_bytes()))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} holds no facts: {error}") from error


def _print(*parts: object) -> None:
    out = screen()
    for one in parts:
        out.print(one)
