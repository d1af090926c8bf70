"""When the certificates that a setting names expire."""

import ssl
from pathlib import Path


def first_expiry(file: Path) -> float | None:
    """When the first of the certificates in `file` (PEM) expires, in s since 1970; None where none can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(file)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return None
    ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs()]
    return float(min(ends)) if ends else None
