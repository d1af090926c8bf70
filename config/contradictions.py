"""What is wrong between settings that are right each by itself: pure, and said with both names and what would fit."""

import itertools
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.values import split_brokers

if TYPE_CHECKING:
    from config.settings import Settings

_EVERYWHERE = {"0.0.0.0", "::"}
_HIGHEST_PORT = 65_535
# Health doors of `up` beside those of the listeners and of further workers, the relay's and the database's included.
_SINGLE_ROLES = 8


def contradictions(settings: "Settings") -> Iterator[str]:
    """A sentence for each."""
    yield from _ports(settings)
    yield from _names(settings)
    yield from _delays(settings)
    yield from _spool(settings)
    yield from _retention(settings)
    yield from _nobody(settings)
    yield from _broker_access(settings)


def _ports(settings: "Settings") -> Iterator[str]:
    listener, http = settings.listener, settings.http
    last = http.port + _doors(settings) - 1
    if http.port and last > _HIGHEST_PORT:
        most = _HIGHEST_PORT - _doors(settings) + 1
        yield f"http.port ({http.port}) leaves no port for each role up to {_HIGHEST_PORT}: {most} would fit"
    if http.port and http.port <= listener.port <= last and _same_machine(listener.host, http.host):
        yield (
            f"http.port ({http.port}) and the ports behind it, one a role, hold listener.port ({listener.port}):"
            f" {listener.port + 1} would fit"
        )
    for name, host, port in _servers(settings):
        if port and port == listener.port and _same_machine(listener.host, host):
            yield f"{name} is at the node's own listener.port ({port})"


def _doors(settings: "Settings") -> int:
    return settings.listener.processes + settings.models.device.count(",") + _SINGLE_ROLES


def _servers(settings: "Settings") -> Iterator[tuple[str, str, int]]:
    """Whatever others listen on, by the settings' word."""
    for number, one in enumerate(settings.destinations):
        yield f"destinations.{number}", one.host, one.port
    if settings.bus.kafka:
        yield from (("bus.kafka", host, port) for host, port in split_brokers(settings.bus.kafka))
    for name in ("url", "owner_url"):
        secret = getattr(settings.database, name)
        if secret is not None:
            yield f"database.{name}", *_host_and_port(secret.get_secret_value())


def _host_and_port(url: str) -> tuple[str, int]:
    """Of a URL that is one; what is none is told by whoever connects."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or 0
    except ValueError:
        return "", 0


def _same_machine(ours: str, other: str) -> bool:
    """Whether `other` reaches what listens on `ours`, as far as names tell."""
    if other in _EVERYWHERE or ours == other:
        return True
    return _is_loopback(other) and (ours in _EVERYWHERE or _is_loopback(ours))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _names(settings: "Settings") -> Iterator[str]:
    names = [destination.name for destination in settings.destinations]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        yield f"two destinations have the same name: {', '.join(map(repr, twice))}"
    if settings.bus.topic == settings.bus.dead_letters:
        yield f"bus.topic and bus.dead_letters are the same: {settings.bus.topic!r}"


def _delays(settings: "Settings") -> Iterator[str]:
    order = ("first_delay", "longest_delay", "give_up_after")
    for lesser, greater in itertools.pairwise(order):
        least, most = getattr(settings.delivery, lesser), getattr(settings.delivery, greater)
        if least > most:
            yield f"delivery.{lesser} ({least:g}) is longer than delivery.{greater} ({most:g})"


def _spool(settings: "Settings") -> Iterator[str]:
    """The largest instance must fit and leave a segment to each association, and one in reserve.

    That those which stall at once would fit is not asked: what is not whole gets three quarters of the spool at most.
    """
    spool, listener = settings.spool, settings.listener
    large, segments = spool.segments_of(listener.max_instance), spool.capacity // spool.segment
    wanted = max(large + listener.max_associations + 1, -(-4 * large // 3))
    if segments < wanted:
        yield (
            f"spool.capacity ({spool.capacity}) is {segments} segments; listener.max_instance"
            f" ({listener.max_instance}) may take {large} of them, which three quarters must hold,"
            f" listener.max_associations ({listener.max_associations}) one each, and one is kept in reserve:"
            f" spool.capacity = {wanted * spool.segment} would fit"
        )


def _retention(settings: "Settings") -> Iterator[str]:
    """A disk that is short has to be found short before senders are refused for it, and freed by more than nothing."""
    retention, floor = settings.retention, settings.spool.disk_floor
    if 0 < retention.keep_free <= floor:
        yield (
            f"retention.keep_free ({retention.keep_free}) is not above spool.disk_floor ({floor}): senders would be"
            f" refused before anything is removed; {2 * floor or 1} would fit"
        )
    if 0 < retention.until_free <= retention.keep_free:
        yield (
            f"retention.until_free ({retention.until_free}) is not above retention.keep_free ({retention.keep_free}):"
            f" {retention.keep_free * 5 // 4} would fit"
        )


def _nobody(settings: "Settings") -> Iterator[str]:
    """Switches that let nobody and nothing through."""
    if not settings.listener.trust_loopback and not settings.listener.callers:
        yield "listener.trust_loopback is false and listener.callers is empty: nobody may send"
    if settings.models.require_signature and not settings.models.trusted_keys:
        yield "models.require_signature is true and models.trusted_keys is empty: no package may run"


# What each way of proving oneself to a broker needs; nothing else may be set beside it.
_PROOFS = {
    "SCRAM-SHA-256": ("user", "password_file"),
    "SCRAM-SHA-512": ("user", "password_file"),
    "OAUTHBEARER": ("token_file",),
    None: (),
}


def _broker_access(settings: "Settings") -> Iterator[str]:
    bus = settings.bus
    if bus.sasl and not bus.tls:
        yield f"bus.sasl is {bus.sasl} and bus.tls is false: whoever listens would learn enough to pass for the node"
    if bus.ca and not bus.tls:
        yield "bus.ca is set and bus.tls is false: nothing would be proven by it"
    needed = _PROOFS[bus.sasl]
    for name in ("user", "password_file", "token_file"):
        given = getattr(bus, name) is not None
        if name in needed and not given:
            yield f"bus.sasl is {bus.sasl} and bus.{name} is not set"
        if given and name not in needed:
            yield f"bus.{name} is set and bus.sasl is {bus.sasl or 'not'}: nothing would use it"
