"""`destinations pause`, `models pause` and their ends: what a person holds back for a while."""

from typing import Annotated

import typer

from config.settings import Settings
from console import json_views
from console.actions.known_packages import of_node
from console.actions.pausing import pause, resume
from console.cli.options import Config, Data, DatabaseUrl, Json, ModelFolder, Reason, settings_from
from console.cli.output import ago, print_json, say
from console.cli.user import ledger, user, why
from domain.pauses import Held
from roles.database import reading
from store.grants import OPERATOR
from store.leases import moment

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, as `list` shows it.")]


def pause_destination(
    name: Name,
    reason: Reason,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Send a destination nothing more until `resume`: results wait, and nothing of them is lost or given up.

    What is being sent at this moment ends. The pause outlasts restarts; `status`, `destinations list` and `doctor`
    show it.

    Example:  dicom-node destinations pause PACS --reason "the archive moves" --data trial
    """
    _pause(settings_from(config, data=data, database__url=database), Held.DESTINATION, name, reason, as_json)


def resume_destination(
    name: Name, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let a destination that was paused have its results, those that waited at once.

    Example:  dicom-node destinations resume PACS --data trial
    """
    _resume(settings_from(config, data=data, database__url=database), Held.DESTINATION, name, as_json)


def pause_model(
    name: Name,
    reason: Reason,
    data: Data = None,
    models: ModelFolder = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Run a model on nothing more until `resume`: studies that want it wait, and the other models go on.

    What runs at this moment ends. The pause outlasts restarts; `status` and `doctor` show it.

    Example:  dicom-node models pause ct_lung --reason "under review" --data trial
    """
    settings = of_node(settings_from(config, data=data, models__folder=models, database__url=database))
    _pause(settings, Held.MODEL, name, reason, as_json)


def resume_model(
    name: Name, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let a model that was paused run, on what waited as well.

    Example:  dicom-node models resume ct_lung --data trial
    """
    _resume(settings_from(config, data=data, database__url=database), Held.MODEL, name, as_json)


def _pause(settings: Settings, kind: Held, name: str, reason: str, as_json: bool) -> None:
    with reading(settings, OPERATOR) as source:
        said = why(reason, f"why the {kind} is paused")
        pause(ledger(source), settings, kind, name, said, user())
    if as_json:
        print_json({"kind": kind.value, "name": name, "paused": True, "reason": said})
        return
    waits = "results for it wait" if kind is Held.DESTINATION else "studies that want it wait"
    group = "destinations" if kind is Held.DESTINATION else "models"
    say(f"{name} is paused; {waits} until: dicom-node {group} resume {name}")


def _resume(settings: Settings, kind: Held, name: str, as_json: bool) -> None:
    with reading(settings, OPERATOR) as source:
        ended = resume(ledger(source), kind, name, user())
        with source.transaction() as connection:
            now = moment(connection)
    if as_json:
        print_json(json_views.record(ended))
    else:
        say(f"{name} goes on; it was paused {ago(ended.since, now)}")
