"""Files of secrets, keys and certificates that the settings name: can what is set be done with them?"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from audit.client_tls import client_context
from config.certificates import certificate_files, first_expiry
from config.peers import Peer
from config.secret_files import secret_in
from config.settings import Settings
from config.sources import Fault
from config.toml_lines import KeyPath, element
from domain.errors import ConfigurationError
from roles import trail_files

# A setting in words, its place, and what fails where a file of it cannot be used.
_Use = tuple[str, KeyPath, Callable[[], object]]


def of_doors(settings: Settings) -> Iterator[Fault]:
    """Where a door would end at its start: a certificate, a key or a caller's secret that cannot be used."""
    return _failing(_of_doors(settings))


def of_peers(settings: Settings) -> Iterator[Fault]:
    """Whom the node would call in vain by such a file, and certificates that are out of date.

    The node runs with them: it reads each anew when it is wanted, and goes on once it is mended.
    """
    yield from _failing(_of_peers(settings))
    yield from _failing(trail_files.uses(settings))
    if settings.access.issuer is not None and settings.access.ca is not None:
        yield from _failing(iter([("access.ca", ("access", "ca"), partial(client_context, settings.access.ca))]))
    for setting, file in certificate_files(settings):
        ends = first_expiry(file)
        if ends is not None and ends < time.time():
            day = time.strftime("%Y-%m-%d", time.localtime(ends))
            yield Fault(f"{setting}: {file} has been out of date since {day}: renew it", _places(settings, setting))


def _failing(uses: Iterator[_Use]) -> Iterator[Fault]:
    for setting, path, use in uses:
        try:
            use()
        except ConfigurationError as error:
            said = error.sentence if error.sentence.startswith(setting) else f"{setting}: {error.sentence}"
            named = said.partition(":")[0].removeprefix(setting).strip(".")
            yield Fault(said, ((*path, named), path) if named else (path,))


def _of_doors(settings: Settings) -> Iterator[_Use]:
    # What a node without such files does not need.
    from dicom_node.tls.contexts import acceptor_context  # noqa: PLC0415

    if settings.listener.tls.certificate is not None:
        yield "listener.tls", ("listener", "tls"), partial(acceptor_context, settings.listener.tls)
    if settings.console.enabled is not False and settings.console.tls.certificate is not None:
        yield "console.tls", ("console", "tls"), partial(acceptor_context, settings.console.tls, "console.tls")
    if not settings.web.enabled:
        return
    if settings.web.tls.certificate is not None:
        yield "web.tls", ("web", "tls"), partial(acceptor_context, settings.web.tls, "web.tls")
    for number, one in enumerate(settings.web.callers):
        yield from _secrets(f"web.callers.{one.aet}", ("web", "callers", number), one.password_file, one.token_file)


def _of_peers(settings: Settings) -> Iterator[_Use]:
    from dicom_node.tls.contexts import requestor_context  # noqa: PLC0415 - as above

    for kind, peers in (("destinations", settings.destinations), ("sources", settings.sources)):
        for number, peer in enumerate(peers):
            setting, path = f"{kind}.{element(peer.name, number)}", (kind, number)
            if _is_secured(peer):
                files = peer.ca, peer.certificate, peer.key, peer.minimum
                yield setting, path, partial(requestor_context, setting, *files)
            yield from _secrets(setting, path, peer.password_file, peer.token_file)


def _secrets(setting: str, path: KeyPath, password: Path | None, token: Path | None) -> Iterator[_Use]:
    for name, file in (("password_file", password), ("token_file", token)):
        if file is not None:
            yield f"{setting}.{name}", (*path, name), partial(secret_in, file, f"{setting}.{name}")


def _is_secured(peer: Peer) -> bool:
    return peer.tls or peer.url.startswith("https:")


def _places(settings: Settings, setting: str) -> tuple[KeyPath, ...]:
    """Where `setting` stands, as `certificate_files` names it."""
    section, _, rest = setting.partition(".")
    if section not in ("destinations", "sources"):
        return (tuple(setting.partition(" ")[0].split(".")),)
    peers: tuple[Peer, ...] = getattr(settings, section)
    name, _, key = rest.rpartition(".")
    number = next(at for at, one in enumerate(peers) if element(one.name, at) == name)
    return (section, number, key), (section, number)
