"""`summary`: the impression of a study, what it rests on, and another one."""

from pathlib import Path
from typing import Annotated

import typer

from config.settings import LanguageModel, Settings
from console import json_views
from console.cli import summary_view
from console.cli.looked import Looked
from console.cli.options import Config, Data, DatabaseUrl, Json, Study, settings_from
from console.cli.output import print_json, say, screen
from console.cli.user import ledger, user
from consumers.steps.request_summary import summarise_again
from consumers.steps.summarise import payload
from domain.errors import ConfigurationError, NodeError, Permanent
from domain.impressions import Facts
from domain.json_records import json_object
from roles.database import reading
from roles.language_models import Asker
from roles.reports import ask
from roles.summarise import template
from store.grants import OPERATOR
from store.queries.studies import find_study
from store.queries.summaries import summary_of
from store.summaries import Summary, newest
from summary.prompt import Prompt
from summary.writing import write

app = typer.Typer()
group = typer.Typer(help="The impression of a study: what all models found together, in a few sentences.")
app.add_typer(group, name="summary")

_NONE = (
    "no impression of it was asked for: one is when the last of its models has ended and one has findings, unless "
    "summary.enabled is false"
)
Payload = Annotated[
    bool,
    typer.Option(
        "--payload",
        help="What left for language models and sources of literature, byte for byte; where nothing did, the facts "
        "that a model would be told.",
    ),
]
OnlyFacts = Annotated[
    bool, typer.Option("--facts", help="The facts, as `summary try --facts` takes them, whatever left.")
]
ProviderName = Annotated[
    str | None, typer.Option("--provider", metavar="NAME", help="Ask this language model of the settings.")
]
Test = Annotated[bool, typer.Option("--test", help="Ask each a short question that holds nothing of any study.")]
# What a test of a provider asks.
QUESTION = Prompt('Answer with {"ok": true} as JSON.', "Are you there?", {"type": "object"})
_SHOWN = 60
FactsFile = Annotated[Path, typer.Option("--facts", metavar="FILE", help="Facts, as `summary show --facts` has them.")]


@group.command()
def show(
    study: Study,
    only_payload: Payload = False,
    only_facts: OnlyFacts = False,
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
        if summary is not None:
            Looked().at_results(source, found, "facts" if only_payload or only_facts else "impression")
    if summary is None or record is None:
        raise Permanent(_NONE)
    if (only_payload or only_facts) and not as_json:
        _print_payload(summary, only_facts)
    elif as_json:
        print_json(json_views.summary(summary))
    else:
        _print(*summary_view.shown(summary, record))


def _print_payload(summary: Summary, only_facts: bool) -> None:
    if summary.facts is None:
        raise Permanent("nothing was told of it: its impression is not written, or what it says was removed")
    if not (only_facts or summary.asked):
        say("nothing left for this impression: these are the facts that a model would be told", err=True)
    facts = payload(summary.facts).decode()
    for one in () if only_facts else summary.asked:
        say(one)
    if only_facts or not summary.asked:
        say(facts)


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
        number = summarise_again(ledger(source), found, user())
    if as_json:
        print_json({"study": str(found), "number": number})
    else:
        say(f"impression {number} is asked for: dicom-node summary show {study}")


@group.command("try")
def try_out(
    facts: FactsFile, provider: ProviderName = None, data: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """Print facts and the impression that is written of them here; nothing is kept, and no node is asked.

    With --provider a language model of the settings is asked: what it answered, and what was wrong with it.

    Example:  dicom-node summary show 3f2a --facts > facts.json; dicom-node summary try --facts facts.json
    """
    read = _read(facts)
    written = write(read, template, _asker(settings_from(config, data=data), provider) if provider else None)
    if as_json:
        tried = [json_views.attempt(one) for one in written.attempts]
        print_json({**json_views.impression(read, written.impression), "attempts": tried})
        return
    _print(summary_view.facts_table(read), *(summary_view.attempt(one) for one in written.attempts))
    _print(*summary_view.sentences(read, written.impression))


@group.command("providers")
def show_providers(test: Test = False, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """The language models that may write impressions or be shown images, in the order in which they are asked.

    "node" is how each is for the node that runs here; --test asks them now, from this process.

    Example:  dicom-node summary providers --test --data trial
    """
    settings = settings_from(config, data=data)
    told = ask(settings.data, "summarise").language_models or {}
    writing = [{**_provider(settings, one, test), "node": told.get(one.name)} for one in settings.language_models]
    seeing = [{**_provider(settings, one, test), "writes": "likelihoods"} for one in settings.vision_models]
    rows = [*writing, *seeing]
    if as_json:
        print_json({"providers": rows})
    else:
        _print(*([summary_view.providers(rows)] if rows else []))
        if not writing:
            say(f"no language model is set: the template writes impressions{'' if seeing else ', and nothing leaves'}")
    if any(row["fault"] for row in rows):
        raise typer.Exit(1)


def _provider(settings: Settings, model: LanguageModel, test: bool) -> dict[str, str | None]:
    """A row; with `test` it is asked one short question, in which there is nothing of any study."""
    row: dict[str, str | None] = {
        "name": model.name,
        "kind": model.kind,
        "model": model.model or str(model.file),
        "where": model.url or str(model.file),
        "writes": "impressions",
        "node": None,
        "fault": None,
        "answered": None,
    }
    if test:
        try:
            row["answered"] = Asker(settings, None, (model,))(QUESTION).text[:_SHOWN]
        except NodeError as error:
            row["fault"] = error.sentence
    return row


def _asker(settings: Settings, name: str) -> Asker:
    """Asks this provider alone, of whom no trail is kept: what it is asked is no study's."""
    found = tuple(one for one in settings.language_models if one.name == name)
    if not found:
        known = ", ".join(one.name for one in settings.language_models) or "none"
        raise ConfigurationError(f"there is no language model {name!r} in the settings; known: {known}")
    return Asker(settings.model_copy(update={"language_models": found}), None)


def _read(file: Path) -> Facts:
    try:
        return Facts.from_json(json_object(file.read_bytes()))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        said = f"{file} holds no facts, which `dicom-node summary show STUDY --facts` prints: {error}"
        raise ConfigurationError(said) from error


def _print(*parts: object) -> None:
    out = screen()
    for one in parts:
        out.print(one)
