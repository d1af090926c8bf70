"""What systemd has of the service on this machine, read out of its units: they may be older than the settings."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from config.sources import Fault
from console.cli.service_files import UNITS

# What a unit has once for all, and what each line adds to, an empty one to nothing: systemd.exec(5).
_ADDED = frozenset({"Environment", "AmbientCapabilities"})
_LOWEST = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@dataclass(frozen=True)
class InstalledUnit:
    """One unit: the settings file and the data folder that it names; `role` is its command, `up` for all.

    `low_ports` is whether it may open ports that are for root alone, `variables` are the settings that it sets itself.
    """

    name: str
    config: Path
    data: Path
    role: str
    low_ports: bool
    variables: tuple[str, ...]


def installed() -> list[InstalledUnit]:
    """The node's units, each with what `systemctl edit` has added to it; those of other makes are left out."""
    found = (_read(one) for one in sorted(UNITS.glob("dicom-node*.service")))
    return [one for one in found if one is not None]


def of_settings(file: Path | None) -> list[InstalledUnit]:
    """Those that are given this settings file."""
    return [one for one in installed() if file is not None and one.config == file.absolute()]


def behind(settings: Settings, units: list[InstalledUnit]) -> Iterator[Fault]:
    """What `settings` want and their units forbid, until they are written anew."""
    for one in units:
        anew = f"`sudo dicom-node service install --config {one.config}` writes the unit anew"
        if one.data != settings.data:
            said = f"data: {one.name} may write to {one.data} alone, and a restart would end it: stop it, move the data"
            yield Fault(f"{said} along, then {anew}", (("data",),))
        web = settings.web.port if settings.web.enabled else 0
        console = settings.console.port if settings.console.enabled else 0
        for section, port in (("listener", settings.listener.port), ("web", web), ("console", console)):
            role = {"listener": "listen", "console": "serve"}.get(section, section)
            if one.role in {"up", role} and 0 < port < _lowest() and not one.low_ports:
                said = f"{section}.port: {one.name} may open no port below {_lowest()}, and a restart would end it"
                yield Fault(f"{said}: {anew}", ((section, "port"),))


def _lowest() -> int:
    """The first port that is not for root alone on this machine."""
    with suppress(OSError, ValueError):
        return int(_LOWEST.read_text("ascii"))
    return 1024


def _read(file: Path) -> InstalledUnit | None:
    said: dict[str, list[str]] = {}
    for one in (file, *sorted(file.with_name(f"{file.name}.d").glob("*.conf"))):
        with suppress(OSError):
            _add(said, one.read_text("utf-8", errors="replace"))
    command = re.search(r"\S+ ([a-z]+) --config (\S+)$", " ".join(said.get("ExecStart", ())))
    data = "".join(said.get("WorkingDirectory", ()))
    if command is None or not data:
        return None
    return InstalledUnit(
        name=file.name,
        config=Path(command[2]),
        data=Path(data),
        role=command[1],
        low_ports="CAP_NET_BIND_SERVICE" in " ".join(said.get("AmbientCapabilities", ())),
        variables=tuple(re.findall(r"\b(DICOM_NODE_[A-Z0-9_]+)=", " ".join(said.get("Environment", ())))),
    )


def _add(said: dict[str, list[str]], text: str) -> None:
    for line in text.splitlines():
        name, is_set, value = line.partition("=")
        if is_set and not line.startswith(("#", ";")):
            before = said.get(name.strip(), []) if value.strip() and name.strip() in _ADDED else []
            said[name.strip()] = [*before, value.strip()]
