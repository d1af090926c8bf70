"""`results`: results that are wrong are taken back."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import typer

from config.settings import Settings
from console.cli.counting import counted
from console.cli.options import Config, Data, DatabaseUrl, Json, Reason, Study, settings_from
from console.cli.output import print_json, say
from console.cli.user import ledger, user, why
from consumers.steps.withdraw import withdraw_results
from domain.profiles import TakenBack
from roles.database import reading
from store.grants import OPERATOR
from store.queries.studies import find_study

app = typer.Typer()
group = typer.Typer(help="Results that are wrong: take them back.", no_args_is_help=True)
app.add_typer(group, name="results")


@group.callback()
def _group() -> None:
    """Keep `withdraw` a command of its own, though it is the only one."""


@group.command()
def withdraw(
    study: Study,
    reason: Reason,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take back all results of a study that are wrong: none goes out any more, and whoever has some is told.

    A destination is told by a rejection note (IHE IOCM, Rejected for Patient Safety Reasons), unless its profile wants
    none. Who said so and why is on the trail; `status STUDY` shows what became of the notes. It cannot be undone. What
    models find when the study is amended by other images are new results.

    Example:  dicom-node results withdraw 3f2a --reason "left and right were exchanged" --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    said = why(reason, "what is wrong with the results")
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        done = withdraw_results(ledger(source), found, said, user(), datetime.now(UTC))
    if as_json:
        print_json(vars(done))
        return
    say(f"withdrawn: {counted(done.runs, 'result')} of models")
    for sentence in _told(settings, done.destinations):
        say(sentence)


def _told(settings: Settings, destinations: Iterable[str]) -> Iterator[str]:
    """What becomes of what is out, a sentence for each destination that has some of it."""
    silent = {one.name for one in settings.destinations if settings.profile(one.profile).withdraw is TakenBack.NONE}
    if not destinations:
        yield "nothing of them had gone out"
    for one in destinations:
        by_hand = "its profile sends no rejection notes: take them out there by hand"
        yield f"{one} has some: {by_hand if one in silent else 'a rejection note goes there'}"
