"""`retention`: what would be removed, and why. `hold`, `release`: what a person keeps."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from config.settings import Settings
from console import json_views
from console.actions import recovery as deciding
from console.cli.commands.studies import MaybeStudy
from console.cli.options import All, Config, Data, DatabaseUrl, Json, Reason, Study, settings_from
from console.cli.output import and_more, moment, print_json, print_list, say, screen, size, table
from console.cli.user import ledger, user, why
from consumers.steps.remove import Plan, plan
from domain.errors import ConfigurationError
from domain.retention import OF_STUDIES, Candidate, Cause, Policy, Removal, What
from roles.database import reading
from roles.disk_use import objects_space
from roles.retention import groups, policy
from store.grants import OPERATOR
from store.holds import all_holds
from store.queries.studies import find_study

app = typer.Typer()
group = typer.Typer(help="What is removed by age and for want of room.", no_args_is_help=True)
app.add_typer(group, name="retention")

_SHOWN = 20  # studies of the plan, unless --all
_ID = 8


@app.command()
def hold(
    study: MaybeStudy = None,
    reason: Reason = "",
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Keep a study: nothing of it is removed. Without STUDY: what is kept so.

    For a teaching file, a trial, a complaint. Who says so and why is on the trail; `dicom-node release` ends it.

    Example:  dicom-node hold 3f2a --reason "complaint 12" --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    if study is None:
        _list_holds(settings, as_json)
        return
    if not reason:  # which Typer asks for only where no list can be meant
        raise typer.BadParameter("say in words why the study is kept", param_hint="--reason")
    said = why(reason, "why the study is kept")
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        images = deciding.hold(ledger(source), found, said, user())
    if as_json:
        print_json({"study": str(found), "images": images})
    else:
        say(f"the study is held: its {images} images, and what was made of them, stay until dicom-node release {study}")


@app.command()
def release(
    study: Study, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """End a hold: what is done and delivered of the study may be removed again.

    Example:  dicom-node release 3f2a --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        found = find_study(source, study)
        deciding.release(ledger(source), found, user())
    if as_json:
        print_json({"study": str(found)})
    else:
        say("the study is held no longer: dicom-node retention plan says whether it goes")


@group.callback()
def _group() -> None:
    """One command today; the callback keeps it a group."""


@group.command("plan")
def show_plan(
    everything: All = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """What would be removed now, and why; what stays, and why. Nothing is removed by it.

    By the settings of `[retention]`: give the --config that the node has. The role `retain` removes.

    Example:  dicom-node retention plan --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    rule, free = policy(settings), _free(settings)
    with reading(settings, OPERATOR) as source:
        made = plan(source, rule, groups(settings), datetime.now(UTC), rule.lacking(free), None)
    if as_json:
        print_json(json_views.plan(made.removals, made.kept, made.rows, free))
        return
    _show(settings, rule, free, made, everything)


def _free(settings: Settings) -> int:
    """What is free for objects; raises ConfigurationError where that counts and they are not on this machine."""
    try:
        return objects_space(settings)
    except OSError as error:
        if not settings.retention.keep_free:
            return 0
        said = f"{settings.data} cannot be looked at: {error.strerror}; run this where the objects are"
        raise ConfigurationError(said) from error


def _list_holds(settings: Settings, as_json: bool) -> None:
    with reading(settings) as source, source.transaction() as connection:
        found = all_holds(connection)
    if as_json:
        print_json({"holds": json_views.plain(found)})
        return
    rows = [(str(one.study_id)[:_ID], moment(one.since), one.held_by, one.reason) for one in found]
    print_list(("study", "since", "by", "reason"), rows, 0, "no study is under a hold")


def _show(settings: Settings, rule: Policy, free: int, made: Plan, everything: bool) -> None:
    out = screen()
    say(*_rules(settings, rule, free))
    shown = made.removals if everything else made.removals[:_SHOWN]
    if shown:
        out.print(table("goes", ("study", "what", "how many", "takes", "last received", "why"), map(_removal, shown)))
    if len(made.removals) > len(shown):
        out.print(and_more(len(made.removals) - len(shown), "--all"))
    say(_sum(made.removals))
    stays = Counter((one.what, one.kept) for one in made.kept)
    if stays:
        told = [(what, count, said) for (what, said), count in stays.items()]
        out.print(table("stays", ("what", "studies", "why"), told))
    rows = [f"{count} rows of {what}" for what, count in made.rows.items() if count]
    say(f"and {', '.join(rows)}" if rows else "no row of events, associations and letters is old enough")


def _rules(settings: Settings, rule: Policy, free: int) -> list[str]:
    ages = [f"{what} after {rule.days[what]:g} days" for what in OF_STUDIES if what in rule.days]
    said = [f"of what is done and delivered: {', '.join(ages)}" if ages else "nothing of a study goes for its age"]
    if not settings.retention.keep_free:
        return [*said, "nothing goes for want of room (retention.keep_free is 0)"]
    short = f"below {size(rule.keep_free)} free the oldest goes, until {size(rule.until_free)} are"
    return [*said, f"{short}; {size(free)} are free now"]


def _removal(one: Removal) -> Sequence[object]:
    found = one.candidate
    takes = size(found.bytes) if found.bytes else ""
    cause = "for its age" if one.cause is Cause.AGE else "for want of room"
    return str(found.study)[:_ID], found.what, found.count, takes, moment(found.last_received), cause


def _sum(removals: Sequence[Removal]) -> str:
    if not removals:
        return "nothing of any study goes now"
    by_kind = [(what, [one.candidate for one in removals if one.candidate.what is what]) for what in OF_STUDIES]
    return f"all in all {', '.join(_counted(what, gone) for what, gone in by_kind if gone)}"


def _counted(what: What, gone: Sequence[Candidate]) -> str:
    takes = sum(one.bytes for one in gone)
    return f"{what} of {len(gone)} stud{'y' if len(gone) == 1 else 'ies'}" + (f" ({size(takes)})" if takes else "")
