"""`models`: which model packages are here, and are they what they were when they were made?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from console import packages
from console.options import Config, Json, settings_from
from console.output import print_json, screen, state, table
from domain.errors import IntegrityError
from models.registry import Package
from models.registry import verify as prove

app = typer.Typer()
group = typer.Typer(help="Model packages.", no_args_is_help=True)
app.add_typer(group, name="models")

Folder = Annotated[
    Path | None, typer.Option("--models", metavar="DIR", help="Folder of model packages. (default: the shipped ones)")
]


@group.command("list")
def list_packages(models: Folder = None, config: Config = None, as_json: Json = False) -> None:
    """The packages with version, title and digest."""
    found = packages.installed(settings_from(config, models__folder=models))
    if as_json:
        print_json({"models": [_facts(one) for one in found]})
        return
    rows = [
        (one.name, one.identity.version, one.identity.title, "yes" if one.identity.demonstration else "no", one.digest)
        for one in found
    ]
    screen().print(table("", ("model", "version", "title", "demonstration", "digest"), rows) if rows else "no packages")


@group.command()
def verify(models: Folder = None, config: Config = None, as_json: Json = False) -> None:
    """Compare every file of every package with its manifest; exit code 1 where one was changed, added or lost."""
    found = packages.installed(settings_from(config, models__folder=models))
    checked = [(one, _fault(one)) for one in found]
    if as_json:
        print_json({"models": [{**_facts(one), "intact": not fault, "reason": fault} for one, fault in checked]})
    else:
        rows = [(one.name, state("broken" if fault else "intact"), fault or one.digest) for one, fault in checked]
        screen().print(table("", ("model", "files", "reason or digest"), rows) if rows else "no packages")
    if any(fault for _, fault in checked):
        raise typer.Exit(1)


def _fault(package: Package) -> str:
    try:
        prove(package)
    except IntegrityError as error:
        return str(error)
    return ""


def _facts(package: Package) -> dict[str, Any]:
    return {**vars(package.identity), "folder": str(package.folder)}
