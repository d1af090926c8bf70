"""What is wrong, or doubtful, about the door for HTTP beside the other settings: pure."""

from collections.abc import Iterator
from ipaddress import ip_address

from config.settings import Settings
from config.sources import Fault
from config.toml_lines import KeyPath
from config.web import WebCaller

_EVERYWHERE = {"0.0.0.0", "::"}


def contradictory(settings: Settings) -> Iterator[Fault]:
    """Callers whom nothing tells from others, half of a secret, and a port that another door has."""
    web = settings.web
    for at, one in enumerate(web.callers):
        for said, name in _wrong(one):
            yield Fault(f"web.callers.{one.aet}: {said}", (("web", "callers", at, name), ("web", "callers", at)))
    yield from _tls(settings)
    if not web.enabled:
        return
    listener, http = settings.listener, settings.http
    for name, path, host, port in (
        ("listener.port", ("listener", "port"), listener.host, listener.port),
        ("http.port", ("http", "port"), http.host, http.port),
    ):
        if web.port and web.port == port and (web.host == host or _EVERYWHERE & {web.host, host}):
            paths: tuple[KeyPath, ...] = (("web", "port"), path)
            yield Fault(f"web.port ({port}) is {name}: {port + 1} would fit", paths)


def doubtful(settings: Settings) -> Iterator[Fault]:
    """A door that is open and lets nobody in; callers that it cannot be reached by; secrets that all may read."""
    web = settings.web
    if not web.enabled:
        return
    if _is_here(web.host):
        if outside := [one for one in web.callers if one.address and not _is_here(one.address.partition("/")[0])]:
            said = (
                f"web.callers names {outside[0].aet} ({outside[0].address}), and web.host ({web.host}) can be reached"
            )
            yield Fault(f"{said} from this machine alone", (("web", "callers"),), certain=False)
    elif web.tls.certificate is None and any(one.password_file or one.token_file for one in web.callers):
        said = f"web.host ({web.host}) is open to the network without web.tls: who listens there reads the secrets of"
        yield Fault(f"{said} web.callers", (("web", "host"), ("web", "callers")), certain=False)
    elif not web.callers:
        said = f"web.host ({web.host}) is open to the network and web.callers is empty: this machine alone may store"
        yield Fault(said, (("web", "host"), ("web", "callers")), certain=False)


def _tls(settings: Settings) -> Iterator[Fault]:
    tls = settings.web.tls
    if tls.certificate is None:
        for name in ("key", "ca"):
            if getattr(tls, name) is not None:
                said = f"web.tls.{name} is given and web.tls.certificate is not: HTTPS is on with a certificate"
                yield Fault(said, (("web", "tls", name),))
    elif tls.key is None:
        yield Fault("web.tls.key is not given: the key of web.tls.certificate", (("web", "tls"),))
    if tls.require_certificate and tls.ca is None:
        said = "web.tls.ca is not given: the authorities that signed the callers' certificates"
        yield Fault(said, (("web", "tls", "require_certificate"),))
    for at, one in enumerate(settings.web.callers):
        if one.certificate is not None and tls.ca is None:
            said = f"web.callers.{one.aet}: has a certificate, and web.tls.ca, which would prove it, is not given"
            yield Fault(said, (("web", "callers", at, "certificate"),))


def _wrong(one: WebCaller) -> Iterator[tuple[str, str]]:
    if all(given is None for given in (one.address, one.password_file, one.token_file, one.certificate)):
        yield "has neither an address nor a secret nor a certificate: it would be everybody", "aet"
    if one.user and one.password_file is None:
        yield "has a user and no password_file", "user"
    if one.password_file is not None and not one.user:
        yield "has a password_file and no user", "password_file"
    if ":" in one.user:
        yield "has a user with a colon, which ends it (RFC 7617)", "user"


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
