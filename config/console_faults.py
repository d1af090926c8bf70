"""What is wrong about the door for people beside the other settings: pure."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.settings import Settings
from config.sources import Fault
from config.toml_lines import KeyPath

_EVERYWHERE = {"0.0.0.0", "::"}


def contradictory(settings: Settings) -> Iterator[Fault]:
    """A door beyond this machine without TLS, half of a certificate, and a port that another door has."""
    console = settings.console
    if console.tls.certificate is None and not _is_here(console.host) and not console.proxies:
        said = f"console.host ({console.host}) can be reached from the network, and passwords would go there in clear"
        paths: tuple[KeyPath, ...] = (("console", "host"), ("console",))
        yield Fault(f"{said}: give console.tls.certificate, or console.proxies where one speaks TLS for it", paths)
    if (console.tls.certificate is None) != (console.tls.key is None):
        lacks = "certificate" if console.tls.certificate is None else "key"
        yield Fault(f"console.tls.{lacks} is not given: certificate and key belong together", (("console", "tls"),))
    yield from _addressed(settings)
    yield from _ports(settings) if console.enabled else ()


def _addressed(settings: Settings) -> Iterator[Fault]:
    """By the address that people have, cookies are for TLS alone or not."""
    console = settings.console
    parts = urlsplit(console.public_url or "")
    if parts.scheme == "http" and not _is_here(parts.hostname or ""):
        said = f"console.public_url ({console.public_url}) is without TLS, and passwords would go there in clear"
        yield Fault(f"{said}: write https://", (("console", "public_url"),))
    elif console.proxies and console.tls.certificate is None and parts.scheme != "https":
        said = "console.proxies: people come by the proxy's TLS, and cookies are for TLS alone where the node knows it"
        paths: tuple[KeyPath, ...] = (("console", "proxies"), ("console", "public_url"))
        yield Fault(f'{said}: public_url = "https://NAME", the address that people have', paths)


def _ports(settings: Settings) -> Iterator[Fault]:
    console, listener, http, web = settings.console, settings.listener, settings.http, settings.web
    for section, host, port in (
        ("listener", listener.host, listener.port),
        ("http", http.host, http.port),
        ("web", web.host, web.port if web.enabled else 0),
    ):
        if console.port and console.port == port and (console.host == host or _EVERYWHERE & {console.host, host}):
            paths: tuple[KeyPath, ...] = (("console", "port"), (section, "port"))
            yield Fault(f"console.port ({port}) is {section}.port: {port + 1} would fit", paths)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
