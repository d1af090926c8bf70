"""`models`: the model packages of this node. The group's table of contents, and `list`, `show` and `verify`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from config.settings import Settings
from console.cli import package_text as text
from console.cli.commands import packages_get, packages_make, packages_run
from console.cli.options import Config, Data, DatabaseUrl, Json, ModelFolder, settings_from
from console.cli.output import print_json, screen, state, table
from models import installed as packages
from models.registry import Package

app = typer.Typer()
group = typer.Typer(help="Model packages.", no_args_is_help=True)
app.add_typer(group, name="models")

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A package's name, or the folder of one.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[MODEL]...", help="Packages by name or folder; all where left out.")
]
Trust = Annotated[
    list[Path] | None, typer.Option("--trust", metavar="PEM", help="Public key, or folder of them; may be repeated.")
]
Strict = Annotated[
    bool | None, typer.Option("--require-signature", help="Unsigned packages, and those signed by strangers, fail.")
]


@group.command("list")
def list_packages(models: ModelFolder = None, config: Config = None, as_json: Json = False) -> None:
    """The packages with version, title, signature and digest."""
    settings = settings_from(config, models__folder=models)
    found = packages.installed(settings)
    if as_json:
        print_json({"models": [_facts(one, settings) for one in found]})
        return
    rows = [
        (
            one.name, one.identity.version, one.identity.title, "yes" if one.identity.demonstration else "no",
            packages.signature(one, settings), one.digest,
        )
        for one in found
    ]  # fmt: skip
    columns = ("model", "version", "title", "demonstration", "signature", "digest")
    screen().print(table("", columns, rows) if rows else "no packages")


@group.command()
def show(model: Name, models: ModelFolder = None, config: Config = None, as_json: Json = False) -> None:
    """What a model is for, what it reads, how it is run, what it says, and who vouches for it."""
    settings = settings_from(config, models__folder=models)
    package = packages.one(settings, model)
    if as_json:
        print_json({**text.whole(package), "signature": str(packages.signature(package, settings))})
        return
    identity, out = package.manifest.identity, screen()
    heading = f"{identity.title} ({package.name} {identity.version})"
    about = [
        ("by", identity.manufacturer),
        ("licence", identity.licence),
        ("standing", "demonstration: not for clinical use" if identity.demonstration else "in use"),
        ("signature", packages.signature(package, settings)),
        ("digest", package.digest),
        ("folder", package.folder),
    ]
    out.print(table(heading, ("", ""), about))
    uses = [(one.name, sentence) for one in package.manifest.inputs for sentence in text.intended_use(one)]
    out.print(table("Intended use", ("input", "a series must be"), uses))
    out.print(table("How it is run", ("", "step", ""), text.steps(package)))
    out.print(table("What it says", ("", "", ""), text.outputs(package)))
    if card := text.card(package):
        out.print(card, markup=False)


@group.command()
def verify(
    models_named: Names = None,
    trust: Trust = None,
    strict: Strict = None,
    models: ModelFolder = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Compare every file of every package with its manifest, and say who signed it.

    Exit code 1 where a file was changed, added or lost, where a signature is required and no trusted key made it, or
    where the node knows the version with other contents.
    """
    from console.cli.known_packages import faults  # noqa: PLC0415 - the database's libraries take a second to load

    trusted = [path.absolute() for path in trust or []]
    settings = settings_from(
        config,
        data=data,
        database__url=database,
        models__folder=models,
        models__trusted_keys=trusted,
        models__require_signature=strict or None,
    )
    some = packages.some(settings, models_named or [])
    known = faults(settings, some)
    checked = [(one, packages.fault(one, settings) or known.get(one.release, "")) for one in some]
    if as_json:
        found = [{**_facts(one, settings), "intact": not fault, "reason": fault} for one, fault in checked]
        print_json({"models": found})
    else:
        rows = [
            (one.name, state("broken" if fault else "intact"), packages.signature(one, settings), fault or one.digest)
            for one, fault in checked
        ]
        columns = ("model", "files", "signature", "reason or digest")
        screen().print(table("", columns, rows) if rows else "no packages")
    if any(fault for _, fault in checked):
        raise typer.Exit(1)


def _facts(package: Package, settings: Settings) -> dict[str, Any]:
    return {**text.facts(package), "signature": str(packages.signature(package, settings))}


group.command("test")(packages_run.test)
group.command("bench")(packages_run.bench)
group.command("new")(packages_make.new)
group.command("digest")(packages_make.digest)
group.command("golden")(packages_make.golden)
group.command("keygen")(packages_make.keygen)
group.command("sign")(packages_make.sign)
group.command("pull")(packages_get.pull)
group.command("import")(packages_get.import_bundle)
