"""`conflicts`: instances that came with other bytes under a known UID."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from console import json_views
from console.cli import study_view
from console.cli.counting import counted
from console.cli.options import Config, Conflict, Data, DatabaseUrl, Json, Last, settings_from
from console.cli.output import moment, print_json, print_list, tell
from console.cli.user import ledger
from consumers.steps import adopt as adopting
from consumers.steps import set_aside as setting_aside
from roles.database import reading
from store import conflicts, studies
from store.grants import OPERATOR
from store.objects import DirectoryStore

app = typer.Typer()
group = typer.Typer(help="Instances that came with other bytes under a known UID.", no_args_is_help=True)
app.add_typer(group, name="conflicts")

Whole = Annotated[bool, typer.Option("--all", help="Of other bytes: all that wait of the same study.")]


@group.command("list")
def list_conflicts(
    last: Last = 50,
    each: Annotated[bool, typer.Option("--each", help="A line for each image, not one for all of a study.")] = False,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The conflicts, newest first, what can be decided at once in one line; with --each also where all bytes lie."""
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = conflicts.latest(source, last) if each else conflicts.groups(source, last)
    if as_json:
        print_json(json_views.listed("conflicts", found))
        return
    print_list(study_view.CONFLICT, [study_view.conflict(one) for one in found.rows], found.more)


@group.command()
def adopt(
    number: Conflict,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    whole: Whole = False,
    part: Annotated[bool, typer.Option(help="Also where the former study keeps some of its images.")] = False,
    as_json: Json = False,
) -> None:
    """Let the bytes that wait be the instance's, as after a patient merge; models are asked anew.

    What names another patient or another study is adopted with all that came with it, and results under the former
    identity are withdrawn. Other bytes of an image are adopted alone, or with all of its study that wait by --all. What
    was kept so far waits in their place: the same command again goes back.

    Example:  dicom-node conflicts adopt 7 --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        objects = DirectoryStore(settings.data / "objects")
        kept = settings.privacy.descriptions
        adopted = adopting.adopt(
            ledger(source), objects, number, datetime.now(UTC), part=part, whole=whole, descriptions=kept
        )
        with source.transaction() as connection:
            _, left = studies.size(connection, adopted.study)
    came = moment(max(one.received_at for one in adopted.conflicts))
    many = len(adopted.conflicts)
    said = f"{many} instances are" if many > 1 else f"{adopted.conflicts[0].sop_uid} is"
    lines = [f"{said} what came at {came}; study {str(adopted.sent)[:8]} will be complete anew"]
    if adopted.study != adopted.sent:
        has = counted(left, "other image") if left else "no images any more"
        lines.append(f"study {str(adopted.study)[:8]} has {has}")
    document = {"instances": many, "study": adopted.sent, "former_study": adopted.study, "former_study_keeps": left}
    tell(as_json, json_views.plain(document), *lines)


@group.command("set-aside")
def set_aside(
    number: Conflict,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    whole: Whole = False,
    as_json: Json = False,
) -> None:
    """The bytes that wait are no correction: they go into quarantine, and the study that they name goes on without.

    Example:  dicom-node conflicts set-aside 7 --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        objects = DirectoryStore(settings.data / "objects")
        done = setting_aside.set_aside(ledger(source), objects, number, datetime.now(UTC), whole=whole)
    many = len(done.conflicts)
    document = {"instances": many, "study": str(done.sent)}
    tell(as_json, document, f"{counted(many, 'image')} set aside; study {str(done.sent)[:8]} goes on without them")
