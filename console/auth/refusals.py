"""How the door says no. The message is for whoever asked, and the same for an unknown user as for a wrong password."""

from domain.errors import NodeError


class NotLoggedIn(NodeError):
    """Nobody is proven (401). `reason` is for the trail alone."""

    status = 401

    def __init__(self, said: str = "log in first: POST /auth/login, or a key as Authorization: Bearer") -> None:
        super().__init__(said)


class NotLetIn(NodeError):
    """Somebody is proven who has no business here, or a change came without its proof of origin (403)."""

    status = 403


class LockedOut(NodeError):
    """Too many attempts failed (429); `retry_after` are whole seconds to wait."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts failed: try again in {retry_after} s")
        self.retry_after = retry_after


class Unacceptable(NodeError):
    """What was sent cannot be taken, such as a password that is too short (422)."""

    status = 422


class ProviderAway(NodeError):
    """The provider does not answer, or not as the standard says (502)."""

    status = 502


class Unproven(Exception):
    """What was shown proves nobody. `reason` is for the trail, and never for whoever showed it.

    `user` is whose it would be, `session` of which, where that much is proven.
    """

    def __init__(self, reason: str, user: str = "", session: str = "") -> None:
        super().__init__(reason)
        self.reason, self.user, self.session = reason, user, session
