"""What every answer tells a browser to do and to leave (OWASP Secure Headers)."""

from collections.abc import Mapping

_YEARS = 2 * 365 * 86_400
#: Answers are data: for nobody's cache, and a browser that shows one runs nothing and frames nothing.
_ALWAYS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_BY_TLS: Mapping[str, str] = {"Strict-Transport-Security": f"max-age={_YEARS}"}


def fields(*, secure: bool) -> Mapping[str, str]:
    """The fields of an answer that does not say otherwise; `secure`: browsers come by TLS, and shall always."""
    return {**_ALWAYS, **(_BY_TLS if secure else {})}
