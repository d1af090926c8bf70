"""`up`: the whole node on one machine."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address
from itertools import islice
from shlex import quote

import typer

from config import logs, reach
from config.places import needed_places
from config.settings import Settings
from console.cli.options import (
    Aet,
    Config,
    Data,
    DatabaseUrl,
    Destinations,
    Device,
    Host,
    HttpPort,
    Kafka,
    LogFile,
    ModelFolder,
    Port,
    Rules,
    Settle,
    overrides_of,
    refuse,
    settings_from,
)
from domain.errors import ConfigurationError
from roles import database as embedded
from roles.door import DOOR
from roles.health import ask_metric
from roles.ports import closed
from roles.process import conceal, stopped_by_signals
from roles.reload import asked_by_hangup
from roles.reports import Report, ask
from roles.supervisor import Supervisor, is_served
from roles.systemd import notify
from roles.unusable import unusable

app = typer.Typer()

_FIRST_ANSWERS = 2.0  # s for the destinations to answer, before the start is over
_LOOK = 0.1
_LOOPBACK = ip_address("127.0.0.1")
_ALL_READY = "all roles are ready"
_ALL = {"0.0.0.0", "::"}  # who listens at all addresses is called at one of them


@app.command()
def up(
    data: Data = None,
    aet: Aet = None,
    port: Port = None,
    host: Host = None,
    destination: Destinations = None,
    models: ModelFolder = None,
    rules: Rules = None,
    kafka: Kafka = None,
    database: DatabaseUrl = None,
    settle: Settle = None,
    device: Device = None,
    http_port: HttpPort = None,
    log_file: LogFile = None,
    config: Config = None,
) -> None:
    """Run the whole node on this machine until Ctrl-C.

    Without --database it keeps a PostgreSQL of its own under the data folder.

    Example:  dicom-node up --data trial --aet MYNODE --port 11112 --destination ORTHANC@127.0.0.1:4242
    """
    read = partial(
        settings_from,
        config,
        data=data,
        listener__aet=aet,
        listener__port=port,
        listener__host=host,
        destinations=destination,
        models__folder=models,
        models__rules=rules,
        models__device=device,
        bus__kafka=kafka,
        database__url=database,
        assembly__settle=settle,
        http__port=http_port,
        logging__file=log_file,
    )
    settings = read()
    refuse(needed_places(settings), read)
    logs.set_up(settings.logging, "up")
    conceal()
    stop = stopped_by_signals()
    asked = asked_by_hangup(stop)
    with embedded.sole_supervisor(settings.data):
        refuse(closed(settings), read)
        embedded.refuse_unusable(settings)
        Supervisor(
            settings,
            stop,
            lambda reports: _ready(settings, reports),
            _say,
            lambda: _begun(settings, read),
            asked,
            read,
            standing(settings),
            lambda: _unrefused(read),
        ).run()


def _begun(settings: Settings, read: "partial[Settings]") -> None:
    """The listeners have been started: for whoever manages services the node is there, whatever else it waits for."""
    refuse(unusable(settings), read)
    notify("READY=1\nSTATUS=scanners are answered; the other roles start")
    _warn(settings)


def _unrefused(read: "partial[Settings]") -> list[str]:
    from console.cli.settings_check import unrefused  # noqa: PLC0415 - a start need not wait for it

    (config,) = read.args
    return unrefused(config, overrides_of(**read.keywords))


def standing(settings: Settings) -> Callable[[], None]:
    """What tells the service manager, since all were ready, what a role waits for and that it does no longer."""
    told = _ALL_READY

    def look() -> None:
        nonlocal told
        report = ask(settings.data, DOOR)
        said = _ALL_READY if report.ready else f"waits: {', '.join(report.waiting_for)}"
        if said != told:
            told = said
            notify(f"STATUS={said}")

    return look if "NOTIFY_SOCKET" in os.environ else lambda: None


def _ready(settings: Settings, reports: Mapping[str, Report]) -> None:
    notify(f"STATUS={_ALL_READY}")
    _banner(settings, reports)
    _say_what_does_not_work(settings)


def _say(line: str) -> None:
    notify(f"STATUS={line}")
    from console.cli.output import say  # noqa: PLC0415 - a scanner need not wait until it can be printed

    say(line, err=True)


def _warn(settings: Settings) -> None:
    from console.cli.output import complain  # noqa: PLC0415 - a scanner need not wait until it can be printed

    for warning in _warnings(settings):
        complain(*f"WARNING: {warning}".split("\n"))


def _warnings(settings: Settings) -> list[str]:
    """What the user should know; raises ConfigurationError for what would let no other role start."""
    from config.rules import load_rules  # noqa: PLC0415 - it takes time that the listener need not wait for
    from models import installed as packages  # noqa: PLC0415 - as above
    from models.rule_faults import rule_faults, with_places  # noqa: PLC0415 - as above

    warnings, rules = [], None
    found, broken = packages.installed(settings), packages.broken(settings)
    if not found:
        warnings.append(f"no model package in {packages.folder(settings)}: studies are kept, nothing is found in them")
    warnings += [f"model package {name} does not run:\n{said}" for name, said in broken.items()]
    warnings += [fault.said for fault in reach.callers(settings)]
    if not settings.destinations:
        warnings.append("no --destination: results stay in the data folder")
    if settings.models.rules:
        try:
            rules = load_rules(settings.models.rules)
        except ConfigurationError as error:
            warnings.append(f"studies get stuck until the routing rules are mended:\n{error}")
        else:
            of_rules = rule_faults(dict(enumerate(rules)), {one.name: one for one in found}, broken, settings.listener)
            warnings += [line for line, _ in with_places(settings.models.rules, (one for one in of_rules if one.path))]
    unasked = {one.name: packages.descriptionless(one, settings, rules) for one in found}
    warnings += [f"model package {name} does not run: {said}" for name, said in unasked.items() if said]
    return warnings


def _say_what_does_not_work(settings: Settings) -> None:
    """The last words of a start: an administrator reads them, and what came before has scrolled away."""
    from console.cli.output import complain  # noqa: PLC0415 - as above

    if faults := [*_warnings(settings), *_away(settings)]:
        complain("Does not work yet:", *(f"  - {one.splitlines()[0].removesuffix(':')}" for one in faults), "")


def _away(settings: Settings) -> Iterator[str]:
    """The destinations that take no association. They are asked as the roles start, and one that is there answers."""
    found: Mapping[str, float] = {}
    until = time.monotonic() + _FIRST_ANSWERS
    while len(found) < len(settings.destinations) and time.monotonic() < until:
        time.sleep(_LOOK)
        found = ask_metric(settings.data, "deliver", "dicom_node_destination_reachable")
    for one in settings.destinations:
        if not found.get(one.name):
            yield (
                f"{one.name} takes no association at {one.address}: results wait until it does"
                f" (dicom-node destinations probe {one.name})"
            )


def _sending(settings: Settings, here: str) -> list[str]:
    """How a study is sent from this machine, if it may send one."""
    if settings.listener.trust_loopback:
        return [f"dicom-node send FOLDER --to {here}"]
    of_here = (one.aet for one in settings.listener.callers if not one.certificate and one.is_within(str(_LOOPBACK)))
    return [f"dicom-node send FOLDER --to {here} --aet {quote(aet)}" for aet in islice(of_here, 1)]


def _banner(settings: Settings, reports: Mapping[str, Report]) -> None:
    from console.cli.output import screen, stacked, styled  # noqa: PLC0415 - as above
    from models import installed as packages  # noqa: PLC0415 - as above

    listener = reports.get("listen")
    port = (listener and listener.dicom_port) or settings.listener.port
    here = f"{settings.listener.aet}@{settings.listener.host}:{port}"
    at_hand = here if settings.listener.host not in _ALL else f"{settings.listener.aet}@{_LOOPBACK}:{port}"
    door = ask(settings.data, DOOR).address
    models = (f"{one.name} {one.identity.version}" for one in packages.installed(settings))
    lines: dict[str, object] = {
        "send studies to": here,
        **({"or store at": f"{settings.web.url}/studies"} if settings.web.enabled else {}),
        "results go to": ", ".join(f"{d.name} ({d.address})" for d in settings.destinations) or "nowhere",
        "models": ", ".join(models) or "none",
        "events by": f"Kafka at {settings.bus.kafka}" if settings.bus.kafka else "PostgreSQL",
        "data in": settings.data.absolute(),
        "health at": f"{door}/health/ready",
        "figures at": f"{door}/metrics",
        **({"API at": f"{settings.console.url}/api/v1"} if is_served(settings) else {}),
        "try": [*_sending(settings, at_hand), f"dicom-node status --data {quote(str(settings.data))}"],
    }
    out = screen()
    out.print()
    out.print(styled(f"The node is up (process {os.getpid()}); Ctrl-C stops it.", "bold green"))
    for name, value in lines.items():
        first, *others = value if isinstance(value, list) else [value]
        out.print(stacked([f"  {name:<16} {first}", *(f"{' ' * 19}{one}" for one in others)]))
    out.print()
