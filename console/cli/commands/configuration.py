"""`config`: are the settings right, and what are they?"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from config.environment import unknown_variables
from config.loading import load_settings
from config.masking import public
from config.places import missing_places
from config.rules import load_rules
from config.settings import Section, Settings
from console.cli.options import Config, Json
from console.cli.output import complain, print_json, say, screen, table
from domain.errors import ConfigurationError
from domain.json_records import JsonObject
from models import installed as packages
from models.signing import trusted_keys
from store.database import server_at

app = typer.Typer()
group = typer.Typer(help="The settings: check them, show them.", no_args_is_help=True)
app.add_typer(group, name="config")

File = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="TOML settings file; DICOM_NODE_CONFIG where it is left out.")
]


@group.command()
def check(file: File = None, as_json: Json = False) -> None:
    """Name everything that is wrong with file and line, in the settings, the routing rules and the model packages.

    Exit code 1 where anything is. Otherwise print the settings that are in effect.

    Example:  dicom-node config check node.toml
    """
    complaints = _complaints(file)
    if as_json:
        print_json({"ok": not complaints, "complaints": complaints})
    elif complaints:
        for line in complaints:
            complain(line)
    else:
        _print(load_settings(file))
        say("OK")
    if complaints:
        raise typer.Exit(1)


@group.command()
def show(config: Config = None, as_json: Json = False) -> None:
    """The settings in effect: defaults, file and DICOM_NODE_* variables put together; passwords are masked."""
    settings = load_settings(config)
    if as_json:
        print_json(public(settings))
    else:
        _print(settings)


def _complaints(file: Path | None) -> list[str]:
    try:
        settings = load_settings(file)
    except ConfigurationError as error:
        return list(error.lines)
    return [
        *unknown_variables(),
        *missing_places(settings),
        *_of_database(settings),
        *_of_keys(settings),
        *_of_models(settings),
    ]


def _of_database(settings: Settings) -> Iterator[str]:
    for name in ("url", "owner_url"):
        if (url := getattr(settings.database, name)) is None:
            continue
        try:
            server_at(url.get_secret_value())
        except ConfigurationError as error:
            yield f"database.{name}: {error}"


def _of_keys(settings: Settings) -> Iterator[str]:
    for number, place in enumerate(settings.models.trusted_keys):
        try:
            trusted_keys([place])
        except ConfigurationError as error:
            yield f"models.trusted_keys.{number}: {error}"


def _of_models(settings: Settings) -> Iterator[str]:
    known, found = None, []
    try:
        found = packages.installed(settings)
        known = {package.name for package in found}
    except ConfigurationError as error:
        yield from error.lines
    try:
        rules = load_rules(settings.models.rules) if settings.models.rules else None
    except ConfigurationError as error:
        yield from error.lines
        return
    for package in found:
        if said := packages.descriptionless(package, settings, rules):
            yield f"model package {package.name} does not run: {said}"
    for rule in rules or ():
        if known is not None and rule.model not in known:
            yield f"{settings.models.rules}: rule {rule.name!r}: there is no model package {rule.model!r}"


def _print(settings: Settings) -> None:
    screen().print(table("", ("setting", "value", "what it is"), _rows(settings, public(settings))))


def _rows(settings: Settings | Section, shown: JsonObject, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Section):
            section = shown[name]
            assert isinstance(section, Mapping)
            yield from _rows(value, section, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(shown[name]), field.description or ""


def _text(value: object) -> str:
    if value is None or value in ([], {}):
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
