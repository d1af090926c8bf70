"""Which entries of the trail: options that its commands share, and what they come to."""

from datetime import datetime
from typing import Annotated

import typer

from audit.actions import Action
from audit.meanings import FORMER
from domain.errors import ConfigurationError
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
    if action and not any(name.startswith(action) for name in (*Action, *FORMER)):
        raise ConfigurationError(f"no entry says {action!r}; there are: {', '.join(sorted(Action))}")
    known = find_study(source, study) if study else None
    return EntryFilter(known, action, actor.strip(), since, until)


def in_words(wanted: EntryFilter) -> str:
    """What was read, in words."""
    given = (
        (f"of study {wanted.study}", wanted.study),
        (f"that say {wanted.action!r}", wanted.action),
        (f"by {wanted.actor}", wanted.actor),
        (f"since {wanted.since}", wanted.since),
        (f"before {wanted.until}", wanted.until),
    )
    asked = [words for words, value in given if value]
    return " ".join(["entries", *asked]) if asked else "newest entries"
