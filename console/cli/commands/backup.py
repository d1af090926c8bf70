"""`backup` and `restore`: the node in a folder, and a node out of it."""

from pathlib import Path
from typing import Annotated

import typer

from config.loading import settings_file
from config.settings import Settings
from console import json_views
from console.cli.counting import counted
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import complain, print_json, say, size
from console.cli.user import user
from domain.backups import Backup
from roles.backup import back_up
from roles.backup import restore as put_back

app = typer.Typer()
_Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the backup; it becomes its owner's alone.")]
_SHOWN = 5  # damaged objects that are named
_NOT_WHOLE = (
    "what had come and was not indexed yet is not in it: run this once more for that, or stop the node first, and the "
    "spool goes along"
)
_WITHOUT_KEY = "identity.key is not in it: keep it elsewhere, for the restored node's index does not start without it"


@app.command()
def backup(
    folder: _Folder,
    key: Annotated[bool, typer.Option("--key/--no-key", help="Whether identity.key goes along.")] = True,
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Back up the node in a folder: database, objects, settings, key.

    The same folder again copies what is new: what is there is proven by its digest and left. No model package and no
    file of a secret goes along, but the settings file as it is. Nothing is removed by retention meanwhile. Of a node
    that is stopped the spool goes along, of one that runs it does not. Exit code 1 where an object is damaged.

    Example:  dicom-node backup /backup/node --config /etc/dicom-node/node.toml
    """
    settings = settings_from(config, data=data, database__url=database)
    made = back_up(settings, folder.absolute(), settings_file(config), user(), key=key)
    if as_json:
        print_json(json_views.plain(made))
        return
    say(_sum(made), f"note this somewhere else: the trail's entry {made.trail} has the hash {made.head}")
    say(*([] if made.whole else [_NOT_WHOLE]), *([] if made.has("identity.key") else [_WITHOUT_KEY]))
    say(*_not_in_it(settings))
    if made.damaged:
        shown = ", ".join(made.damaged[:_SHOWN])
        complain(
            f"of {counted(len(made.damaged), 'object')} of the node the bytes are not what the name says: {shown}: "
            "its disk is failing"
        )
        raise typer.Exit(1)


@app.command()
def restore(
    folder: _Folder, data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Make a data folder and a database out of a backup.

    Every digest is checked, and the trail's last entry. The data folder has to be empty or not there yet, and so has a
    --database: nothing is written over. Run it as the user who runs the node, then start the node.

    Example:  dicom-node restore /backup/node --config /etc/dicom-node/node.toml
    """
    settings = settings_from(config, data=data, database__url=database, database__owner_url=database)
    said = put_back(settings, folder.absolute(), user())
    if as_json:
        print_json(json_views.plain(said))
        return
    say(f"restored into {settings.data}: {_sum(said)}")
    if said.has("settings.toml"):
        say(f"the settings that the node had are in {folder / 'settings.toml'}")
    say("what came after that is not there: have senders send it again; nothing is doubled by it")


def _sum(made: Backup) -> str:
    objects = f"{made.objects} objects of {size(made.bytes)}"
    return f"{made.studies} studies, {objects}, {made.trail} entries of the trail, as of {made.made_at}"


def _not_in_it(settings: Settings) -> list[str]:
    """What a restored node needs besides, by the settings."""
    named = {
        "models.folder": settings.models.folder,
        "models.rules": settings.models.rules,
        "database.url_file": settings.database.url_file,
        "identity.key_file": settings.identity.key_file,
        "bus.password_file": settings.bus.password_file,
        "bus.token_file": settings.bus.token_file,
    }
    for one in settings.web.callers:
        named |= {f"web.callers.{one.aet}.{name}": getattr(one, name) for name in ("password_file", "token_file")}
    there = [f"{name} ({file})" for name, file in named.items() if file is not None]
    return [f"not in it, keep it as well: {', '.join(there)}"] if there else []
