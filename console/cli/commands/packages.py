"""`models`: the model packages of this node. The group's table of contents, and `list`, `show` and `verify`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from config.private import readable_by_others
from config.settings import Settings
from console import package_text as text
from console.cli.commands import packages_get, packages_make, packages_run, pausing
from console.cli.options import Config, Data, DatabaseUrl, Json, ModelFolder, settings_from
from console.cli.output import complain, print_json, screen, stacked, state, table
from inference_worker.trial_process import dry_run
from inference_worker.verdicts import DryRun
from models import installed as packages
from models.inspection import inspect
from models.registry import Package
from roles.devices import setup

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
Files = Annotated[bool, typer.Option("--files", help="Files, signatures and cards alone: no network is opened.")]
Strict = Annotated[
    bool | None, typer.Option("--require-signature", help="Unsigned packages, and those signed by strangers, fail.")
]


@group.command("list")
def list_packages(models: ModelFolder = None, config: Config = None, as_json: Json = False) -> None:
    """The packages with version, title, signature and digest. Exit code 1 where the manifest of one is wrong."""
    settings = settings_from(config, models__folder=models)
    found, broken = packages.readable(settings, [])
    if as_json:
        told = [{"name": name, "faults": said.split("\n")} for name, said in broken.items()]
        print_json({"models": [_facts(one, settings) for one in found], "broken": told})
    elif found or not broken:
        _print_listed(found, settings)
    if broken and not as_json:
        complain(*(line for said in broken.values() for line in said.split("\n")))
    if broken:
        raise typer.Exit(1)


def _print_listed(found: Sequence[Package], settings: Settings) -> None:
    rows = [
        (
            one.name, one.identity.version, one.identity.title, "yes" if one.identity.demonstration else "no",
            packages.signature(one, settings), one.digest,
        )
        for one in found
    ]  # fmt: skip
    columns = ("model", "version", "title", "demonstration", "signature", "digest")
    screen().print(table("", columns, rows) if rows else _none(settings))


def _none(settings: Settings) -> str:
    return f"no packages in {packages.folder(settings)}"


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
        out.print(stacked(card))


@group.command()
def verify(
    models_named: Names = None,
    files: Files = False,
    trust: Trust = None,
    strict: Strict = None,
    models: ModelFolder = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Whether packages do what their manifests promise: files, signature, card, network, engines, memory.

    Each network is opened and run dry by every engine of this machine, in a process of its own. Everything that is
    wrong is named at once. Exit code 1 where something is, where a signature is required and no trusted key made it, or
    where the node knows the version with other contents.
    """
    from console.actions.known_packages import faults  # noqa: PLC0415 - the database's libraries take a second to load

    trusted = [path.absolute() for path in trust or []]
    settings = settings_from(
        config,
        data=data,
        database__url=database,
        models__folder=models,
        models__trusted_keys=trusted,
        models__require_signature=strict or None,
    )
    some, broken = packages.readable(settings, models_named or [])
    known = faults(settings, some)
    checked = [_checked(one, settings, known.get(one.release, ""), files) for one in some]
    checked += [_unreadable(name, said) for name, said in broken.items()]
    if as_json:
        print_json({"models": [one.as_json() for one in checked]})
    elif checked:
        _print_checked(checked)
    if not checked:
        complain(f"{_none(settings)}: nothing was verified")
    if not checked or any(one.faults for one in checked):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Checked:
    """A package as the list shows it, what is wrong with it, and what else is to be known."""

    facts: Mapping[str, object]
    faults: Sequence[str]
    remarks: Sequence[str] = ()

    def as_json(self) -> dict[str, object]:
        """With whether nothing is wrong, and all that is as one text."""
        said = {"reason": "\n".join(self.faults), "faults": list(self.faults), "remarks": list(self.remarks)}
        return {**self.facts, "intact": not self.faults, **said}

    def row(self) -> tuple[object, ...]:
        """Name, state, signature and reasons."""
        name, digest, signature = (self.facts[key] for key in ("name", "digest", "signature"))
        return name, state("broken" if self.faults else "intact"), signature, self.faults or [digest, *self.remarks]


def _checked(package: Package, settings: Settings, known: str, files: bool) -> _Checked:
    faults = [*packages.unsigned(package, settings), *inspect(package), *([known] if known else [])]
    tried = DryRun() if files else dry_run(package.folder, setup(settings))
    faults += [one for one in tried.faults if one not in faults]
    return _Checked(_facts(package, settings), faults, tried.remarks)


def _unreadable(name: str, said: str) -> _Checked:
    return _Checked({"name": name, "digest": "", "signature": ""}, said.splitlines() or [said])


def _print_checked(checked: Sequence[_Checked]) -> None:
    rows = [one.row() for one in checked]
    screen().print(table("", ("model", "package", "signature", "reason or digest"), rows))


def _facts(package: Package, settings: Settings) -> dict[str, object]:
    return {**text.facts(package), "signature": str(packages.signature(package, settings))}


group.command("test")(packages_run.test)
group.command("bench")(packages_run.bench)
group.command("pause")(pausing.pause_model)
group.command("resume")(pausing.resume_model)

# Packages are no secret, and the node that runs them may be another user.
_MAKING: Mapping[str, Callable[..., None]] = {
    "new": packages_make.new,
    "digest": packages_make.digest,
    "golden": packages_make.golden,
    "keygen": packages_make.keygen,
    "sign": packages_make.sign,
    "pull": packages_get.pull,
    "import": packages_get.import_bundle,
}
for _name, _make in _MAKING.items():
    group.command(_name)(readable_by_others()(_make))
