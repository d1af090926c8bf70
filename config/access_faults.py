"""What is wrong between the settings of who is let in at the people's door: pure."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.settings import Settings
from config.sources import Fault

_WELL_KNOWN = "/.well-known/openid-configuration"


def contradictory(settings: Settings) -> Iterator[Fault]:
    """Half of a provider, one that is asked without TLS, and times that rule each other out."""
    access = settings.access
    yield from _without_provider(settings) if access.issuer is None else _provider(settings, access.issuer)
    if "openid" not in access.scopes:
        yield _fault("access.scopes lacks openid, without which a provider says of nobody who they are", "scopes")
    if access.idle > access.longest:
        said = f"access.idle ({access.idle:g}) is longer than access.longest ({access.longest:g})"
        yield _fault(said, "idle", "longest")
    if access.token > access.idle:
        yield _fault(f"access.token ({access.token:g}) is longer than access.idle ({access.idle:g})", "token", "idle")


def _without_provider(settings: Settings) -> Iterator[Fault]:
    if settings.access.grants:
        yield _fault("access.grants: who has what groups is told by a provider: give access.issuer", "grants")
    if not settings.access.local:
        yield _fault("access.local is false and access.issuer is not given: nobody could log in", "local", "issuer")


def _provider(settings: Settings, issuer: str) -> Iterator[Fault]:
    access, console = settings.access, settings.console
    if not access.client_id:
        yield _fault("access.issuer: give access.client_id as well: what the provider calls the node", "issuer")
    if not access.grants:
        said = "access.issuer: without access.grants nobody whom the provider knows has a role here"
        yield _fault(f'{said}: grants = [{{ value = "GROUP", role = "radiologist" }}]', "issuer", "grants")
    if console.public_url is None and not _is_here(console.host):
        said = "access.issuer: give console.public_url, the address to which the provider sends browsers back"
        yield Fault(said, (("access", "issuer"), ("console", "public_url")))
    if issuer.rstrip("/").endswith(_WELL_KNOWN):
        rest = issuer.rstrip("/").removesuffix(_WELL_KNOWN)
        yield _fault(f"access.issuer ({issuer}) is where the issuer is described: write {rest}", "issuer")
    if urlsplit(issuer).scheme == "http" and not _is_here(urlsplit(issuer).hostname or ""):
        yield _fault(f"access.issuer ({issuer}) is asked without TLS: write https://", "issuer")


def _fault(said: str, *names: str) -> Fault:
    return Fault(said, tuple(("access", name) for name in names))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
