"""`models test` and `models bench`: does a model do here what it did at its makers', and by which engine best?"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from config.settings import Settings
from console.cli.options import Config, Data, Json, ModelFolder, settings_from
from console.cli.output import complain, print_json, screen, state, table
from domain.errors import NodeError
from inference_worker import trial_process
from inference_worker.model_config import ModelProcessConfig
from models import installed as packages
from models.registry import Package
from roles.devices import setup

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[MODEL]...", help="Packages by name or folder; all where left out.")
]
Name = Annotated[str, typer.Argument(metavar="MODEL", help="A package's name, or the folder of one.")]
Engine = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="auto, openvino, onnxruntime, torch or tensorrt.")
]
Series = Annotated[
    list[Path] | None,
    typer.Option("--series", metavar="DIR", help="A series instead of the golden sample; one for each input."),
]
Repeats = Annotated[
    int, typer.Option("--repeats", metavar="N", min=1, max=1_000_000, help="Timed runs of each engine.")
]


def test(
    model: Names = None,
    engine: Engine = None,
    models: ModelFolder = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run the golden sample of each package and compare what comes out with what is expected.

    Each runs behind the walls of a worker's model process (`models.walls`). Exit code 1 where one differs, fails,
    cannot be read or has no golden sample, or where there is none.
    """
    settings = settings_from(config, models__folder=models, models__engine=engine, data=data)
    found, broken = packages.readable(settings, model or [])
    rows = [_tested(package, settings) for package in found]
    rows += [{**_untested(name), "said": said} for name, said in broken.items()]
    if as_json:
        print_json({"models": rows})
    elif rows:
        cells = [
            (row["model"], state("intact" if row["agrees"] else "failed"), row["engine"], str(row["said"]).split("\n"))
            for row in rows
        ]
        screen().print(table("", ("model", "golden sample", "engine", "figures or reason"), cells))
    if not rows:
        complain(f"no packages in {packages.folder(settings)}: nothing was tested")
    if not rows or not all(row["agrees"] for row in rows):
        raise typer.Exit(1)


def bench(
    model: Name,
    series: Series = None,
    repeats: Repeats = 3,
    models: ModelFolder = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run a model's network by every engine of this machine: seconds, and how far each is from the first.

    They run behind the walls of a worker's model process (`models.walls`), and read what the golden sample, or a series
    that is given, becomes. The difference is of shares after softmax or sigmoid; Dice is the least of any label.
    """
    settings = settings_from(config, models__folder=models, data=data)
    package = packages.one(settings, model)
    files = trial_process.files_of(package.manifest, series) if series else {}
    rows = trial_process.bench(package.folder, _setup(settings), files, repeats)
    if as_json:
        print_json({"model": package.name, "engines": [asdict(row) for row in rows]})
    else:
        cells = [
            (
                row.engine,
                _figure(row.seconds, ".3f"),
                _figure(row.difference, ".2g"),
                _figure(row.dice, ".4f"),
                row.failure.split("\n"),
            )
            for row in rows
        ]
        screen().print(table(package.name, ("engine", "seconds", "difference", "Dice", "failure"), cells))
    if all(row.failure for row in rows):
        complain("no engine ran the network")
        raise typer.Exit(1)


def _tested(package: Package, settings: Settings) -> dict[str, object]:
    row = _untested(package.name)
    try:
        tested = trial_process.test(package.folder, _setup(settings))
    except NodeError as error:
        return {**row, "said": str(error)}
    return {**row, "engine": tested.engine, **asdict(tested.verdict), "said": str(tested.verdict)}


def _untested(name: str) -> dict[str, object]:
    return {"model": name, "agrees": False, "engine": "", "dice": None, "difference": None}


def _setup(settings: Settings) -> ModelProcessConfig:
    """As the worker's, on all cores where nothing else is set; a signature is for `models verify` to ask for."""
    return replace(setup(settings), threads=settings.models.threads, keys=None)


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
