"""`disk`: what the data folder and the database take, how fast that grows, and how long the disk lasts."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import typer

from config.settings import Settings
from console import json_views
from console.cli.counting import counted
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import print_json, say, screen, size, table
from domain import disk as rule
from domain.disk import Arrived, Free, TableUse, Use
from roles.database import reading
from roles.disk_use import KINDS, space, uses
from store.queries.disk import arrived, table_sizes

app = typer.Typer()
_HOURS = 24  # of a day
_TABLES = 8  # the largest; the others are small


@app.command()
def disk(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """What takes room: images, results, spool, database; how fast it grows, and how long it lasts.

    Growth is that of the last seven days, or of those since the first image; before a day has passed none is told.
    `dicom-node retention plan` says what may go.

    Example:  dicom-node disk --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings) as source:
        tables, came = table_sizes(source), arrived(source)
    # An empty database takes its room already: what grows is its tables.
    grown = sum(one.bytes for one in tables)
    found = [replace(one, growing=grown) if one.kind == "database" else one for one in uses(settings)]
    systems = _systems(settings, found, came)
    if as_json:
        print_json(json_views.disk(found, tables, came, systems, settings.spool.disk_floor))
        return
    _show(settings, found, tables, came, systems)


def _systems(settings: Settings, found: Sequence[Use], came: Arrived) -> list[Free]:
    folders = {kind: settings.data / folder for folder, (kind, _) in KINDS.items()}
    made = []
    for _, some in groupby(sorted(found, key=lambda one: one.system), key=lambda one: one.system):
        kinds = list(some)
        left, whole = space(folders[kinds[0].kind])
        made.append(rule.free(kinds, left, whole, settings.spool.disk_floor, came))
    return made


def _show(
    settings: Settings, found: Sequence[Use], tables: Sequence[TableUse], came: Arrived, systems: Sequence[Free]
) -> None:
    out = screen()
    rows = [(one.kind, size(one.bytes), one.files, _grows(one, came)) for one in found if one.bytes]
    out.print(table("", ("what", "takes", "files", "grows by"), rows))
    shown = [(one.table, size(one.bytes), one.rows) for one in tables[:_TABLES]]
    out.print(table("the largest tables of the database", ("table", "takes", "rows, about"), shown))
    say(f"{came.instances} images of {size(came.bytes)} in the index, {_lately(came)}")
    for one in systems:
        say(_lasts(one, settings.spool.disk_floor, came))


def _grows(one: Use, came: Arrived) -> str:
    if not one.growing:
        return "bounded"
    return f"{size(rule.growth(one, came))} a day" if came.days >= 1 else "with the images"


def _lately(came: Arrived) -> str:
    return f"{came.recent_instances} of {size(came.recent_bytes)} came in the last {rule.WINDOW:.0f} days"


def _lasts(one: Free, floor: int, came: Arrived) -> str:
    what = f"{size(one.free)} of {size(one.whole)} free for {', '.join(one.kinds)}"
    if one.free < floor:
        return f"{what}: below spool.disk_floor ({size(floor)}) now, and senders are refused (0xA700): free some"
    if one.days_left is None:
        return f"{what}: nothing grows there at present"
    if came.days < 1:
        return (
            f"{what}: how long it lasts above spool.disk_floor ({size(floor)}) can be said a day after the first "
            f"image, which came {came.days * _HOURS:.0f} h ago"
        )
    growth = f"at {size(one.growth)} a day, as in the last {counted(round(came.days), 'day')},"
    return f"{what}: {growth} it is down to spool.disk_floor ({size(floor)}) in {one.days_left:.0f} days"
