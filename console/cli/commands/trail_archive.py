"""`audit archive` and `audit restore`: parts of the trail into files, and back, as the owner of the schema."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from audit.archiving import Archive
from config.settings import Settings
from console.cli.commands.trail_verify import Key, given_keys
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import print_json, say
from console.cli.user import ledger, user
from domain.clock import SystemClock
from domain.errors import ConfigurationError, NodeError
from roles.database import any_database
from store.database import Database
from store.grants import WHOEVER
from store.trail_archives import ArchivedPart

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")

Before = Annotated[str, typer.Option("--before", metavar="MONTH", help="Parts begun before this month (UTC): 2026-05.")]
To = Annotated[
    Path, typer.Option("--to", metavar="FOLDER", help="Folder of the files; better not on this machine's disk.")
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that audit archive wrote.")]


def archive(
    before: Before,
    to: To,
    key: Key = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Write the oldest parts of the trail into files that prove themselves, and take them out of the database.

    A part that goes has ended for as long as audit.keep says, and is closed by a signed checkpoint.

    Example:  dicom-node audit archive --before 2026-05 --to /mnt/archive/trail --config node.toml
    """
    if not _MONTH.fullmatch(before):
        raise ConfigurationError("--before wants a month: 2026-05")
    settings = settings_from(config, data=data, database__url=database, database__owner_url=database)
    keep = timedelta(days=settings.audit.keep) if settings.audit.keep else None
    month = datetime.fromisoformat(f"{before}-01").replace(tzinfo=UTC)
    done: list[ArchivedPart] = []
    with _archive(settings, key) as trail:
        try:
            while part := trail.due(month, keep):
                done.append(trail.take(part, to))
        except NodeError:
            if not done:
                raise
    if as_json:
        print_json({"archived": [_json(one) for one in done]})
        return
    for one in done:
        say(f"entries {one.first} to {one.last} are in {to / one.file}; SHA-256 {one.digest.hex()}")
    if not done:
        say(f"no part of the trail in the database was begun before {before} and has ended")


def restore(
    files: Files,
    key: Key = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Put parts of the trail that were archived back into the database, each proven before; the newest comes first.

    Example:  dicom-node audit restore /mnt/archive/trail/*.jsonl --config node.toml
    """
    settings = settings_from(config, data=data, database__url=database, database__owner_url=database)
    with _archive(settings, key) as trail:
        done = [trail.put_back(file) for file in sorted(files, key=lambda file: file.name, reverse=True)]
    if as_json:
        print_json({"restored": [_json(one) for one in done]})
        return
    for one in done:
        say(f"entries {one.first} to {one.last} are in the database again")


@contextmanager
def _archive(settings: Settings, key: list[str] | None) -> Iterator[Archive]:
    with any_database(settings) as (_, owner_url), closing(Database(owner_url, pool_size=2, role=WHOEVER)) as owner:
        names = [one.name for one in settings.audit.receivers]
        yield Archive(ledger(owner), given_keys(settings, key), SystemClock(), user(), names)


def _json(one: ArchivedPart) -> dict[str, object]:
    return {"first": one.first, "last": one.last, "file": one.file, "sha256": one.digest.hex()}
