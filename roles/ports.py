"""The ports that `up` opens: can each be opened here, and if not, who has it or what forbids it?"""

import errno
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from config.places import user_name
from config.settings import Settings
from config.sources import Fault
from roles.reports import ask
from roles.run_files import all_running


@dataclass(frozen=True)
class _Endpoint:
    """What is opened, by the section of its settings; its port may stand in a section of its own."""

    section: str
    host: str
    port: int

    def refusal(self) -> OSError | None:
        """Why it cannot be opened; None where it can."""
        try:
            with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.host, self.port))
        except OSError as error:
            return error
        return None

    def fault(self, error: OSError, holder: str = "") -> Fault:
        """The complaint about whichever of host and port it is, with what to do."""
        paths = ((*self.section.split("."), "port"), (self.section.partition(".")[0], "host"))
        if isinstance(error, socket.gaierror):
            return Fault(f"{'.'.join(paths[1])}: no address is known of the host {self.host!r}", paths[::-1])
        if error.errno == errno.EADDRNOTAVAIL:
            said = f"{self.host} is no address of this machine: 0.0.0.0 stands for all that it has"
            return Fault(f"{'.'.join(paths[1])}: {said}", paths[::-1])
        where = f"{self.section}.port: {self.host}:{self.port} cannot be opened"
        return Fault(f"{where}: {error.strerror or error}{holder or self._remedy(error)}", paths)

    def _remedy(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return (
                ". Another program has it, or a node on another data folder:"
                f" `ss -ltnp sport = :{self.port}` names it to root; or choose another port"
            )
        if error.errno == errno.EACCES:
            return (
                f". Ports below 1024 are not for the user {user_name()}: take another (11112 is registered for DICOM),"
                " or let `dicom-node service install` make a service, which may open this one"
            )
        return ""


def closed(settings: Settings, *, beside: Collection[Path] = ()) -> Iterator[Fault]:
    """One for each that cannot be opened; what processes of the data folders `beside` have is none."""
    http = settings.http
    for door in _doors(settings):
        if error := door.refusal():
            its_own = error.errno == errno.EADDRINUSE and any(_own_listener(settings, data) for data in beside)
            if not its_own:
                yield door.fault(error, _own_listener(settings, settings.data))
    yield from _closed(_Endpoint("web", settings.web.host, settings.web.port), settings.web.enabled, "web", beside)
    # Where nobody asked for the API the node goes on without it.
    console = settings.console
    yield from _closed(_Endpoint("console", console.host, console.port), console.enabled is True, "serve", beside)
    own = {said.port for data in beside for said in all_running(data).values()}
    health = _Endpoint("http", http.host, http.port)
    if http.port and (error := health.refusal()) and not (http.port in own and error.errno == errno.EADDRINUSE):
        yield health.fault(error)


def _closed(door: _Endpoint, wanted: bool, role: str, beside: Collection[Path]) -> Iterator[Fault]:
    if wanted and (error := door.refusal()):
        its_own = error.errno == errno.EADDRINUSE and any(role in all_running(data) for data in beside)
        if not its_own:
            yield door.fault(error)


def _doors(settings: Settings) -> Iterator[_Endpoint]:
    listener = settings.listener
    if listener.plain:
        yield _Endpoint("listener", listener.host, listener.port)
    if listener.tls.certificate:
        yield _Endpoint("listener.tls", listener.host, listener.tls.port)


def _own_listener(settings: Settings, data: Path) -> str:
    """The listener of this very data folder that has the port: one that outlived its node, or was started by itself."""
    for name, said in all_running(data).items():
        if name.partition("-")[0] == "listen" and _serves(settings, data, name):
            return f". {name} of this data folder runs without a node: stop it (kill {said.pid}), then start again"
    return ""


def _serves(settings: Settings, data: Path, name: str) -> bool:
    """Whether that listener has the port, or does not say which it has."""
    listener = settings.listener
    return ask(data, name).dicom_port in {None, listener.port if listener.plain else listener.tls.port}
