"""What `doctor` finds in the files of certificates of the settings, and whether DICOM TLS can be spoken by them."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from config.certificates import certificate_files, first_expiry
from config.settings import Settings
from config.toml_lines import element
from console.cli.counting import counted
from console.cli.looks import Look, Mark
from domain.errors import ConfigurationError

_DAY = 86400.0  # s
_SOON = 14.0  # days, as the alert DicomNodeCertificateEnds has it


def certificates(settings: Settings, now: float) -> Iterator[Look]:
    """Whether each can be read, and how long it lasts from `now` (s since 1970)."""
    for setting, file in certificate_files(settings):
        yield _look(f"certificate of {setting}", file, now)


def dicom_tls(settings: Settings) -> Iterator[Look]:
    """What keeps the listener, or us as the one who calls, from speaking TLS."""
    # What no other look needs.
    from dicom_node.tls.contexts import acceptor_context, requestor_context  # noqa: PLC0415

    tried: list[tuple[str, Callable[[], object]]] = []
    if settings.listener.tls.certificate:
        tried.append(("listener.tls", partial(acceptor_context, settings.listener.tls)))
    for kind, peers in (("destinations", settings.destinations), ("sources", settings.sources)):
        for number, peer in enumerate(peers):
            if peer.tls:
                setting = f"{kind}.{element(peer.name, number)}"
                files = peer.ca, peer.certificate, peer.key, peer.minimum
                tried.append((setting, partial(requestor_context, setting, *files)))
    for setting, make in tried:
        try:
            make()
        except ConfigurationError as error:
            yield Look(f"TLS of {setting}", Mark.LACKING, str(error))
        else:
            yield Look(f"TLS of {setting}", Mark.OK, "certificates and keys can be used")


def _look(what: str, file: Path, now: float) -> Look:
    ends = first_expiry(file)
    if ends is None:
        return Look(what, Mark.LACKING, f"{file} holds no certificate (PEM) that can be read: put it there")
    left = (ends - now) / _DAY
    if left < 0:
        said = f"{file} has been out of date since {_day(ends)}: renew it; it is read anew, without a restart"
        return Look(what, Mark.LACKING, said)
    until = f"{file} lasts until {_day(ends)}, {counted(int(left), 'day')}"
    return Look(what, Mark.NOTED, f"{until}: renew it") if left < _SOON else Look(what, Mark.OK, until)


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))
