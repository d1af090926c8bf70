"""Which entries of the trail: options that its commands share, and what they come to."""

from datetime import datetime
from typing import Annotated

import typer

from console.actions.trail import known_action
from store.database import Database
from store.queries.studies import find_study
from store.trail import EntryFilter

OfAction = Annotated[
    str, typer.Option("--action", metavar="WORDS", help="Entries that say this, or begin so: 'results withdrawn'.")
]
ByActor = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Entries by this role or host, or with this in the user's name.")
]
OfStudy = Annotated[
    str | None,
    typer.Option("--study", metavar="STUDY", help="Entries of one study: id or UID, or the start of one."),
]


def entry_filter(
    source: Database, study: str | None, action: str, actor: str, since: datetime | None, until: datetime | None
) -> EntryFilter:
    """What the options ask for; raises ConfigurationError where no entry can be it, Permanent where no study is."""
    known_action(action)
    known = find_study(source, study) if study else None
    return EntryFilter(known, action, actor.strip(), since, until)
