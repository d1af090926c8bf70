"""What `doctor` finds of the trail's signatures: the keys, and whether outside places have what was signed."""

from collections.abc import Iterator

from config.audit import Witness
from config.settings import Settings
from console.cli.looks import Look, Mark
from console.cli.output import moment
from domain.errors import NodeError
from roles.seal_keys import key_folder
from store.checkpoints import CheckpointRow, Publication


def trail_keys(settings: Settings) -> Look:
    """The keys, as far as they lie on this machine: the last one signs, and nobody else may read it."""
    folder = key_folder(settings)
    try:
        known = folder.known()
        if not known:
            return Look("trail keys", Mark.OK, "the role seal makes the first, or has them elsewhere")
        folder.signer(known[-1].number)
    except NodeError as error:
        return Look("trail keys", Mark.LACKING, error.sentence)
    said = f"key {known[-1].number} in {folder.folder} signs; keep a copy of it apart from the database's backups"
    return Look("trail keys", Mark.OK, said)


def witnesses(settings: Settings, newest: CheckpointRow | None, told: dict[str, Publication]) -> Iterator[Look]:
    """Each place by itself; without one, that whoever has the database and the keys is bound by nothing."""
    if not settings.audit.witnesses:
        said = (
            "no outside place has them: who has the database and the keys can rewrite the trail unseen; "
            "[[audit.witnesses]] names one"
        )
        yield Look("checkpoints", Mark.NOTED, said)
    for one in settings.audit.witnesses:
        yield _witness(one, newest, told.get(one.name))


def _witness(one: Witness, newest: CheckpointRow | None, told: Publication | None) -> Look:
    mark, said = Mark.NOTED, "was given none yet: the role seal does"
    if told is not None and told.away_since:
        lacks = newest.size - told.size if newest else 0
        said = f"takes none since {moment(told.away_since)}: {told.reason}; it lacks {lacks} entries"
    elif told is not None:
        mark, said = Mark.OK, f"has the one of {told.size} entries, since {moment(told.at)}"
    return Look(f"checkpoints to {one.name}", mark, f"{one.address} {said}")
