"""What is wrong between settings that are right each by itself: pure, and said with both names and what would fit."""

import itertools
import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from config import access_faults, console_faults
from config.audit_faults import of_witnesses
from config.masking import shown
from config.settings import PAGE, LanguageModel, Settings
from config.sources import Fault
from config.tls_contradictions import of_listener, of_peers, of_users
from config.toml_lines import KeyPath, element
from config.values import split_brokers
from config.web_faults import contradictory
from domain.nearest import did_you_mean
from domain.profiles import BUILT_IN

_HIGHEST_PORT = 65_535
_URL = re.compile(r"[\w+.-]+://(?:[^@/?#]*@)?(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(\d{1,9}))?(?:[/?#][^@]*)?")
_EVERYWHERE = {"0.0.0.0", "::"}


def contradictions(settings: Settings) -> Iterator[Fault]:
    """All of them. What is said of a setting that has its default because the one given is wrong is the caller's."""
    yield from _profiles(settings)
    yield from _language_models("language_models", settings.language_models)
    yield from _language_models("vision_models", settings.vision_models)
    yield from _sees(settings)
    yield from _literature(settings)
    yield from _ports(settings)
    yield from contradictory(settings)
    yield from console_faults.contradictory(settings)
    yield from _names(settings)
    yield from _delays(settings)
    yield from _spool(settings)
    yield from _retention(settings)
    yield from _nobody(settings)
    yield from of_listener(settings)
    yield from of_users(settings)
    yield from of_peers(settings)
    yield from _broker_access(settings)
    yield from _releases(settings)
    yield from of_witnesses(settings)
    yield from access_faults.contradictory(settings)


def _ports(settings: Settings) -> Iterator[Fault]:
    listener, http = settings.listener, settings.http
    if http.port and http.port == listener.port and same_machine(listener.host, http.host):
        yield _between(
            f"http.port ({http.port}) is listener.port: {listener.port + 1} would fit", "http.port", "listener.port"
        )
    for name, path, host, port in servers(settings):
        if port and port == listener.port * listener.plain and same_machine(listener.host, host):
            yield Fault(f"{name} is at the node's own listener.port ({port})", (path, ("listener", "port")))
        if port and listener.tls.certificate and port == listener.tls.port and same_machine(listener.host, host):
            said = f"{name} is at the node's own listener.tls.port ({port})"
            yield Fault(said, (path, ("listener", "tls", "port")))


def servers(settings: Settings) -> Iterator[tuple[str, KeyPath, str, int]]:
    """Whatever others listen on, by the settings' word: the setting as it is called, its path, host and port."""
    peers = (("destinations", settings.destinations), ("sources", settings.sources))
    for table, known in peers:
        for number, one in enumerate(known):
            yield f"{table}.{element(one.name, number)}", (table, number), *one.endpoint
    yield from _of_audit(settings)
    if settings.access.issuer:
        yield "access.issuer", ("access", "issuer"), *_host_and_port(settings.access.issuer)
    if settings.bus.kafka:
        yield from (("bus.kafka", ("bus", "kafka"), host, port) for host, port in split_brokers(settings.bus.kafka))
    for name in ("url", "owner_url"):
        secret = getattr(settings.database, name)
        if secret is not None:
            yield f"database.{name}", ("database", name), *_host_and_port(secret.get_secret_value())


def _of_audit(settings: Settings) -> Iterator[tuple[str, KeyPath, str, int]]:
    for number, receiver in enumerate(settings.audit.receivers):
        if receiver.transport != "udp" or receiver.url:
            where = f"audit.receivers.{element(receiver.name, number)}"
            yield where, ("audit", "receivers", number), *receiver.endpoint
    for number, witness in enumerate(settings.audit.witnesses):
        where, path = f"audit.witnesses.{element(witness.name, number)}", ("audit", "witnesses", number)
        if witness.kind == "syslog" and witness.transport != "udp":
            yield where, path, *witness.endpoint
        elif witness.url:
            yield where, path, *_host_and_port(witness.url)


def _host_and_port(url: str) -> tuple[str, int]:
    """Of a URL in which nothing of a password can be taken for them; what is none is told by whoever connects."""
    found = _URL.fullmatch(url)
    port = int(found[2] or 0) if found else 0
    return (found[1].strip("[]"), port) if found and port <= _HIGHEST_PORT else ("", 0)


def same_machine(ours: str, other: str) -> bool:
    """Whether `other` reaches what listens on `ours`, as far as names tell."""
    if other in _EVERYWHERE or ours == other:
        return True
    return is_loopback(other) and (ours in _EVERYWHERE or is_loopback(ours))


def is_loopback(host: str) -> bool:
    """Whether this machine alone can reach it, as far as names tell."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _names(settings: Settings) -> Iterator[Fault]:
    yield from _twice("destinations", [one.name for one in settings.destinations])
    # How far one was followed is kept by its name.
    yield from _twice("sources", [one.name for one in settings.sources])
    yield from _twice("audit.receivers", [one.name for one in settings.audit.receivers])
    if settings.bus.topic == settings.bus.dead_letters:
        yield _between(
            f"bus.topic and bus.dead_letters are the same: {settings.bus.topic!r}", "bus.dead_letters", "bus.topic"
        )


def _twice(table: str, names: Sequence[str]) -> Iterator[Fault]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        again = len(names) - 1 - names[::-1].index(twice[0])
        called = ", ".join(repr(shown(name)) for name in twice)
        yield Fault(
            f"two {table} have the same name: {called}; give each a `name` of its own", ((*table.split("."), again),)
        )


def _delays(settings: Settings) -> Iterator[Fault]:
    order = ("first_delay", "longest_delay", "give_up_after")
    for lesser, greater in itertools.pairwise(order):
        least, most = getattr(settings.delivery, lesser), getattr(settings.delivery, greater)
        if least > most:
            names = f"delivery.{lesser}", f"delivery.{greater}"
            yield _between(f"{names[0]} ({least:g}) is longer than {names[1]} ({most:g})", *names)


def _spool(settings: Settings) -> Iterator[Fault]:
    """The largest instance must fit and leave a segment to each association, and one in reserve.

    That those which stall at once would fit is not asked: what is not whole gets three quarters of the spool at most.
    """
    spool, listener = settings.spool, settings.listener
    if spool.segment % PAGE:
        fitting = max(1, round(spool.segment / PAGE)) * PAGE
        said = f"spool.segment ({spool.segment}) must be a multiple of {PAGE} bytes, the alignment of a record"
        yield _between(f"{said}: {fitting} would fit", "spool.segment")
        return
    if spool.capacity < 2 * spool.segment:
        said = f"spool.capacity ({spool.capacity}) must hold two of spool.segment ({spool.segment}) at least"
        yield _between(f"{said}: {2 * spool.segment} would", "spool.capacity", "spool.segment")
        return
    large, segments = spool.segments_of(listener.max_instance), spool.capacity // spool.segment
    wanted = max(large + listener.max_associations + 1, -(-4 * large // 3))
    if segments < wanted:
        yield _between(
            f"spool.capacity ({spool.capacity}) is {segments} segments; listener.max_instance"
            f" ({listener.max_instance}) may take {large} of them, which three quarters must hold,"
            f" listener.max_associations ({listener.max_associations}) one each, and one is kept in reserve:"
            f" spool.capacity = {wanted * spool.segment} would fit",
            "spool.capacity",
            "listener.max_instance",
            "listener.max_associations",
            "spool.segment",
        )


def _retention(settings: Settings) -> Iterator[Fault]:
    """A disk that is short has to be found short before senders are refused for it, and freed by more than nothing."""
    retention, floor = settings.retention, settings.spool.disk_floor
    if 0 < retention.keep_free <= floor:
        said = (
            f"retention.keep_free ({retention.keep_free}) is not above spool.disk_floor ({floor}): senders would be"
            f" refused before anything is removed; {2 * floor or 1} would fit"
        )
        yield _between(said, "retention.keep_free", "spool.disk_floor")
    if 0 < retention.until_free <= retention.keep_free:
        said = (
            f"retention.until_free ({retention.until_free}) is not above retention.keep_free ({retention.keep_free}):"
            f" {retention.keep_free * 5 // 4} would fit"
        )
        yield _between(said, "retention.until_free", "retention.keep_free")


def _nobody(settings: Settings) -> Iterator[Fault]:
    """Switches that let nobody and nothing through."""
    if not settings.listener.trust_loopback and not settings.listener.callers:
        said = "listener.trust_loopback is false and listener.callers is empty: nobody may send"
        yield _between(said, "listener.trust_loopback", "listener.callers")
    if settings.models.require_signature and not settings.models.trusted_keys:
        said = "models.require_signature is true and models.trusted_keys is empty: no package may run"
        yield _between(said, "models.require_signature", "models.trusted_keys")


# What each way of proving oneself to a broker needs; nothing else may be set beside it.
_PROOFS = {
    "SCRAM-SHA-256": ("user", "password_file"),
    "SCRAM-SHA-512": ("user", "password_file"),
    "OAUTHBEARER": ("token_file",),
    None: (),
}


def _broker_access(settings: Settings) -> Iterator[Fault]:
    bus = settings.bus
    if bus.sasl and not bus.tls:
        said = f"bus.sasl is {bus.sasl} and bus.tls is false: whoever listens would learn enough to pass for the node"
        yield _between(said, "bus.tls", "bus.sasl")
    if bus.ca and not bus.tls:
        yield _between("bus.ca is set and bus.tls is false: nothing would be proven by it", "bus.ca", "bus.tls")
    needed = _PROOFS[bus.sasl]
    for name in ("user", "password_file", "token_file"):
        given = getattr(bus, name) is not None
        if name in needed and not given:
            yield _between(f"bus.sasl is {bus.sasl} and bus.{name} is not set", "bus.sasl", f"bus.{name}")
        if given and name not in needed:
            said = f"bus.{name} is set and bus.sasl is {bus.sasl or 'not'}: nothing would use it"
            yield _between(said, f"bus.{name}", "bus.sasl")


def _releases(settings: Settings) -> Iterator[Fault]:
    for number, one in enumerate(settings.models.allow_older):
        if len(one.split(" ")) != 2:
            said = f"models.allow_older: {shown(one)!r} is not of the form NAME VERSION, such as 'ct_lung 1.0.0'"
            yield Fault(said, (("models", "allow_older", number),))


def _profiles(settings: Settings) -> Iterator[Fault]:
    known = [*{**BUILT_IN, **settings.profiles}]
    for number, one in enumerate(settings.destinations):
        if one.profile not in known:
            said = f"there is no profile {shown(one.profile)!r}; known are {', '.join(map(shown, known))}"
            yield Fault(
                f"destinations.{element(one.name, number)}.profile: {said}{did_you_mean(one.profile, known)}",
                (("destinations", number, "profile"), ("profiles", one.profile)),
            )


def _language_models(setting: str, models: Sequence[LanguageModel]) -> Iterator[Fault]:
    """Each kind has what it needs and nothing of the other's; no two have one name."""
    for number, one in enumerate(models):
        where = f"{setting}.{element(one.name, number)}"
        needed, other = ("url", "file") if one.kind == "openai" else ("file", "url")
        path = (setting, number)
        if not getattr(one, needed):
            yield Fault(f"{where}.{needed}: is not given, and kind {one.kind} needs it", ((*path, needed), path))
        if getattr(one, other):
            yield Fault(f"{where}.{other}: is set, and kind {one.kind} does not use it", ((*path, other),))
        if one.kind == "openai" and not one.model:
            yield Fault(f"{where}.model: is not given, and an endpoint has to know which is asked", (path,))
        if one.name in {earlier.name for earlier in models[:number]}:
            yield Fault(f"{where}: another language model has this name", ((*path, "name"),))


def _sees(settings: Settings) -> Iterator[Fault]:
    for number, one in enumerate(settings.vision_models):
        if one.kind != "openai":
            said = f"vision_models.{element(one.name, number)}.kind: must be openai: none in the process sees images"
            yield Fault(said, (("vision_models", number, "kind"),))


def _literature(settings: Settings) -> Iterator[Fault]:
    """NCBI wants to know whom to write to; without impressions there is nothing to name articles beside."""
    literature = settings.literature
    if literature.enabled and "pubmed" in literature.sources and not literature.contact:
        yield _between(
            "literature.contact is not given, and NCBI asks whoever asks PubMed for one",
            "literature.contact",
            "literature",
        )
    if literature.enabled and not settings.summary.enabled:
        yield _between(
            "literature.enabled is set, and nobody writes impressions: summary.enabled is false",
            "literature.enabled",
            "summary.enabled",
        )


def _between(said: str, *names: str) -> Fault:
    return Fault(said, tuple(tuple(name.split(".")) for name in names))
