"""`doctor`: what this machine has and lacks for the node, and how to get it."""

from dataclasses import asdict, replace

import typer

from console.cli.diagnostics import examine, lacking
from console.cli.installation import advised
from console.cli.looks import Mark
from console.cli.options import Config, Data, DatabaseUrl, Json, ModelFolder, settings_from
from console.cli.output import print_json, screen, styled, table

app = typer.Typer()

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
    settings = settings_from(config, data=data, database__url=database, models__folder=models)
    looks = [replace(one, said=advised(one.said)) for one in examine(settings)]
    if as_json:
        print_json({"ok": not lacking(looks), "looks": [asdict(one) for one in looks]})
    else:
        rows = [(one.what, styled(one.mark, _STYLES[one.mark]), one.said.split("\n")) for one in looks]
        screen().print(table("", ("what", "", "found, and what to do"), rows))
    if lacking(looks):
        raise typer.Exit(1)
