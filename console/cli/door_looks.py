"""What `doctor` finds at two doors: the broker, as whom the settings log in as, and the one for health and metrics."""

import logging
import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from config.settings import Bus, Http, Settings
from console.cli.looks import Look, Mark
from consumers.bus.rights import Right
from domain.errors import NodeError
from roles.rights import SPEAKING, rights, user_of


def health_door(settings: Settings) -> Look:
    """Where /metrics and /health are to be had; whoever reaches them reads them."""
    http = settings.http
    fault = _cannot_listen(http.host)
    if fault:
        said = f"http.host: {http.host} is no address of this machine ({fault}): each role would end at its start"
        return Look("health door", Mark.LACKING, said)
    if _is_everywhere(http.host):
        return Look("health door", Mark.NOTED, _open_to_all(http))
    return Look("health door", Mark.OK, f"at {http.host}; called by its address{_and_names(http)}")


def _open_to_all(http: Http) -> str:
    return (
        f"at {http.host}, every network of this machine: whoever reaches it reads /metrics. "
        "Set http.host to the address that your monitoring comes by, or to 127.0.0.1" + _and_names(http)
    )


def _and_names(http: Http) -> str:
    return f"; it is called {', '.join(http.names)} as well" if http.names else ""


def _is_everywhere(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _cannot_listen(host: str) -> str:
    """Why nothing can listen at any address of `host`; "" where something can."""
    said = ""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            try:
                with socket.socket(family, kind, protocol) as door:
                    door.bind(address)
                return ""
            except OSError as error:
                said = error.strerror or str(error)
    except OSError as error:
        said = error.strerror or str(error)
    return said


def broker(settings: Settings) -> Iterator[Look]:
    """Whether a broker that is configured lets in who the settings say, and lets it do a role's part."""
    bus = settings.bus
    if not bus.kafka:
        return
    # Its client has a logger of its own, and what matters is said below.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        lacks = {role: _lacking(bus, role) for role in SPEAKING}
    except NodeError as error:
        yield Look("broker", Mark.LACKING, str(error))
        return
    yield _reached(bus)
    yield _allowed(bus, lacks)


def _lacking(bus: Bus, role: str) -> Sequence[Right]:
    # What no other look needs: the broker's client.
    from consumers.bus.kafka_admin import missing_rights  # noqa: PLC0415

    return missing_rights(bus, [one for one in rights(bus, str) if one.user == role])


def _reached(bus: Bus) -> Look:
    if not bus.tls:
        return Look("broker", Mark.NOTED, f"{bus.kafka} answers without TLS: {_ANYBODY}; set bus.tls and bus.sasl")
    if bus.sasl is None:
        said = f"{bus.kafka} answers, its certificate is proven; it asks nobody who he is: {_ANYBODY}; set bus.sasl"
        return Look("broker", Mark.NOTED, said)
    who = bus.user or f"whom the token in {bus.token_file} names"
    return Look("broker", Mark.OK, f"{bus.kafka} answers, its certificate is proven, and it lets in {who}")


_ANYBODY = "whoever reaches it can read and write"


def _allowed(bus: Bus, lacks: dict[str, Sequence[Right]]) -> Look:
    """By a name that is a role's own we know which; else any role's part will do, for each may have its own user."""
    own = next((role for role in SPEAKING if bus.user == user_of(role)), None)
    can = [role for role in SPEAKING if not lacks[role]]
    if own in can or can == list(SPEAKING):
        return Look("broker rights", Mark.OK, f"what {own or 'each role'} needs is allowed")
    if own is None and can:
        others = ", ".join(role for role in SPEAKING if role not in can)
        said = f"what {', '.join(can)} needs is allowed, and not what {others} needs: right where these are other users"
        return Look("broker rights", Mark.NOTED, said)
    missing = lacks[own] if own else [one for found in lacks.values() for one in found]
    told = "; ".join(dict.fromkeys(f"{one.operation} on {one.resource} {one.name}" for one in missing))
    said = f"{bus.user or 'its user'} may not: {told}. See dicom-node kafka acls; dicom-node kafka grant gives it"
    return Look("broker rights", Mark.LACKING, said)
