"""`service`: the node as a service of systemd, under a user of its own."""

import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from config.loading import load_settings
from config.private import is_for_the_node, readable_by_others
from config.settings import Settings
from console.cli.options import Json
from console.cli.output import tell
from console.cli.service_files import DATA, SETTINGS, UNITS, USER, USERS, Service, first_settings, user_line
from console.cli.service_units import installed
from domain.errors import ConfigurationError
from roles.run_files import all_running
from roles.table import ROLES

app = typer.Typer()
group = typer.Typer(help="The node as a service of this machine (systemd).", no_args_is_help=True)
app.add_typer(group, name="service")

_HIDDEN = (Path("/root"), Path("/home"), Path("/run/user"))  # what ProtectHome takes away
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
# What stands in a unit without quotes and without a meaning of its own, systemd.unit(5).
_PLAIN = re.compile(r"[\w./+@:=-]+")

ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config", metavar="FILE", help="Its TOML settings file; made where it is not there.", readable=False
    ),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help=f"Data folder of a new settings file. (default: {DATA})")
]
User = Annotated[str, typer.Option("--user", metavar="NAME", help="Whom it runs as; made where nobody is called so.")]
RoleNames = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="A service of this role alone; may be repeated. (default: all in one)"),
]


@group.command()
def install(
    config: ConfigFile = SETTINGS,
    data: DataFolder = None,
    user: User = USER,
    role: RoleNames = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start it now, and at each boot.")] = True,
    empty: Annotated[
        bool, typer.Option("--empty", help="Leave the node behind that is in another folder than `data` says now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the user, the settings file and the unit that are not there, and start the service. Needs root.

    To be run again after an upgrade, or when the port, the card or the data folder has changed: what is there is
    brought up to date, settings are left as they are. No data are copied: a new folder without the node of the one
    before is refused.

    Example:  dicom-node service install
    """
    _refuse_what_cannot_be(user)
    services = list(_services(config, user, role, data))
    if not empty:
        _refuse_to_begin_anew(services[0].data)
    _refuse_of_somebody_else(services[0].data, user)
    made = _make_settings(config, services[0].data)
    with readable_by_others():
        _write(USERS, user_line(user, services[0].data))
    _run("systemd-sysusers", str(USERS))
    _hand_over(config, services[0].data, user)
    with readable_by_others():
        for one in services:
            _write(UNITS / one.name, one.unit())
    _run("systemctl", "daemon-reload")
    names = [one.name for one in services]
    if start:
        _run("systemctl", "enable", "--quiet", *names)
        _run("systemctl", "restart", *names)
    _tell(services, start, made, [] if made else _unrefused(config), as_json)


@group.command()
def show(config: ConfigFile = SETTINGS, user: User = USER, role: RoleNames = None, as_json: Json = False) -> None:
    """Print the units that `install` would write; nothing is done.

    Example:  dicom-node service show --role listen
    """
    units = {str(UNITS / one.name): one.unit() for one in _services(config, user, role)}
    lines = [line for file, text in units.items() for line in (f"# {file}", *text.splitlines())]
    tell(as_json, {"units": units}, *lines)


@group.command()
def remove(as_json: Json = False) -> None:
    """Stop the service and take its units away. Settings, data and the user stay. Needs root.

    Example:  dicom-node service remove
    """
    _need_root()
    units = sorted(UNITS.glob("dicom-node*.service"))
    if not units:
        tell(as_json, {"removed": []}, f"there is no service: nothing in {UNITS} is called dicom-node")
        return
    _run("systemctl", "disable", "--now", "--quiet", *(one.name for one in units))
    for one in units:
        one.unlink()
    _run("systemctl", "daemon-reload")
    names = [one.name for one in units]
    tell(as_json, {"removed": names}, f"removed: {', '.join(names)}. Settings and data are left where they are.")


def _services(config: Path, user: str, roles: Sequence[str] | None, data: Path | None = None) -> Iterator[Service]:
    """Those of the settings in `config`, or of the ones that are to be made there with `data`."""
    _refuse_user(user)
    if data is not None and not data.is_absolute():
        raise ConfigurationError(
            f"--data {data}: a service has no current folder; write the whole path, such as {DATA}"
        )
    settings = load_settings(config) if config.exists() else Settings(data=data or DATA)
    if data not in {None, settings.data}:
        raise ConfigurationError(f"--data {data}: `data` in {config} says {settings.data}; change it there")
    if not settings.data.is_absolute():
        raise ConfigurationError(
            f'{config}: data: a service has no current folder; write the whole path of the folder: data = "{DATA}"'
        )
    for place in (config.absolute(), settings.data):
        _refuse_hidden(place)
    for role in dict.fromkeys(roles or (None,)):
        if role is not None and role not in ROLES:
            raise ConfigurationError(f"there is no role {role}; roles are {', '.join(ROLES)}")
        yield Service(
            program=_program(),
            config=config.absolute(),
            data=settings.data,
            user=user,
            role=role,
            ports=_ports(role, settings),
            gpu=role in {None, "work"} and _has_card(settings),
        )


def _ports(role: str | None, settings: Settings) -> tuple[int, ...]:
    """Those that it opens to others."""
    web = [settings.web.port] if role == "web" or (role is None and settings.web.enabled) else []
    return (*([settings.listener.port] if role in {None, "listen"} else []), *web)


def _program() -> Path:
    """The installed command. Raises ConfigurationError where the service's user could not run it."""
    found = shutil.which(sys.argv[0])
    if found is None or Path(found).suffix == ".py":
        raise ConfigurationError("a service runs the installed command dicom-node, and this one was started otherwise")
    program = Path(found).absolute()
    for needed in (program, Path(sys.executable), Path(sys.executable).resolve(), Path(__file__)):
        if any(needed.is_relative_to(one) for one in _HIDDEN) or not _open_to_all(needed):
            raise ConfigurationError(
                f"a service has a user of its own, who cannot read {needed}: install where everybody may read, such as",
                "  tar -xf dicom-node-*.tar && sudo dicom-node-*/install",
                "  sudo /opt/dicom-node/bin/dicom-node service install",
                "(`make bundle` in the repository makes that file)",
            )
    return program


def _open_to_all(file: Path) -> bool:
    """Whether everybody may read it and pass each folder above it."""
    passed = all(one.stat().st_mode & stat.S_IXOTH for one in file.parents)
    return passed and bool(file.stat().st_mode & stat.S_IROTH)


def _has_card(settings: Settings) -> bool:
    """Whether models may run on a card: the machine has a driver's files, and the settings allow one."""
    devices = Path("/dev")
    return settings.models.device != "cpu" and any(one for name in ("nvidia*", "dri") for one in devices.glob(name))


def _refuse_what_cannot_be(user: str) -> None:
    _need_root()
    _refuse_user(user)
    for tool in ("systemctl", "systemd-sysusers"):
        if shutil.which(tool) is None:
            raise ConfigurationError(
                f"this machine has no {tool}: services are made for systemd; elsewhere run `dicom-node up` under what "
                "keeps services here"
            )
    _program()


def _refuse_user(user: str) -> None:
    """Raises ConfigurationError for what is no name of a user, or root's."""
    if user == "root":
        raise ConfigurationError("--user root: the node needs none of root's rights, and whoever takes it over has all")
    if not _USER.fullmatch(user):
        raise ConfigurationError(f"--user {user!r} is no name of a user: small letters, digits, - and _")


def _need_root() -> None:
    if os.geteuid() != 0:
        raise ConfigurationError("units and users of a machine are root's: sudo dicom-node service ...")


def _make_settings(config: Path, data: Path) -> bool:
    """Whether the file was not there, and was made."""
    if config.exists():
        return False
    with readable_by_others():
        config.parent.mkdir(parents=True, exist_ok=True)
    _write(config, first_settings(config, data))
    return True


def _refuse_hidden(place: Path) -> None:
    """Raises ConfigurationError for a place that a unit cannot name, or that the service would not see."""
    if not _PLAIN.fullmatch(str(place)):
        raise ConfigurationError(f"{place}: a service's paths are of letters, digits and ./_+@:=- alone")
    if any(place.is_relative_to(one) for one in _HIDDEN):
        raise ConfigurationError(f"{place}: a service sees no home; choose a place such as {SETTINGS} or {DATA}")


def _hand_over(config: Path, data: Path, user: str) -> None:
    """The settings are root's to change and the service's to read, for secrets may stand in them; the data are its own.

    The usual data folder is made by systemd.
    """
    known = pwd.getpwnam(user)
    os.chown(config, 0, known.pw_gid)
    config.chmod(0o640)
    if data == DATA:
        return
    if not data.exists():
        with readable_by_others():
            data.mkdir(parents=True)
        os.chown(data, known.pw_uid, known.pw_gid)
        data.chmod(0o700)


def _refuse_to_begin_anew(data: Path) -> None:
    """Raises ConfigurationError where the service has its node in another folder, and it was not taken along whole."""
    units = [one for one in installed() if one.data != data and _holds_a_node(one.data)]
    runs = any(all_running(one.data) for one in units)
    if not units or (_holds_a_node(data) and not runs):
        return
    before, new = quote(str(units[0].data)), quote(str(data))
    lacks = (
        f"still runs in {before}: what has come since it was copied to {new}"
        if _holds_a_node(data)
        else f"has its node in {before}, and there is none in {new}: what has come so far, and waits for a destination,"
    )
    raise ConfigurationError(
        f"the service {lacks} would stay behind. To take it along, with its owners, and then run this once more:",
        f"  sudo systemctl stop {' '.join(one.name for one in units)}",
        f"  sudo mkdir -p {new} && sudo cp -a {before}/. {new}",
        "For a node that goes on without: --empty. Nothing was changed.",
    )


def _holds_a_node(data: Path) -> bool:
    return any((data / one).exists() for one in ("database", "objects", "spool"))


def _refuse_of_somebody_else(data: Path, user: str) -> None:
    """Raises ConfigurationError where the folder is there and another user's; systemd sees to the usual one."""
    try:
        known = pwd.getpwnam(user).pw_uid
    except KeyError:
        known = None
    if data != DATA and data.exists() and data.stat().st_uid != known:
        raise ConfigurationError(_of_somebody_else(data, user))


def _of_somebody_else(data: Path, user: str) -> str:
    """What to do, which for a folder that is not the node's alone is to choose another one."""
    said = f"{data} belongs to another user than {user}"
    if is_for_the_node(data):
        return f"{said}: chown -R {user}: {quote(str(data))}"
    return f"{said}, and is not the node's alone: give it a folder of its own, such as {DATA}"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise ConfigurationError(f"{' '.join(command)}:", *(f"  {line}" for line in said))


def _tell(services: Sequence[Service], started: bool, made: bool, warnings: list[str], as_json: bool) -> None:
    names, one = " ".join(service.name.removesuffix(".service") for service in services), services[0]
    settings = {"config": str(one.config), "config_made": made, "data": str(one.data), "warnings": warnings}
    tell(
        as_json,
        {"units": [service.name for service in services], "started": started, **settings},
        *([f"made {one.config}: whom the node answers, and who gets results, is written there"] if made else []),
        f"{'started' if started else 'installed'}: {names}",
        f"  settings   {one.config}",
        f"  data       {one.data}",
        f"  its state  systemctl status {names}",
        f"  its log    journalctl --follow --unit {one.name}",
        f"  studies    {one.program} status --config {one.config}",
        f"  a change   edit the settings, then: systemctl reload {names}; its log says what was taken over",
        *(f"WARNING: {line}" for line in warnings),
    )


def _unrefused(config: Path) -> list[str]:
    from console.cli.settings_check import unrefused  # noqa: PLC0415 - what is refused need not wait for it

    return unrefused(config)
