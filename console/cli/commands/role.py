"""Each role by itself, for machines that share the work; and the keeper of `up`'s database."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

import typer

from config.places import lacking_room, named_places
from config.settings import Settings
from config.sources import Fault
from console.cli.options import (
    Aet,
    Config,
    Data,
    DatabaseUrl,
    Destinations,
    Device,
    Host,
    HttpPort,
    Index,
    Kafka,
    LogFile,
    ModelFolder,
    Port,
    Rules,
    Supervisor,
    refuse,
    settings_from,
)
from console.cli.table import COMMANDS, ROLE_PANEL
from roles.keeper import keep
from roles.ports import closed
from roles.process import WITHOUT_DATABASE, conceal, die_with, run_role
from roles.table import GROUPS, ROLES
from roles.unusable import unusable

app = typer.Typer()

# Who reads which settings.
_OF_MODELS = {"assemble", "work"}
_OF_BUS = {"relay", *(group.role for group in GROUPS.values())}
# Roles whose commands differ in nothing but the role.
_ALIKE = ("follow", "index", "assemble", "relay", "summarise", "write", "deliver", "forward", "retain", "seal", "serve")


@app.command(rich_help_panel=ROLE_PANEL)
def listen(
    data: Data = None,
    aet: Aet = None,
    port: Port = None,
    host: Host = None,
    config: Config = None,
    http_port: HttpPort = None,
    log_file: LogFile = None,
    index: Index = 0,
    supervisor: Supervisor = None,
) -> None:
    """Answer C-STORE and C-ECHO; needs no database.

    Example:  dicom-node listen --data /srv/node --aet MYNODE --port 11112 --host 0.0.0.0
    """
    read = partial(
        settings_from,
        config,
        data=data,
        listener__aet=aet,
        listener__port=port,
        listener__host=host,
        http__port=http_port,
        logging__file=log_file,
    )
    _become("listen", read, index, supervisor)


@app.command(rich_help_panel=ROLE_PANEL)
def web(
    data: Data = None,
    config: Config = None,
    http_port: HttpPort = None,
    log_file: LogFile = None,
    supervisor: Supervisor = None,
) -> None:
    """Take instances by HTTP (STOW-RS); needs no database.

    Example:  dicom-node web --data /srv/node --config /etc/dicom-node/node.toml
    """
    read = partial(settings_from, config, data=data, http__port=http_port, logging__file=log_file)
    _become("web", read, 0, supervisor)


@app.command(rich_help_panel=ROLE_PANEL)
def work(
    data: Data = None,
    config: Config = None,
    database: DatabaseUrl = None,
    models: ModelFolder = None,
    device: Device = None,
    http_port: HttpPort = None,
    log_file: LogFile = None,
    index: Index = 0,
    supervisor: Supervisor = None,
) -> None:
    """Run models on studies, on one device.

    Example:  dicom-node work --database URL --data /srv/node --device cuda:1
    """
    read = partial(
        settings_from,
        config,
        data=data,
        database__url=database,
        models__folder=models,
        models__device=device,
        http__port=http_port,
        logging__file=log_file,
    )
    _become("work", read, index, supervisor)


@app.command(hidden=True)
def keep_database(data: Data = None, config: Config = None, supervisor: Supervisor = None) -> None:
    """Run the data folder's own PostgreSQL, for `up`."""
    settings = settings_from(config, data=data)
    conceal()
    if supervisor is not None:
        die_with(supervisor)
    raise typer.Exit(keep(settings))


def _role_command(role: str) -> Callable[..., None]:
    def command(
        data: Data = None,
        config: Config = None,
        database: DatabaseUrl = None,
        kafka: Kafka = None,
        models: ModelFolder = None,
        rules: Rules = None,
        destination: Destinations = None,
        http_port: HttpPort = None,
        log_file: LogFile = None,
        supervisor: Supervisor = None,
    ) -> None:
        read = partial(
            settings_from,
            config,
            data=data,
            database__url=database,
            bus__kafka=kafka,
            models__folder=models,
            models__rules=rules,
            destinations=destination,
            http__port=http_port,
            logging__file=log_file,
        )
        _become(role, read, 0, supervisor)

    return command


def _become(role: str, read: "partial[Settings]", index: int, supervisor: int | None) -> None:
    settings = read()
    conceal()
    if supervisor is not None:
        die_with(supervisor)  # which has looked at all of them
    else:
        refuse(_faults(role, settings), read)
    raise typer.Exit(run_role(role, ROLES[role], settings, index, read))


def _faults(role: str, settings: Settings) -> Iterator[Fault]:
    """What `up` would not start with, as far as this role reads it: elsewhere may lie what another one needs."""
    reads = {"logging", "database", *(["models"] if role in _OF_MODELS else []), *(["bus"] if role in _OF_BUS else [])}
    yield from _of(reads, named_places(settings))
    if role == "retain":
        yield from lacking_room(settings)
    if role not in WITHOUT_DATABASE:
        yield from _of(reads, unusable(settings))
    elif role == "listen" and settings.listener.processes == 1:  # else it shares its port with others of its kind
        yield from closed(settings)


def _of(sections: Collection[str], faults: Iterable[Fault]) -> Iterator[Fault]:
    return (one for one in faults if one.paths[0][0] in sections)


for _role in _ALIKE:
    app.command(_role, help=COMMANDS[_role].about, rich_help_panel=ROLE_PANEL)(_role_command(_role))
