"""`doctor`: what this machine has and lacks for the node, and how to get it."""

from dataclasses import asdict, replace
from pathlib import Path

import typer

from config.settings import Settings
from console.cli.diagnostics import examine, lacking
from console.cli.installation import advised, here
from console.cli.looks import Mark
from console.cli.options import Config, Data, DatabaseUrl, Json, ModelFolder, settings_from
from console.cli.output import print_json, screen, styled, table
from console.cli.service_files import DATA, SETTINGS

app = typer.Typer()

_BOOTED = Path("/run/systemd/system")  # where systemd runs the machine, sd_booted(3)
_STYLES = {Mark.OK: "green", Mark.NOTED: "yellow", Mark.LACKING: "bold red"}


@app.command()
def doctor(
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    models: ModelFolder = None,
    as_json: Json = False,
) -> None:
    """What does this machine lack for the node, and how is it to be had? Ports, disk, servers, engines, GPU, models.

    Exit code 1 where something is lacking; what is only noted keeps nothing from running.

    Example:  dicom-node doctor --config node.toml
    """
    settings = _as_a_service(settings_from(config, data=data, database__url=database, models__folder=models))
    looks = [replace(one, said=advised(one.said)) for one in examine(settings)]
    if as_json:
        print_json({"ok": not lacking(looks), "looks": [asdict(one) for one in looks]})
    else:
        rows = [(one.what, styled(one.mark, _STYLES[one.mark]), one.said.split("\n")) for one in looks]
        screen().print(table("", ("what", "", "found, and what to do"), rows))
    if lacking(looks):
        raise typer.Exit(1)


def _as_a_service(settings: Settings) -> Settings:
    """Where nobody says which node is meant and none is here: as `service install`, the next step, would have it."""
    named = settings.data != Settings.model_fields["data"].default or settings.data.exists()
    if named or SETTINGS.exists() or not _BOOTED.is_dir() or here().in_repository:
        return settings
    return settings.model_copy(update={"data": DATA})
