"""Who can reach the node by its settings, and whom it can reach: pure, but for the names that a machine looks up."""

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import urlsplit

from config import web_faults
from config.contradictions import is_loopback, same_machine, servers
from config.places import in_container
from config.settings import Caller, Settings
from config.sources import Fault
from config.toml_lines import element
from domain.modalities import MODALITIES
from domain.nearest import did_you_mean
from domain.profiles import BUILT_IN

_PATIENCE = 5.0  # s for all names together
_EVERYWHERE = {"0.0.0.0", "::"}
# Families and addresses, or why there are none.
_Found: TypeAlias = list[tuple[int, str]] | str


def callers(settings: Settings) -> Iterator[Fault]:
    """Callers whom the door cannot be reached by, or who are there twice; a door that is open and lets nobody in."""
    host, path = settings.listener.host, ("listener", "callers")
    placed = [(one, one.address) for one in settings.listener.callers if one.address is not None]
    outside = [(one, address) for one, address in placed if not is_loopback(address.partition("/")[0])]
    if outside and is_loopback(host):
        first, address = outside[0]
        yield Fault(
            f"listener.callers names {first.aet} ({address}), and listener.host ({host}) can be reached from this"
            ' machine alone: listener.host = "0.0.0.0" opens it to the network',
            (path,),
        )
    if not settings.listener.callers and not is_loopback(host):
        yield Fault(
            f"listener.host ({host}) is open to the network and listener.callers is empty: this machine alone may send;"
            ' name each sender: callers = [{ aet = "CT", address = "10.1.2.3" }]',
            (("listener", "host"), path),
            certain=False,
        )
    yield from web_faults.doubtful(settings)
    yield from _twice(settings.listener.callers)
    yield from _patterns(settings.listener.callers)


def _patterns(known: Iterable[Caller]) -> Iterator[Fault]:
    for at, one in enumerate(known):
        if "*" in one.aet or "?" in one.aet:
            said = (
                f"listener.callers names {one.aet!r}: an AE title is taken letter for letter, and this lets nobody in"
                " who is called otherwise; name each sender"
            )
            yield Fault(said, (("listener", "callers", at, "aet"),), certain=False)


def _twice(known: Iterable[Caller]) -> Iterator[Fault]:
    seen: dict[tuple[str, str], int] = {}
    among = [(one, ", ".join(filter(None, (one.address, one.certificate)))) for one in known]
    for at, (one, shown) in enumerate(among):
        if seen.setdefault((one.aet, shown), at) != at:
            said = f"listener.callers names {one.aet} ({shown}) twice: one of them is likely meant otherwise"
            yield Fault(said, (("listener", "callers", at),), certain=False)


def doubtful(settings: Settings) -> Iterator[Fault]:
    """Settings that nothing proves wrong, and that most likely are not what was meant."""
    archives: dict[str, str] = {}
    for at, one in enumerate(settings.destinations):
        if (first := archives.setdefault(one.address, element(one.name, at))) != element(one.name, at):
            said = (
                f"destinations.{element(one.name, at)} is {first} once more ({one.address}): it gets all results twice"
            )
            yield Fault(said, (("destinations", at),), certain=False)
    yield from _paths(settings)
    yield from _unlikely(settings)
    for modality in settings.assembly.settle_by_modality:
        if modality not in MODALITIES:
            yield Fault(
                f"assembly.settle_by_modality: {modality!r} is no modality of the standard (PS3.3 C.7.3.1.1.1)"
                f"{did_you_mean(modality, MODALITIES)}",
                (("assembly", "settle_by_modality", modality),),
                certain=False,
            )


def _paths(settings: Settings) -> Iterator[Fault]:
    """URLs whose path is most likely another service's: of DICOMweb it is below one, of Orthanc's REST API the root."""
    for kind, peers in (("destinations", settings.destinations), ("sources", settings.sources)):
        for at, peer in enumerate(peers):
            name, path = f"{kind}.{element(peer.name, at)}.url", urlsplit(peer.url).path.strip("/")
            if peer.kind == "dicomweb" and not path:
                said = f"{name} ({peer.url}) has no path: DICOMweb is mostly below one, such as /dicom-web of Orthanc"
            elif peer.kind == "orthanc" and path.endswith("dicom-web"):
                said = (
                    f'{name} ({peer.url}) is that of DICOMweb (kind = "dicomweb"): the REST API of Orthanc is above it'
                )
            else:
                continue
            yield Fault(said, ((kind, at, "url"), (kind, at)), certain=False)


def _unlikely(settings: Settings) -> Iterator[Fault]:
    for name in settings.profiles:
        if name in BUILT_IN:
            said = (
                f"profiles.{name} takes the place of the built-in profile of this name for every destination that has"
                " it; give it a name of its own if that is not meant"
            )
            yield Fault(said, (("profiles", name),), certain=False)
    assembly, memory = settings.assembly, settings.models.memory_gb
    if assembly.hold < assembly.settle:
        said = (
            f"assembly.hold ({assembly.hold:g}) is shorter than assembly.settle ({assembly.settle:g}): a study whose"
            " association is open is complete before one that is closed"
        )
        yield Fault(said, (("assembly", "hold"), ("assembly", "settle")), certain=False)
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if memory > here:
        said = f"models.memory_gb ({memory:g}) is more than this machine has ({here:.0f} GB): it bounds nothing"
        yield Fault(said, (("models", "memory_gb"),), certain=False)


def hosts(settings: Settings) -> Iterator[Fault]:
    """Names of servers that this machine knows no address of, and servers that turn out to be the node itself."""
    others = [one for one in servers(settings) if one[2]]
    found = _looked_up({host for _, _, host, _ in others if not host.startswith("/")})
    for name, path, host, port in others:
        known = found.get(host, [])
        if isinstance(known, str):
            # Names without a dot are other containers', in one: known on the networks that both have, while they run.
            certain = "." in host or not in_container()
            yield Fault(f"{name}: no address is known of the host {host!r}: {known}", ((*path, "host"), path), certain)
        elif port == settings.listener.port and _is_itself(settings.listener.host, host, known):
            said = f"{name} ({host}:{port}) is the node itself: its own listener.port is {port}"
            yield Fault(said, (path, ("listener", "port")))


def _is_itself(ours: str, host: str, known: _Found) -> bool:
    """By a name that tells nothing; what a name tells is a contradiction of the settings."""
    if same_machine(ours, host) or isinstance(known, str):
        return False
    own = [address for family, address in known if _is_own(family, address)]
    return any(ours in _EVERYWHERE or same_machine(ours, address) for address in own)


def _is_own(family: int, address: str) -> bool:
    """Whether it is an address of this machine: no other can be bound."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return True
    return False


def _looked_up(names: Iterable[str]) -> Mapping[str, _Found]:
    """The addresses of each name, all asked at once: a server of names that is away takes its time for each."""
    found: dict[str, _Found] = {}

    def look_up(name: str) -> None:
        try:
            answers = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)
            found[name] = [(family, str(address[0])) for family, _, _, _, address in answers]
        except (OSError, UnicodeError) as error:
            found[name] = f"neither DNS nor /etc/hosts has it ({getattr(error, 'strerror', None) or error})"

    threads = [(name, threading.Thread(target=look_up, args=(name,), daemon=True)) for name in sorted(names)]
    for _, thread in threads:
        thread.start()
    ends = time.monotonic() + _PATIENCE
    for name, thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
        if thread.is_alive():
            found[name] = f"DNS has not answered for {_PATIENCE:.0f} s"
    return dict(found)
