"""`audit witnesses`: the outside places that get checkpoints, and how far each is."""

from dataclasses import dataclass
from datetime import datetime

from config.settings import Settings
from console import json_views
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import moment, print_json, print_list
from roles.database import reading
from store import checkpoints
from store.checkpoints import Publication
from store.database import Database
from store.grants import AUDITOR


@dataclass(frozen=True)
class _Place:
    """An outside place as it is shown. `lacks` are signed entries that the checkpoint which it has does not cover."""

    name: str
    kind: str
    address: str
    size: int
    lacks: int
    at: datetime | None
    away_since: datetime | None
    reason: str


def witnesses(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """The outside places that get checkpoints: what each has, what it lacks, and why where it takes none.

    Example:  dicom-node audit witnesses --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, AUDITOR) as source:
        found = _places(settings, source)
    if as_json:
        print_json({"witnesses": [json_views.plain(one) for one in found]})
        return
    rows = [(one.name, one.address, one.size, one.lacks, moment(one.at), _state(one)) for one in found]
    print_list(
        ("name", "where", "has", "lacks", "since", ""), rows, 0, none="no places: [[audit.witnesses]] names them"
    )


def _places(settings: Settings, source: Database) -> list[_Place]:
    with source.transaction() as connection:
        newest = checkpoints.newest(connection)
        told = {one.witness: one for one in checkpoints.publications(connection)}
    size = newest.size if newest else 0
    found = []
    for one in settings.audit.witnesses:
        it = told.get(one.name, Publication(one.name))
        lacks = size - it.size
        found.append(_Place(one.name, one.kind, one.address, it.size, lacks, it.at, it.away_since, it.reason))
    return found


def _state(one: _Place) -> str:
    return f"takes none since {moment(one.away_since)}: {one.reason}" if one.away_since else ""
