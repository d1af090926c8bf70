"""The cookies of a browser: the session's, which no script reads, and what scripts send back with each change.

By TLS both have the prefix __Host- (RFC 6265bis 4.1.3.2): no other host and no page without TLS can set them.
"""

from typing import Literal

from starlette.responses import Response

from console.auth.people import People
from console.auth.sessions import Opened

_SESSION, _CSRF, _FLOW = "dicom_node_session", "dicom_node_csrf", "dicom_node_flow"
FLOW_HOLDS = 600  # s for which somebody may be at the provider
_FLOW_PATH = "/auth/oidc"


def session_name(people: People) -> str:
    """The name of the session's cookie."""
    return _named(people, _SESSION)


def csrf_name(people: People) -> str:
    """The name of the cookie whose value each change has to bring in its X-CSRF-Token."""
    return _named(people, _CSRF)


def flow_name(people: People) -> str:
    """The name of what the browser keeps while somebody is at the provider."""
    return f"__Secure-{_FLOW}" if people.is_secure else _FLOW


def give(people: People, response: Response, opened: Opened) -> None:
    """Both cookies of a session; the browser forgets them with it."""
    seconds = int(people.settings.longest)
    _set(people, response, session_name(people), opened.secret, seconds, script=False)
    _set(people, response, csrf_name(people), opened.csrf, seconds, script=True)


def take(people: People, response: Response) -> None:
    """The browser forgets both."""
    for name in (session_name(people), csrf_name(people)):
        _set(people, response, name, "", 0, script=False)


def give_flow(people: People, response: Response, sealed: str) -> None:
    """Lax, for the provider sends the browser back from another site."""
    _set(people, response, flow_name(people), sealed, FLOW_HOLDS, script=False, same_site="lax", path=_FLOW_PATH)


def take_flow(people: People, response: Response) -> None:
    """It counts once."""
    _set(people, response, flow_name(people), "", 0, script=False, same_site="lax", path=_FLOW_PATH)


def _named(people: People, name: str) -> str:
    return f"__Host-{name}" if people.is_secure else name


def _set(
    people: People,
    response: Response,
    name: str,
    value: str,
    seconds: int,
    *,
    script: bool,
    same_site: Literal["strict", "lax"] = "strict",
    path: str = "/",
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        secure=people.is_secure,
        httponly=not script,
        samesite=same_site,
    )
