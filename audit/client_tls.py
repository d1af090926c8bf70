"""TLS as the trail's own connections to outside places have it: TLS 1.2 at least, the peer's certificate proven."""

import ssl
from pathlib import Path

from domain.errors import ConfigurationError


def client_context(ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """By the system's authorities, or those in `ca`; raises ConfigurationError where a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        named = ", ".join(str(one) for one in (ca, certificate, key) if one is not None)
        raise ConfigurationError(f"{named} cannot be used for TLS: {error}") from error
    return context
