"""Options that many commands share, and the settings that they make.

Every number has bounds, here or in the settings: beyond them libraries and the database raise what nobody can read.
"""

import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from config.loading import load_settings, load_sound
from config.secret_urls import has_password
from config.settings import Settings
from config.sources import Fault, Sources
from console.cli.hints import typed
from domain.errors import ConfigurationError, Permanent

_MOST_ROWS = 1_000_000
_LARGEST_ID = 2**63 - 1  # of a column bigint


def _numbered(what: str, command: str, metavar: str = "ID") -> Any:
    """The argument that names one of what `command` lists, by its number.

    One that the database has no room for is refused in the words for one that it does not have.
    """

    def check(number: int) -> int:
        if not 0 < number <= _LARGEST_ID:
            raise Permanent(f"there is no {what} {number}: dicom-node {command} list")
        return number

    return typer.Argument(metavar=metavar, help=f"Number of the {what}, as `list` shows it.", callback=check)


def _number(value: float) -> float:
    """No range keeps out what is no number."""
    if math.isnan(value):
        raise typer.BadParameter("that is no number")
    return value


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The node's data folder. (default: dicom-node-data)",
        readable=False,  # as below
        callback=typed("--data"),
        is_eager=True,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML settings file; also DICOM_NODE_CONFIG.",
        readable=False,  # whoever reads it says what to do
        callback=typed("--config"),
        is_eager=True,
    ),
]


def _without_password(url: str | None) -> str | None:
    """A command line is shown to every user of the machine, and kept by the shell."""
    if url is not None and has_password(url):
        raise typer.BadParameter(
            "a password on a command line can be read by everybody: put the URL into a file that is yours alone and "
            "name that in database.url_file (DICOM_NODE_DATABASE__URL_FILE), or leave the password to a passfile "
            "(?passfile=FILE, ~/.pgpass)"
        )
    return typed("--database")(url)


DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="PostgreSQL, without a password; without it the one that the data folder holds.",
        callback=_without_password,
        is_eager=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept, and names no patient.")]
Last = Annotated[int, typer.Option("--last", metavar="N", min=1, max=_MOST_ROWS, help="How many at most, the newest.")]
Conflict = Annotated[int, _numbered("conflict", "conflicts")]
Letter = Annotated[int, _numbered("dead letter", "dead-letters")]
Group = Annotated[int, _numbered("group", "patients", "GROUP")]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="S", min=0.1, max=86400.0, callback=_number, help="Seconds to wait for each answer."
    ),
]
All = Annotated[bool, typer.Option("--all", help="Everything, however much there is.")]
HttpPort = Annotated[
    int | None, typer.Option("--http-port", metavar="N", help="Port of /metrics and /health; 0 takes a free one.")
]
LogFile = Annotated[
    Path | None, typer.Option("--log-file", metavar="FILE", help="Log there, in files of 50 MB, the last ten kept.")
]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="Internal id or StudyInstanceUID, or the start of either.")]
Aet = Annotated[str | None, typer.Option("--aet", metavar="NAME", help="Our AE title. (default: DICOM_NODE)")]
Host = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on. (default: 127.0.0.1)")
]
Port = Annotated[int | None, typer.Option("--port", metavar="N", help="DICOM port. (default: 11112)")]
ModelFolder = Annotated[
    Path | None, typer.Option("--models", metavar="DIR", help="Folder of model packages. (default: the shipped ones)")
]
Rules = Annotated[Path | None, typer.Option("--rules", metavar="FILE", help="Routing rules (TOML).")]
Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Kafka broker; without it PostgreSQL carries events.")
]
Destinations = Annotated[
    list[str] | None,
    typer.Option("--destination", metavar="AET@HOST:PORT", help="Archive that results go to; may be repeated."),
]
Settle = Annotated[
    float | None, typer.Option("--settle", metavar="S", help="Seconds of silence that complete a study. (default: 15)")
]
Device = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="Where models run: auto, cpu, or a GPU such as cuda:0.")
]
Index = Annotated[
    int, typer.Option("--index", min=0, max=999, help="Number of this process, from 0, where several are of its role.")
]
Supervisor = Annotated[int | None, typer.Option("--supervisor", min=1, max=2**31 - 1, hidden=True)]


def settings_from(config: Path | None, **given: object) -> Settings:
    """The settings with what was given on the command line on top.

    Keys are dotted paths with `__` for the dot (`listener__port=104`); None stands for an option that was not given.
    """
    overrides = overrides_of(**given)
    try:
        return load_settings(config, overrides)
    except ConfigurationError as error:
        if "data" not in given or given["data"] is not None:
            raise
        from console.cli.unsettled import of_a_node_that_runs  # noqa: PLC0415 - where the settings are wrong

        raise ConfigurationError(*error.lines, *of_a_node_that_runs(config, overrides)) from error


def sources_of(config: Path | None, **given: object) -> Sources:
    """Where settings_from found each setting, for a complaint about one."""
    return load_sound(config, overrides_of(**given)).sources


def overrides_of(**given: object) -> Mapping[str, object]:
    """What was given on the command line, as settings_from takes it, nested as a file is."""
    return _absolute(_nested(given))


def _nested(given: Mapping[str, object]) -> dict[str, object]:
    overrides: dict[str, object] = {}
    for path, value in given.items():
        if value is None or value == []:
            continue
        _put(overrides, path.split("__"), value)
    return overrides


def _put(table: dict[str, object], path: list[str], value: object) -> None:
    first, *rest = path
    if not rest:
        table[first] = value
        return
    section = table.setdefault(first, {})
    assert isinstance(section, dict)
    _put(section, rest, value)


def _absolute(overrides: Mapping[str, object]) -> Mapping[str, object]:
    return {key: value.absolute() if isinstance(value, Path) else value for key, value in overrides.items()}


def refuse(faults: Iterable[Fault], read: "partial[Settings]") -> None:
    """What would otherwise show as roles that die again and again; raises ConfigurationError with each one's place."""
    if found := list(faults):
        sources = sources_of(*read.args, **read.keywords)
        raise ConfigurationError(*map(sources.line, found))
