"""What is wrong between the settings of who is let in at the people's door: pure."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.settings import Settings
from config.sources import Fault


def contradictory(settings: Settings) -> Iterator[Fault]:
    """Half of a provider, one that is asked without TLS, and times that rule each other out."""
    access = settings.access
    if access.issuer is None:
        if access.grants:
            yield _fault("access.grants: who has what groups is told by a provider: give access.issuer", "grants")
        if not access.local:
            yield _fault("access.local is false and access.issuer is not given: nobody could log in", "local", "issuer")
    else:
        if not access.client_id:
            yield _fault("access.issuer: give access.client_id as well: what the provider calls the node", "issuer")
        if not access.grants:
            yield _fault(
                "access.issuer: without access.grants nobody whom the provider knows has a role here: "
                'grants = [{ value = "GROUP", role = "radiologist" }]',
                *("issuer", "grants"),
            )
        if urlsplit(access.issuer).scheme == "http" and not _is_here(urlsplit(access.issuer).hostname or ""):
            yield _fault(f"access.issuer ({access.issuer}) is asked without TLS: write https://", "issuer")
    if "openid" not in access.scopes:
        yield _fault("access.scopes lacks openid, without which a provider says of nobody who they are", "scopes")
    if access.idle > access.longest:
        yield _fault(
            f"access.idle ({access.idle:g}) is longer than access.longest ({access.longest:g})", "idle", "longest"
        )
    if access.token > access.idle:
        yield _fault(f"access.token ({access.token:g}) is longer than access.idle ({access.idle:g})", "token", "idle")


def _fault(said: str, *names: str) -> Fault:
    return Fault(said, tuple(("access", name) for name in names))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
