"""How somebody comes to a session: by a password, by what a provider says of them, by a one-time token before.

Whoever is unknown and whoever gives a wrong password get the same answer after the same work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

from audit.actions import Action
from audit.trail import Transaction
from config.access import Grant
from console.auth import limits, passwords, sessions, texts, users
from console.auth.people import Asked, People
from console.auth.refusals import NotLetIn, NotLoggedIn, Unproven
from console.auth.sessions import Opened
from domain.errors import ConfigurationError
from domain.people import LOCAL, Bounds, SessionKind, User
from domain.permissions import UserRole
from store import people as rows

_WRONG = "user or password is wrong"
_NO_TOKEN = "the one-time token is not open"


def by_password(people: People, name: str, password: str, kind: SessionKind, asked: Asked) -> Opened:
    """A session of a local user; raises NotLoggedIn, LockedOut, and NotLetIn where there are no local users."""
    if not people.settings.local:
        raise NotLetIn("users log in at the provider here: GET /auth/oidc/start")
    called = name.strip().casefold()
    user, kept = _local(people, called)
    tried = limits.attempt(people, called, asked)
    limits.begin(people, tried, known=user is not None)
    if not passwords.is_(password, kept) or user is None:
        _record_refusal(people, user.name if user else "", asked, "wrong password" if user else "unknown user")
        raise NotLoggedIn(_WRONG)
    renewed = passwords.keep(password) if passwords.is_outdated(kept) else ""
    with people.transaction() as transaction:
        limits.succeeded(transaction.connection, tried)
        if renewed:
            rows.renew_password(transaction.connection, user.id, renewed)
        return _opened(people, transaction, user, kind, asked, "password")


def set_password(people: People, token: str, password: str, asked: Asked) -> User:
    """The user of a one-time token has this password from now on, and no session; raises Unacceptable, Unproven."""
    digest = texts.digest(token)
    with people.ledger.database.transaction() as connection:
        user = rows.invited(connection, digest, people.now, lock=False)
    if user is None:
        raise Unproven(_NO_TOKEN)
    passwords.check(password, user.name, people.settings.shortest_password)
    kept = passwords.keep(password)
    with people.transaction() as transaction:
        user = rows.invited(transaction.connection, digest, people.now)
        if user is None:  # somebody was faster
            raise Unproven(_NO_TOKEN)
        rows.set_password(transaction.connection, user.id, kept, people.now)
        ended = rows.end_sessions(transaction.connection, people.now, "the password was set anew", user=user.id)
        limits.succeeded(transaction.connection, limits.attempt(people, user.name, asked))
        transaction.record(Action.PASSWORD_SET, None, user=user.name, **asked.details, ended=ended)
        return user


@dataclass(frozen=True)
class Provided:
    """What a provider says of somebody who has proven themselves there."""

    issuer: str
    subject: str
    name: str
    groups: frozenset[str]
    departments: frozenset[str] = frozenset()


def by_provider(people: People, said: Provided, kind: SessionKind, asked: Asked) -> Opened:
    """A session of whom the provider names, made or changed as it says; raises NotLetIn."""
    roles, bounds = granted(people.settings.grants, said.groups)
    try:
        name = users.user_name(said.name)
    except ConfigurationError as error:
        _record_refusal(people, "", asked, "the provider's name of the user is none that can be shown")
        raise NotLetIn("the provider gives you a name that the node cannot show: ask its administrator") from error
    if not roles:
        _record_refusal(people, name, asked, "none of the user's groups has a role here", said.issuer)
        raise NotLetIn("none of your groups has a role at this node: ask its administrator")
    if people.settings.departments_claim:
        if not said.departments:
            _record_refusal(people, name, asked, "the provider names no department of the user's", said.issuer)
            raise NotLetIn("the provider names no department of yours: ask its administrator")
        bounds = replace(bounds, departments=said.departments)
    with people.transaction() as transaction:
        user = _known(people, transaction, said, name, roles, bounds)
        if isinstance(user, User) and user.disabled_at is None:
            return _opened(people, transaction, user, kind, asked, said.issuer)
        why = user if isinstance(user, str) else "the user is disabled here"
    _record_refusal(people, name, asked, why, said.issuer)
    raise NotLetIn(f"{why}: ask the node's administrator")


def granted(grants: tuple[Grant, ...], groups: frozenset[str]) -> tuple[frozenset[UserRole], Bounds]:
    """The roles of these groups, and the bounds: those of all grants together, and none where one of them has none."""
    found = [one for one in grants if one.value in groups]
    roles = frozenset(UserRole(one.role) for one in found)
    readers = [one for one in found if UserRole(one.role) is UserRole.RADIOLOGIST] or found
    if any(not one.destinations and not one.departments for one in readers):
        return roles, Bounds()
    destinations = frozenset(name for one in readers for name in one.destinations)
    return roles, Bounds(destinations, frozenset(name for one in readers for name in one.departments))


def _known(
    people: People, transaction: Transaction, said: Provided, name: str, roles: frozenset[UserRole], bounds: Bounds
) -> User | str:
    """The user's row as it is now, or why there can be none."""
    connection = transaction.connection
    before = rows.user_of(connection, said.issuer, said.subject)
    if before is None:
        user = User(uuid4(), name, said.issuer, said.subject, roles, bounds, people.now)
        if not rows.add_user(connection, user):
            return "another user has this name"
        told = {key: value for key, value in users.shown(user).items() if key != "enabled"}
        transaction.record(Action.USER_ADDED, None, user=said.issuer, source=said.issuer, **told)
        return user
    if before.disabled_at is None and rows.name_is_taken(connection, name, before.id):
        return "another user has this name"
    return users.changed(transaction, before, replace(before, name=name, roles=roles, bounds=bounds), said.issuer)


def _local(people: People, name: str) -> tuple[User | None, str]:
    """The local user of this name who may come in, and what is kept of their password; nothing of anybody else."""
    if not users.is_name(name):
        return None, ""
    with people.ledger.database.transaction() as connection:
        user = rows.user_named(connection, name)
        if user is None or user.source != LOCAL or user.disabled_at is not None:
            return None, ""
        return user, rows.password_of(connection, user.id)


def _opened(people: People, transaction: Transaction, user: User, kind: SessionKind, asked: Asked, by: str) -> Opened:
    opened = sessions.begin(people, transaction, user, kind)
    details: Mapping[str, object] = {
        "user": user.name,
        **asked.details,
        "by": by,
        "login": str(opened.session.id),
        "kind": kind.value,
        "roles": sorted(user.roles),
    }
    transaction.record(Action.LOGGED_IN, None, **details)
    return opened


def _record_refusal(people: People, name: str, asked: Asked, reason: str, issuer: str = "") -> None:
    said = {
        **({"user": name} if name else {}),
        **asked.details,
        "reason": reason,
        **({"issuer": issuer} if issuer else {}),
    }
    people.ledger.record(Action.LOGIN_REFUSED, **said)
