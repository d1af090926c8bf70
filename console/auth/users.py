"""Users as people keep them: add, change, disable, invite. The command line and the API call the same functions.

`by` is who does it, as the trail says it. Nobody but the user ever knows a password: they set it by a one-time token.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from audit.actions import Action
from audit.trail import Ledger, Transaction
from console.auth import texts
from domain.errors import ConfigurationError
from domain.people import LOCAL, Bounds, User
from domain.permissions import UserRole
from store import people as rows
from store.database import Database

# What a trail, a log and a table can show; an e-mail address is among it.
_NAME = re.compile(r"[\w.@+-]{1,64}")
_WITHOUT_KEY = frozenset(UserRole) - {UserRole.SERVICE}


def is_name(text: str) -> bool:
    """Whether somebody can be called so: of anything else the database is not asked."""
    return _NAME.fullmatch(text) is not None


def user_name(text: str) -> str:
    """The name as it is kept; raises ConfigurationError where it is none."""
    name = text.strip().casefold()
    if not is_name(name):
        raise ConfigurationError(f"{text!r} is no user's name: 1 to 64 letters, digits and any of . _ - + @")
    return name


def add(
    ledger: Ledger, name: str, roles: Collection[UserRole], bounds: Bounds, by: str, now: datetime, holds: timedelta
) -> tuple[User, str]:
    """A new local user, and the one-time token by which they set their password, which holds for so long."""
    with ledger.transaction() as transaction:
        return _added(transaction, name, roles, bounds, by, now, holds)


def first_administrator(ledger: Ledger, name: str, by: str, now: datetime, holds: timedelta) -> tuple[User, str]:
    """The first one who keeps users; raises ConfigurationError where somebody can come in who does.

    One who was made so and has set no password yet gets another token.
    """
    with ledger.transaction() as transaction:
        if rows.has_administrator(transaction.connection):
            raise ConfigurationError(
                "there is an administrator: they add users; dicom-node users list has their names, and dicom-node "
                "users reset NAME makes another one-time token for one who is locked out"
            )
        known = rows.user_named(transaction.connection, user_name(name), lock=True)
        if known is None or known.disabled_at is not None:
            return _added(transaction, name, {UserRole.ADMINISTRATOR}, Bounds(), by, now, holds)
        if known.source != LOCAL or UserRole.ADMINISTRATOR not in known.roles:
            raise ConfigurationError(f"{known.name} is a user of another kind: choose another name for the first one")
        return known, _invited(transaction, known, by, now, holds)


def invite(ledger: Ledger, name: str, by: str, now: datetime, holds: timedelta) -> tuple[User, str]:
    """Another one-time token for a local user; the password that they have stays until it is used."""
    with ledger.transaction() as transaction:
        user = _found(transaction, name)
        if user.source != LOCAL:
            raise ConfigurationError(f"{user.name} proves themselves at {user.source}: there is no password here")
        if user.disabled_at is not None:
            raise ConfigurationError(f"{user.name} is disabled: dicom-node users enable {user.name}")
        return user, _invited(transaction, user, by, now, holds)


def listed(database: Database) -> Sequence[User]:
    """Everybody, those who are disabled as well."""
    with database.transaction() as connection:
        return rows.all_users(connection)


def named(database: Database, name: str) -> User | None:
    """The enabled one of this name, else the one that was disabled last; None where nobody ever had it."""
    with database.transaction() as connection:
        return rows.user_named(connection, name.strip().casefold())


def give_roles(ledger: Ledger, name: str, roles: Collection[UserRole], by: str) -> tuple[User, User]:
    """The user before and after; what they may do changes at once."""
    with ledger.transaction() as transaction:
        before = _found(transaction, name)
        _refuse_provided(before)
        return before, _changed(transaction, before, replace(before, roles=_given(roles)), by)


def bind(ledger: Ledger, name: str, bounds: Bounds, by: str) -> tuple[User, User]:
    """The user before and after; empty bounds are none."""
    with ledger.transaction() as transaction:
        before = _found(transaction, name)
        _refuse_provided(before)
        return before, _changed(transaction, before, replace(before, bounds=bounds), by)


def disable(ledger: Ledger, name: str, by: str, now: datetime) -> User:
    """They are let in no more: each of their sessions ends with it."""
    with ledger.transaction() as transaction:
        before = _found(transaction, name)
        if before.disabled_at is None:
            rows.end_sessions(transaction.connection, now, "the user was disabled", user=before.id)
        return _changed(transaction, before, replace(before, disabled_at=before.disabled_at or now), by)


def enable(ledger: Ledger, name: str, by: str) -> User:
    """They are let in again; raises ConfigurationError where another has their name by now."""
    with ledger.transaction() as transaction:
        before = _found(transaction, name)
        if rows.name_is_taken(transaction.connection, before.name, before.id):
            raise ConfigurationError(f"another user is called {before.name} by now")
        return _changed(transaction, before, replace(before, disabled_at=None), by)


def changed(transaction: Transaction, before: User, after: User, by: str) -> User:
    """Keep `after` in the place of `before`, with an entry where they differ."""
    return _changed(transaction, before, after, by)


def shown(user: User) -> dict[str, object]:
    """A user as the trail says it."""
    return {
        "name": user.name,
        "roles": sorted(user.roles),
        "destinations": sorted(user.bounds.destinations),
        "departments": sorted(user.bounds.departments),
        "enabled": user.disabled_at is None,
    }


def _added(
    transaction: Transaction,
    name: str,
    roles: Collection[UserRole],
    bounds: Bounds,
    by: str,
    now: datetime,
    holds: timedelta,
) -> tuple[User, str]:
    user = User(uuid4(), user_name(name), LOCAL, "", _given(roles), bounds, now)
    if not rows.add_user(transaction.connection, user):
        raise ConfigurationError(f"there is a user {user.name}: dicom-node users list")
    said = {key: value for key, value in shown(user).items() if key != "enabled"}
    transaction.record(Action.USER_ADDED, None, user=by, source=user.source, **said)
    return user, _invited(transaction, user, by, now, holds)


def _invited(transaction: Transaction, user: User, by: str, now: datetime, holds: timedelta) -> str:
    token, until = texts.fresh(texts.INVITATION), now + holds
    rows.invite(transaction.connection, user.id, texts.digest(token), until)
    said = until.isoformat(timespec="seconds")
    transaction.record(Action.USER_INVITED, None, user=by, name=user.name, until=said)
    return token


def _changed(transaction: Transaction, before: User, after: User, by: str) -> User:
    if shown(after) != shown(before):
        rows.change_user(transaction.connection, after)
        told = {"name": before.name, "before": shown(before), "after": shown(after)}
        transaction.record(Action.USER_CHANGED, None, user=by, **told)
    return after


def _found(transaction: Transaction, name: str) -> User:
    found = rows.user_named(transaction.connection, user_name(name), lock=True)
    if found is None:
        raise ConfigurationError(f"there is no user {name}: dicom-node users list")
    return found


def _given(roles: Collection[UserRole]) -> frozenset[UserRole]:
    if not roles:
        raise ConfigurationError("a user has a role: radiologist, operator, administrator or auditor")
    if not set(roles) <= _WITHOUT_KEY:
        raise ConfigurationError("service is no role of a person: dicom-node keys make")
    return frozenset(roles)


def _refuse_provided(user: User) -> None:
    if user.source != LOCAL:
        raise ConfigurationError(
            f"what {user.name} may do comes from {user.source} at each log-in: change their groups there, or "
            "access.grants in the settings"
        )
