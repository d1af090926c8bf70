"""What we speak: versions, cipher suites and certificates of both sides (PS3.15 B.12, by BCP 195: RFC 8996, RFC 9325).

A list of what is good, and nothing beside it: no renegotiation, no compression, no tickets, no early data.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.tls import ListenerTls, TlsVersion, WebTls
from domain.errors import ConfigurationError

# Of TLS 1.2: those of RFC 9325 section 4.2, which PS3.15 B.12 takes over. Of TLS 1.3 each has forward secrecy and
# authenticated encryption, and all are taken.
CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
# Keys of 112 bits of security at least (RFC 9325 section 4.1), and no signature by SHA-1 or MD5.
_LEVEL = "@SECLEVEL=2"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_FOR_OTHERS = 0o027


def acceptor_context(tls: ListenerTls | WebTls, setting: str = "listener.tls") -> ssl.SSLContext:
    """What a door speaks by these settings; raises ConfigurationError that says which file is wrong, and how."""
    assert tls.certificate is not None
    context = _context(ssl.PROTOCOL_TLS_SERVER, tls.minimum)
    # A session that is taken up again would prove nothing anew; what is left of it is told apart by its certificate.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _prove(context, setting, tls.certificate, tls.key)
    if tls.ca is not None:
        _trust(context, f"{setting}.ca", tls.ca)
        context.verify_mode = ssl.CERT_REQUIRED if tls.require_certificate else ssl.CERT_OPTIONAL
    return context


def requestor_context(
    setting: str, ca: Path | None, certificate: Path | None, key: Path | None, minimum: TlsVersion
) -> ssl.SSLContext:
    """What we speak to a server that `setting` names: it proves its name by an authority in `ca`, else the system's.

    Raises ConfigurationError as `acceptor_context` does.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, minimum)
    if ca is None:
        context.load_default_certs()
    else:
        _trust(context, f"{setting}.ca", ca)
    if certificate is not None:
        _prove(context, setting, certificate, key)
    return context


def _context(protocol: int, minimum: TlsVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = _VERSIONS[minimum]
    context.set_ciphers(":".join((*CIPHERS, _LEVEL)))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _prove(context: ssl.SSLContext, setting: str, certificate: Path, key: Path | None) -> None:
    place = key or certificate
    with _reading(f"{setting}.key", place):
        status = place.stat()
        if status.st_mode & _FOR_OTHERS and not os.statvfs(place).f_flag & os.ST_RDONLY:
            said = f"{setting}.key: {place} may be read or changed by others: chmod 600 {place}"
            raise ConfigurationError(said)
        place.open("rb").close()
    with _reading(f"{setting}.certificate", certificate):
        certificate.open("rb").close()
    try:
        # A key with a password would be asked for on a terminal that a server does not have.
        context.load_cert_chain(certificate, place, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            said = f"{setting}.key: {place} is not the key of {certificate}: give the one that it was made with"
            raise ConfigurationError(said) from error
        said = f"{setting}: {certificate} is no certificate (PEM), or {place} no key of one without a password"
        raise ConfigurationError(f"{said} ({error.reason})") from error


def _trust(context: ssl.SSLContext, setting: str, ca: Path) -> None:
    with _reading(setting, ca):
        ca.open("rb").close()
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{setting}: {ca} holds no certificate (PEM) of an authority") from error


@contextmanager
def _reading(setting: str, file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{setting}: {file} cannot be read: {error.strerror}") from error
