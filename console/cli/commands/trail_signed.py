"""`audit checkpoint`, `audit prove` and `audit keys`: what is signed of the trail, and with which keys."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from audit.keys import KnownKey, new_origin
from audit.notes import Checkpoint, Note
from console import json_views
from console.actions.trail import proven
from console.cli.options import Config, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import moment, print_json, print_list, say, tell
from console.cli.user import ledger, user
from domain.errors import ConfigurationError, Permanent
from roles.database import reading
from roles.seal_keys import key_folder
from store import checkpoints
from store.checkpoints import CheckpointRow
from store.grants import AUDITOR

keys_group = typer.Typer(help="The keys that sign the trail's checkpoints.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, max=2**63 - 1, help="The entry's number.")]
All = Annotated[bool, typer.Option("--list", help="The newest checkpoints, a line each, oldest first.")]
NewLog = Annotated[
    bool,
    typer.Option(
        "--new-log",
        help="Sign as another log from here on: after a restore, where outside places have later checkpoints. Nothing "
        "vouches for the new key.",
    ),
]
Lost = Annotated[
    bool, typer.Option("--lost", help="The key before is lost: nothing vouches for the new one, and all are told so.")
]


def checkpoint(
    listed: All = False,
    last: Last = 20,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The newest checkpoint as a signed note, with what witnesses signed below it: to be kept where you trust it.

    Examples:  dicom-node audit checkpoint --data trial > checkpoint.note
    dicom-node audit checkpoint --list
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, AUDITOR) as source, source.transaction() as connection:
        found = checkpoints.last(connection, last if listed else 1)
        more = checkpoints.count(connection) - len(found) if listed else 0
        signed = {row.number: checkpoints.cosignatures(connection, row.number) for row in found}
    if as_json:
        print_json({"checkpoints": [_row_json(row, signed[row.number]) for row in found], "more": more})
    elif listed:
        rows = [(row.number, moment(row.at), row.size, _signers(row), len(signed[row.number])) for row in found]
        print_list(("number", "at", "entries", "keys", "witnesses"), rows, more, none="no checkpoint")
    elif not found:
        raise Permanent("there is no checkpoint yet: the role seal makes the first, a second after it begins")
    else:
        say(*found[0].note.rstrip("\n").split("\n"), *signed[found[0].number])


def prove(
    number: Number, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """One entry with its proof: the path from it to the root of the newest checkpoint (RFC 6962 2.1.1).

    Example:  dicom-node audit prove 4711 --json
    """
    with reading(settings_from(config, data=data, database__url=database), AUDITOR) as source:
        proof = proven(ledger(source), number)
    if as_json:
        print_json(json_views.proof(proof))
        return
    say(proof.row.entry)
    size = sum(map(len, proof.path))
    say(f"covered by the checkpoint below: {len(proof.path)} hashes, {size} bytes, lead from it to the root (--json)")
    say(*proof.note.rstrip("\n").split("\n"), *proof.cosignatures)


@keys_group.command("list")
def list_keys(data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """The keys, oldest first, as they are given to whoever verifies; the last one signs.

    Example:  dicom-node audit keys list --data trial
    """
    folder = key_folder(settings_from(config, data=data))
    found = folder.known()
    if as_json:
        print_json({"folder": str(folder.folder), "keys": [_key_json(one) for one in found]})
        return
    print_list(
        ("number", "made", "by", "verifier key"),
        [(one.number, moment(one.made), one.by, str(one.verifier)) for one in found],
        0,
        none=f"no keys in {folder.folder}: the role seal makes the first",
    )


@keys_group.command("rotate")
def rotate(
    lost: Lost = False,
    new_log: NewLog = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make a further key, which signs from the next checkpoint on; that one the key before signs as well.

    Example:  dicom-node audit keys rotate --config /etc/dicom-node/node.toml
    """
    settings = settings_from(config, data=data, database__url=database)
    folder = key_folder(settings)
    known, origin = folder.known(), new_origin() if new_log else ""
    if not known and not (lost or new_log):
        raise ConfigurationError(
            f"no keys in {folder.folder}: the role seal makes the first; where it has signed already, put back "
            "what was there, or say --lost"
        )
    if not known and not new_log:
        with reading(settings, AUDITOR) as source, source.transaction() as connection:
            newest = checkpoints.newest(connection)
        origin = Checkpoint.parse(Note.parse(newest.note).text).origin if newest else ""
    made = folder.make(datetime.now(UTC), user(), origin, lost or new_log)
    lines = [f"key {made.number} signs from the next checkpoint on: {made.verifier}"]
    if not made.lost:
        before = folder.folder / f"{made.number - 1}.key"
        lines.append(f"once it does (dicom-node audit checkpoint), {before} is needed no more: remove it")
    tell(as_json, _key_json(made), *lines)


def _key_json(one: KnownKey) -> dict[str, object]:
    return {
        "number": one.number,
        "key": str(one.verifier),
        "made": one.made.isoformat(),
        "by": one.by,
        "lost": one.lost,
    }


def _row_json(row: CheckpointRow, signed: list[str]) -> dict[str, object]:
    return {
        "number": row.number,
        "size": row.size,
        "root": row.root.hex(),
        "at": row.at.isoformat(),
        "note": row.note,
        "cosignatures": signed,
    }


def _signers(row: CheckpointRow) -> str:
    return ", ".join(one.key_id.hex() for one in Note.parse(row.note).signatures)
