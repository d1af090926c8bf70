"""`models pull` and `models import`: models that others made, as packages."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from console.cli.options import Config, Json, ModelFolder, settings_from
from console.cli.output import print_json, progress_screen, say, screen, size, table
from domain.errors import ConfigurationError
from models import bundles, fetched, pulling
from models import installed as packages
from models.catalogue import CATALOGUE, CODES, Entry, catalogue, entry
from models.registry import Package

Wanted = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Its name in the catalogue.")]
Listed = Annotated[bool, typer.Option("--list", help="Print the catalogue and fetch nothing.")]
Offline = Annotated[
    Path | None, typer.Option("--from", metavar="PATH", help="Take this file, or it from this folder: off the network.")
]
Digest = Annotated[
    str, typer.Option("--digest", metavar="ALGORITHM:HEX", help="The file's digest, where the catalogue knows none.")
]
Book = Annotated[Path, typer.Option("--catalogue", metavar="FILE", help="Another catalogue than the shipped one.")]
Called = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What the package is called here.")]
Bundle = Annotated[Path, typer.Argument(metavar="PATH", help="A MONAI bundle: its folder or its ZIP archive.")]
Codes = Annotated[Path | None, typer.Option("--codes", metavar="FILE", help="What its labels are coded as (TOML).")]
Trusted = Annotated[bool, typer.Option("--trust-code", help="Take a bundle with code of its own, which you have read.")]


def pull(
    model: Wanted = None,
    listed: Listed = False,
    source: Offline = None,
    digest: Digest = "",
    book: Book = CATALOGUE,
    trusted: Trusted = False,
    models: ModelFolder = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Fetch a model of the catalogue and make a package of it.

    What was cut off goes on where it broke; a file with another digest is refused. Proxies are taken from HTTPS_PROXY.

    Examples:  dicom-node models pull --list     dicom-node models pull monai_spleen_ct --models packages
    """
    entries = catalogue(book)
    if listed or model is None:
        _print(list(entries.values()), as_json)
        return
    wanted = entry(model, entries)
    folder = packages.own_folder(settings_from(config, models__folder=models))
    target = folder / wanted.name
    if target.exists():
        raise ConfigurationError(f"{target}: is there already; remove it first")
    # Two levels down, where nobody looks for packages.
    parts = folder / ".pulled" / wanted.name
    with _bar(wanted) as progress:
        file = pulling.pull(wanted, parts, digest, source, progress)
    if wanted.kind == "checkpoint":
        _keep(wanted, file, as_json)
        return
    if wanted.kind == "weights":
        package = fetched.make_package(wanted, file, folder)
    else:
        package = bundles.import_bundle(file, folder, CODES / wanted.codes, name=wanted.name, trusted=trusted)
    shutil.rmtree(parts)
    _said(package, as_json)


def import_bundle(
    bundle: Bundle,
    codes: Codes = None,
    name: Called = None,
    trusted: Trusted = False,
    models: ModelFolder = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a package of a MONAI bundle. It is copied, checked and given digests; nothing of it runs.

    Every label needs a code, which the file CODES gives; without it, what is lacking is named.
    """
    folder = packages.own_folder(settings_from(config, models__folder=models))
    package = bundles.import_bundle(bundle, folder, codes, name=name, trusted=trusted)
    _said(package, as_json)


def _keep(wanted: Entry, file: Path, as_json: bool) -> None:
    """A checkpoint is a pickled program, so it is kept for the training environment and is no package."""
    if as_json:
        print_json({"model": wanted.name, "file": str(file), "package": False})
    else:
        say(
            f"{file}: is a pickled module, which the node never opens. Where the extra training is installed:",
            f"python -m training.torchxrayvision {file} {file.parents[2] / wanted.name}",
        )


def _said(package: Package, as_json: bool) -> None:
    if as_json:
        print_json({"model": package.name, "digest": package.digest, "folder": str(package.folder)})
        return
    models = shlex.quote(str(package.folder.parent))
    say(
        f"{package.name} {package.digest} is in {package.folder}; "
        f"try it: dicom-node models show {package.name} --models {models}"
    )


def _print(entries: list[Entry], as_json: bool) -> None:
    if as_json:
        print_json({"models": [vars(one) for one in entries]})
        return
    rows = [
        (
            one.name, one.title, one.version, one.kind, size(one.size) if one.size else "",
            one.digest.partition(":")[0] or "none: give --digest", one.licence, one.remark,
        )
        for one in entries
    ]  # fmt: skip
    columns = ("model", "title", "version", "kind", "size", "digest", "licence", "remark")
    screen().print(table("", columns, rows))


@contextmanager
def _bar(wanted: Entry) -> Iterator[pulling.Progress]:
    """A bar on standard error where that is a terminal, silence elsewhere."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress_screen(), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(wanted.name, total=wanted.size or None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole or None)
