"""What is wrong, or doubtful, about the door for HTTP beside the other settings: pure."""

from collections.abc import Iterator
from ipaddress import ip_address

from config.settings import Settings
from config.sources import Fault
from config.toml_lines import KeyPath
from config.web import WebCaller


def contradictory(settings: Settings) -> Iterator[Fault]:
    """Callers whom nothing tells from others, half of a secret, and a port that another door has."""
    web = settings.web
    for at, one in enumerate(web.callers):
        for said, name in _wrong(one):
            yield Fault(f"web.callers.{one.aet}: {said}", (("web", "callers", at, name), ("web", "callers", at)))
    if not web.enabled:
        return
    for name, path, port in (
        ("listener.port", ("listener", "port"), settings.listener.port),
        ("http.port", ("http", "port"), settings.http.port),
    ):
        if web.port and web.port == port:
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
    elif not web.callers:
        said = f"web.host ({web.host}) is open to the network and web.callers is empty: this machine alone may store"
        yield Fault(said, (("web", "host"), ("web", "callers")), certain=False)


def _wrong(one: WebCaller) -> Iterator[tuple[str, str]]:
    if one.address is None and one.password_file is None and one.token_file is None:
        yield "has neither an address nor a secret: it would be everybody", "aet"
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
