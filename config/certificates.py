"""Which certificates the settings name, and when they expire."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qsl

from config.secret_urls import SecretUrl
from config.settings import Settings
from config.toml_lines import element

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# Parameters of PostgreSQL's URLs that name files of certificates (libpq 32.1.2).
_OF_URL = ("sslrootcert", "sslcert")
_SYSTEM = "system"  # for sslrootcert: the machine's own
# Tags of DER (ITU-T X.690): a certificate's version, and the two forms of a moment.
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_FORMS = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}


def certificate_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Each file of certificates that the settings name, behind the setting; a key has no end, and is not among them."""
    tls = settings.listener.tls
    yield from _named("listener.tls", certificate=tls.certificate, ca=tls.ca)
    if settings.web.enabled:
        yield from _named("web.tls", certificate=settings.web.tls.certificate, ca=settings.web.tls.ca)
    if settings.console.enabled is not False:
        yield from _named("console.tls", certificate=settings.console.tls.certificate, ca=settings.console.tls.ca)
    for kind, peers in (("destinations", settings.destinations), ("sources", settings.sources)):
        for number, peer in enumerate(peers):
            yield from _named(f"{kind}.{element(peer.name, number)}", certificate=peer.certificate, ca=peer.ca)
    yield from _of_trail(settings)
    if settings.bus.ca:
        yield "bus.ca", settings.bus.ca
    for name in ("url", "owner_url"):
        url: SecretUrl | None = getattr(settings.database, name)
        # A password may hold each of the delimiters; behind it none is left.
        parameters = dict(parse_qsl(url.get_secret_value().rpartition("@")[2].partition("?")[2])) if url else {}
        for parameter in _OF_URL:
            if (file := parameters.get(parameter, _SYSTEM)) != _SYSTEM:
                yield f"database.{name} {parameter}", Path(file)


def _of_trail(settings: Settings) -> Iterator[tuple[str, Path]]:
    for number, receiver in enumerate(settings.audit.receivers):
        where = f"audit.receivers.{element(receiver.name, number)}"
        yield from _named(where, certificate=receiver.certificate, ca=receiver.ca)
    for number, one in enumerate(settings.audit.witnesses):
        yield from _named(f"audit.witnesses.{element(one.name, number)}", certificate=one.certificate, ca=one.ca)


def _named(setting: str, **files: Path | None) -> Iterator[tuple[str, Path]]:
    yield from ((f"{setting}.{name}", file) for name, file in files.items() if file is not None)


def first_expiry(file: Path) -> float | None:
    """When the first of the certificates in `file` (PEM) expires, in s since 1970; None where none can be read."""
    try:
        ends = [_expiry(ssl.PEM_cert_to_DER_cert(one)) for one in _PEM.findall(file.read_text("ascii"))]
    except (OSError, ValueError, LookupError, StopIteration):
        return None
    return min(ends, default=None)


def _expiry(der: bytes) -> float:
    """`notAfter` of a certificate (RFC 5280 section 4.1). What the ssl module reads of a file are authorities alone."""
    _, certificate = next(_elements(der))
    _, signed = next(_elements(certificate))
    parts = [content for tag, content in _elements(signed) if tag != _VERSION]
    validity = parts[3]  # behind the serial number, the signature's algorithm and the issuer
    tag, moment = next(islice(_elements(validity), 1, None))
    return datetime.strptime(moment.decode("ascii"), _FORMS[tag]).replace(tzinfo=UTC).timestamp()


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and content of each element, one behind the other (X.690 section 8.1)."""
    while der:
        tag, length, at = der[0], der[1], 2
        if length & 0x80:
            at += length & 0x7F
            length = int.from_bytes(der[2:at], "big")
        yield tag, der[at : at + length]
        der = der[at + length :]
