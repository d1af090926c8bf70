"""`patients`: a person says whose images a study has that name two."""

from datetime import UTC, datetime

import typer

from console import json_views
from console.cli.counting import counted
from console.cli.options import Config, Data, DatabaseUrl, Group, Json, Study, settings_from
from console.cli.output import complain, moment, print_json, print_list, say, tell
from console.cli.telling import telling
from console.cli.user import ledger
from consumers.steps import patients as deciding
from consumers.steps.catch_up import catch_up as catching_up
from domain.records import Listed
from roles.database import reading
from roles.identity_key import known_marks
from store import conflicts, patients
from store.grants import OPERATOR
from store.objects import DirectoryStore
from store.queries.studies import find_study

app = typer.Typer()
group = typer.Typer(help="Studies whose images name two patients: whose are they?", no_args_is_help=True)
app.add_typer(group, name="patients")

_COLUMNS = ("group", "images", "from", "first received", "differs in", "an image of it")


@group.command("list")
def list_patients(
    study: Study,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """The study's images by whom they name; who that is, the images themselves say, in the PACS.

    Example:  dicom-node patients list 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database)) as source:
        found = find_study(source, study)
        with source.transaction() as connection:
            groups = [one.shown for one in patients.groups(connection, found)]
            waiting = conflicts.corrections(connection, conflicts.concerning(found))
    if as_json:
        print_json(json_views.listed("patients", Listed(tuple(groups))))
        return
    rows = [
        (
            one.number,
            one.instances,
            ", ".join(one.callers),
            moment(one.received_at),
            ", ".join(one.differs) or "-",
            one.example,
        )
        for one in groups
    ]
    print_list(_COLUMNS, rows, 0)
    for one in waiting:
        say(f"first: a correction of {one.images} images waits: dicom-node conflicts adopt {one.id}")


@group.command()
def keep(
    study: Study,
    number: Group,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """These images are the study's: those that disagree with them go into quarantine, and models are asked.

    Example:  dicom-node patients keep 3f2a 1 --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        found = find_study(source, study)
        done = deciding.keep(ledger(source), found, number, datetime.now(UTC))
    withdrawn = f"; results of {counted(done.withdrawn, 'run')} withdrawn" if done.withdrawn else ""
    document = {"study": str(found), "set_aside": done.set_aside, "withdrawn": done.withdrawn}
    line = f"{counted(done.set_aside, 'image')} set aside{withdrawn}; the study will be complete without them"
    tell(as_json, document, line)


@group.command()
def same(
    study: Study, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """All its images are one patient's, however they spell that: models are asked.

    Example:  dicom-node patients same 3f2a --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        found = find_study(source, study)
        deciding.accept(ledger(source), found, datetime.now(UTC))
    line = "its images are taken for one patient's; the study will be complete anew"
    tell(as_json, {"study": str(found)}, line)


@group.command("forget-key")
def forget_key(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """The key of patients' digests is lost: take another one. Of all images until now it is unknown whom they name.

    Example:  dicom-node patients forget-key --data trial
    """
    with reading(settings_from(config, data=data, database__url=database), OPERATOR) as source:
        deciding.forget_key(ledger(source))
    tell(as_json, {"forgotten": True}, "the next key that the role index is given is the node's")


@group.command("catch-up")
def catch_up(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Make what an earlier release indexed findable by number, and comparable with later studies of the same patient.

    Reads an image of each series of every study that has no digest of an Accession Number or no day; needs the node's
    key and its images, and may run while the node does. Safe to run again.

    Example:  dicom-node patients catch-up --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings, OPERATOR) as source:
        marks = known_marks(settings, source)
        objects = DirectoryStore(settings.data / "objects")
        done = catching_up(ledger(source), objects, marks, telling("studies read again"))
    if as_json:
        print_json(vars(done))
        return
    say(f"{done.found} of {counted(done.studies, 'study', 'studies')} can be found by more than before")
    if done.unreadable:
        what = counted(done.unreadable, "image")
        complain(f"{what} could not be read: dicom-node quarantine list, or the files are gone")
