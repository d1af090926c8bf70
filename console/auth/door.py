"""Who sent a request: by an API key or an access token (Authorization: Bearer), else by a browser's cookie.

Whatever is shown and proves nobody is an entry on the trail; of an address a few each minute, and the rest counted, so
that strangers cannot fill it.
"""

import logging
import threading
from dataclasses import dataclass

from starlette.requests import Request

from audit.actions import Action
from console.auth import cookies, csrf, keys, sessions, sign_in, texts
from console.auth.limits import Throttle, counted_as
from console.auth.people import Asked, People
from console.auth.refusals import LockedOut, NotLetIn, NotLoggedIn, Unproven
from domain.permissions import Principal
from store.people import Live

_BEARER = "bearer"
_LONGEST = 4096  # of what is shown
_WAIT = 60  # s
_NO_TOKEN = "this one-time token is not open: it was used, it has ended, or another was made since"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Proof:
    """Who asks, and by which session; None by a key."""

    principal: Principal
    live: Live | None = None


class PeoplesDoor:
    """Finds out who asks."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._refusals = Throttle(people.settings.refusals, people.clock.monotonic)
        self._uncounted: dict[str, int] = {}
        self._lock = threading.Lock()

    def principal(self, request: Request) -> Principal:
        """Whoever sent it; raises NotLoggedIn, LockedOut, and NotLetIn for a change that another site's page sent."""
        return self.proof(request).principal

    def proof(self, request: Request) -> Proof:
        """As `principal`, with the session."""
        asked = asked_by(request)
        try:
            return self._proven(request, asked)
        except Forged as error:
            self.refuse(error, asked)
            raise NotLetIn(
                "a change that comes with a cookie needs its CSRF token: send the value of the cookie "
                f"{cookies.csrf_name(self._people)} as X-CSRF-Token"
            ) from error
        except Unproven as error:
            self.refuse(error, asked)
            raise NotLoggedIn from error

    def refuse(self, error: Unproven, asked: Asked) -> None:
        """Record that something was shown that proves nobody; raises LockedOut where that comes too often."""
        whom = counted_as(asked.address)
        if not self._refusals.takes(whom):
            with self._lock:
                self._uncounted[whom] = self._uncounted.get(whom, 0) + 1
            raise LockedOut(_WAIT) from error
        with self._lock:
            count = 1 + self._uncounted.pop(whom, 0)
        whose = {"user": error.user} if error.user else {}
        login = {"login": error.session} if error.session else {}
        said = {**whose, **asked.details, **login, "reason": error.reason, "count": count}
        self._people.ledger.record(Action.ACCESS_REFUSED, **said)

    def set_password(self, token: str, password: str, request: Request) -> None:
        """The user of a one-time token has this password from now on; raises Unacceptable, NotLoggedIn, LockedOut."""
        asked = asked_by(request)
        try:
            sign_in.set_password(self._people, token, password, asked)
        except Unproven as error:
            self.refuse(error, asked)
            raise NotLoggedIn(_NO_TOKEN) from error

    def _proven(self, request: Request, asked: Asked) -> Proof:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return self._by_bearer(scheme, shown.strip(), asked)
        cookie = request.cookies.get(cookies.session_name(self._people), "")
        if not cookie:
            raise NotLoggedIn
        live = sessions.of_cookie(self._people, cookie)
        wrong = csrf.fault(request.method, request.headers, live.csrf, self._people.origin)
        if wrong:
            raise Forged(wrong, live.user.name, str(live.session.id))
        return Proof(live.user.principal, live)

    def _by_bearer(self, scheme: str, shown: str, asked: Asked) -> Proof:
        if scheme.lower() != _BEARER or not 0 < len(shown) <= _LONGEST:
            raise Unproven("what was shown is no bearer token")
        if shown.startswith(texts.KEY):
            return Proof(keys.of_text(self._people, shown, asked).principal)
        live = sessions.of_token(self._people, shown)
        return Proof(live.user.principal, live)


class Forged(Unproven):
    """A cookie proves somebody, and nothing that the change is meant by them."""


def asked_by(request: Request) -> Asked:
    """From where, and which request it is."""
    return Asked(request.client.host if request.client else "", str(getattr(request.state, "request_id", "")))
