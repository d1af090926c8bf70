"""`audit verify`: the whole trail held against its chain, its tree, its checkpoints, and what outside places have."""

from pathlib import Path
from typing import Annotated

import typer

from audit.chain import Verdict
from audit.notes import NoteError, VerifierKey
from audit.verification import TrailVerdict
from config.settings import Settings
from console import json_views
from console.actions.trail import verified
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import complain, print_json, say
from console.cli.user import ledger
from domain.errors import ConfigurationError
from roles.database import reading
from roles.outside_places import Place, configured, place_of, signed_here
from roles.seal_keys import trusted_keys
from store.grants import AUDITOR

Key = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="VERIFIERKEY", help="A key that you trust; by default those of the node. May be repeated."
    ),
]
Witness = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="PLACE",
        help="What an outside place has of the checkpoints: a file, a URL, or the name of one of audit.witnesses. By "
        "default all files among those. May be repeated.",
    ),
]


Archives = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="FOLDER",
        help="Folder of the files that audit archive wrote: what is in them is read too.",
    ),
]


def verify(
    key: Key = None,
    witness: Witness = None,
    archive: Archives = None,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Hold every entry against the chain, the tree and all checkpoints; exit code 1 and what is wrong where it differs.

    Examples:  dicom-node audit verify --data trial
    dicom-node audit verify --witness /mnt/vault/checkpoints.jsonl --key "$(cat node.vkey)"
    """
    settings = settings_from(config, data=data, database__url=database)
    keys = given_keys(settings, key)
    places = [place_of(settings, one) for one in witness] if witness else list(configured(settings))
    places += signed_here(settings)
    with reading(settings, AUDITOR) as source:
        verdict = verified(ledger(source), keys, places, archive, unheld_of=None if witness else settings)
    if as_json:
        print_json(json_views.verdict(verdict, [place.name for place in places]))
    else:
        _tell(verdict, places)
    if not verdict.intact:
        _complain(verdict)
        raise typer.Exit(1)


def given_keys(settings: Settings, given: list[str] | None) -> list[VerifierKey]:
    """The keys that are trusted: those that were given, else the node's."""
    return [_key(one) for one in given] if given else trusted_keys(settings)


def _key(said: str) -> VerifierKey:
    try:
        file = Path(said)
        text = file.read_text().splitlines()[0] if len(said) < 4096 and file.is_file() else said
        return VerifierKey.parse(text)
    except (NoteError, OSError, ValueError, IndexError) as error:
        raise ConfigurationError(f"--key: {error}") from error


def _tell(verdict: TrailVerdict, places: list[Place]) -> None:
    chain = verdict.chain
    if chain.bad is None:
        follow = f"{chain.checked} entries follow from one another; the last one's hash is {chain.head.hex()}"
        say(f"{_begins(verdict)}: {follow}")
    if verdict.claims:
        named = f" and in {', '.join(place.name for place in places)}" if places else ""
        say(
            f"signed: {verdict.claims} checkpoints in the database{named} agree; the largest covers {verdict.newest} "
            f"entries; keys: {', '.join(verdict.signers)}"
        )
    if verdict.archived:
        say(
            f"archived: entries 1 to {verdict.archived} lie in files and were not read; checkpoints and tiles agree: "
            "--archive FOLDER reads them too"
        )
    for warning in verdict.warnings:
        say(f"note: {warning}")


def _begins(verdict: TrailVerdict) -> str:
    return "intact" if verdict.intact else "the chain is whole, and not what was signed"


def _complain(verdict: TrailVerdict) -> None:
    chain = verdict.chain
    if chain.bad is not None:
        before = f"the {chain.checked} entries before it are intact{_behind(chain)}"
        complain(f"entry {chain.bad} is wrong: {chain.reason}; {before}")
    for one in verdict.convictions:
        complain(str(one))
    if more := verdict.convicted - len(verdict.convictions):
        complain(f"and {more} more")
    if verdict.unreached:
        complain(f"{verdict.unreached} checkpoints lie behind that, and were held against nothing")


def _behind(verdict: Verdict) -> str:
    """What there is to say of the chain behind the first entry that is wrong."""
    behind = f"; {verdict.beyond} behind it follow from one another" if verdict.beyond else ""
    return f"{behind}, until {verdict.breaks}" if verdict.breaks else behind
