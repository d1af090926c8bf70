"""Options that many commands share, and the settings that they make."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from config.loading import load_settings
from config.secret_urls import has_password
from config.settings import Settings

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="The node's data folder. (default: dicom-node-data)")
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML settings file; also DICOM_NODE_CONFIG.")
]


def _without_password(url: str | None) -> str | None:
    """A command line is shown to every user of the machine, and kept by the shell."""
    if url is not None and has_password(url):
        raise typer.BadParameter(
            "a password on a command line can be read by everybody: put the URL into a file that is yours alone and "
            "name that in database.url_file (DICOM_NODE_DATABASE__URL_FILE), or leave the password to a passfile "
            "(?passfile=FILE, ~/.pgpass)"
        )
    return url


DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="PostgreSQL, without a password; without it the one that the data folder holds.",
        callback=_without_password,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Last = Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many at most, the newest.")]
All = Annotated[bool, typer.Option("--all", help="Everything, however much there is.")]
HttpPort = Annotated[
    int | None, typer.Option("--http-port", metavar="N", help="Port of /metrics and /health; 0 takes a free one.")
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
    float | None, typer.Option("--settle", metavar="S", help="Seconds of silence that complete a study. (default: 5)")
]
Device = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="Where models run: auto, cpu, or a GPU such as cuda:0.")
]
Supervisor = Annotated[int | None, typer.Option("--supervisor", hidden=True)]


def settings_from(config: Path | None, **given: Any) -> Settings:
    """The settings with what was given on the command line on top.

    Keys are dotted paths with `__` for the dot (`listener__port=104`); None stands for an option that was not given.
    """
    overrides: dict[str, Any] = {}
    for path, value in given.items():
        if value is None or value == []:
            continue
        *sections, name = path.split("__")
        place = overrides
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return load_settings(config, _absolute(overrides))


def _absolute(overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value.absolute() if isinstance(value, Path) else value for key, value in overrides.items()}
