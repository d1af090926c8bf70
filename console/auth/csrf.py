"""Whether a change that came with a cookie is meant by whom the cookie is of: a browser sends it for any page.

A random text that only pages of the node can read comes back in a header; its digest stands with the session, so that
a stolen cookie alone changes nothing. Where a browser says from which page a request is, that has to be one of ours.
"""

import hmac
from collections.abc import Mapping

from console.auth import texts

HEADER = "x-csrf-token"
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


def fault(method: str, headers: Mapping[str, str], kept: bytes | None, origin: str) -> str:
    """Why a request that came with a cookie is not to be believed; "" where it is. Names of headers are small."""
    if method.upper() in _HARMLESS:
        return ""
    if reason := foreign(headers, origin):
        return reason
    shown = headers.get(HEADER, "")
    if not shown:
        return "a change came with a cookie and without its CSRF token"
    if kept is None or not hmac.compare_digest(texts.digest(shown), kept):
        return "a change came with a cookie and another CSRF token than its session's"
    return ""


def foreign(headers: Mapping[str, str], origin: str) -> str:
    """Why a request is of another site's page (Fetch Metadata, and Origin of RFC 6454); "" where nothing says so."""
    if headers.get("sec-fetch-site", "same-origin") not in _OWN_SITES:
        return "a change came from another site's page"
    told = headers.get("origin", origin)
    # By whatever name the node was called: a page of that name is the node's, where it came as the node's do.
    scheme, _, host = told.partition("://")
    if told != origin and (host != headers.get("host") or scheme != origin.partition("://")[0]):
        return "a change came from a page of another origin"
    return ""
