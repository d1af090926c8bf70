"""`config`: are the settings right, and what are they?"""

import json
from pathlib import Path
from typing import Annotated

import typer

from config.loading import load_settings, settings_file
from config.masking import public
from config.settings import Settings
from console.actions.settings import in_effect
from console.cli.options import Config, Json
from console.cli.output import complain, print_json, say, screen, table
from console.cli.service_files import SETTINGS

app = typer.Typer()
group = typer.Typer(help="The settings: check them, show them.", no_args_is_help=True)
app.add_typer(group, name="config")

File = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="TOML settings file; DICOM_NODE_CONFIG where it is left out.",
        readable=False,  # whoever reads it says what to do
    ),
]


@group.command()
def check(file: File = None, config: Config = None, as_json: Json = False) -> None:
    """Name everything that is wrong with file and line, in the settings, the routing rules and the model packages.

    This machine is looked at as well: ports, folders, the names of hosts. Exit code 1 where anything is wrong; lines
    with NOTE are of what was most likely not meant. The settings in effect are printed by `config show`.

    Example:  dicom-node config check node.toml
    """
    # What it looks with takes longer to import than most commands take.
    from console.cli import settings_check  # noqa: PLC0415

    chosen = settings_file(file or config)  # as other commands take it
    checked = settings_check.check(chosen)
    notes = [*([] if chosen else [_NO_FILE + _of_service()]), *checked.remarks]
    if as_json:
        print_json({"ok": not checked.complaints, "complaints": checked.complaints, "notes": notes})
    else:
        complain(*checked.complaints, *(f"NOTE: {line}" for line in notes))
        _tell(len(checked.complaints), chosen)
    if checked.complaints:
        raise typer.Exit(1)


_NO_FILE = "no settings file was given: these are the defaults and the variables DICOM_NODE_*"


def _of_service() -> str:
    """Which file was most likely meant."""
    return f"; {SETTINGS} is there: --config {SETTINGS}" if SETTINGS.exists() else ""


def _tell(wrong: int, file: Path | None) -> None:
    if wrong:
        complain(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong")
    else:
        say(f"{file or 'settings'}: OK")


@group.command()
def show(config: Config = None, as_json: Json = False) -> None:
    """The settings in effect: defaults, file and DICOM_NODE_* variables put together; passwords are masked."""
    settings = load_settings(config)
    if as_json:
        print_json(public(settings))
    else:
        _print(settings)


def _print(settings: Settings) -> None:
    screen().print(
        table(
            "",
            ("setting", "value", "what it is"),
            [(one.name, _text(one.value), one.about) for one in in_effect(settings)],
        )
    )


def _text(value: object) -> str:
    if value is None or value in ([], {}):
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
