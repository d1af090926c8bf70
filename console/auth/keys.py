"""Keys of programs: made with scopes, shown once, revoked. The command line and the API call the same functions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import uuid4

from audit.actions import Action
from audit.trail import Ledger
from console.auth import texts
from console.auth.people import Asked, People
from console.auth.refusals import Unproven
from console.auth.users import user_name
from domain.errors import ConfigurationError
from domain.people import ApiKey, Bounds
from domain.permissions import PERMITTED, Permission, UserRole
from store import people as rows
from store.database import Database


def make(
    ledger: Ledger,
    name: str,
    scopes: Collection[Permission],
    bounds: Bounds,
    by: str,
    now: datetime,
    until: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and the text of it, which is kept nowhere."""
    allowed = PERMITTED[UserRole.SERVICE]
    if not scopes or not set(scopes) <= allowed:
        raise ConfigurationError(f"a key has scopes, and of these: {', '.join(sorted(allowed))}")
    key = ApiKey(uuid4(), user_name(name), frozenset(scopes), bounds, now, by, until)
    text = texts.fresh(texts.KEY)
    with ledger.transaction() as transaction:
        if not rows.add_key(transaction.connection, key, texts.digest(text)):
            raise ConfigurationError(f"there is a key {key.name}: revoke it first, or choose another name")
        transaction.record(
            Action.KEY_MADE,
            None,
            user=by,
            key=key.name,
            scopes=sorted(key.scopes),
            destinations=sorted(bounds.destinations),
            departments=sorted(bounds.departments),
            until=until.isoformat(timespec="seconds") if until else "",
        )
    return key, text


def revoke(ledger: Ledger, name: str, by: str, now: datetime) -> ApiKey:
    """The key of this name opens nothing from now on."""
    with ledger.transaction() as transaction:
        key = rows.revoke_key(transaction.connection, user_name(name), now)
        if key is None:
            raise ConfigurationError(f"no key {name} holds: dicom-node keys list")
        transaction.record(Action.KEY_REVOKED, None, user=by, key=key.name)
    return key


def listed(database: Database) -> Sequence[ApiKey]:
    """All of them, those that were revoked as well."""
    with database.transaction() as connection:
        return rows.all_keys(connection)


def of_text(people: People, text: str, asked: Asked) -> ApiKey:
    """The key that this is the text of, its first use on a day recorded; raises Unproven."""
    now = people.now
    with people.transaction() as transaction:
        key = rows.key_by_digest(transaction.connection, texts.digest(text))
        if key is None:
            raise Unproven("the key is not known")
        named = f"key {key.name}"
        if key.revoked_at is not None:
            raise Unproven("the key was revoked", named)
        if key.until is not None and key.until <= now:
            raise Unproven("the key has ended", named)
        if rows.is_first_use(transaction.connection, key.id, now.date()):
            transaction.record(Action.KEY_USED, None, key=key.name, **asked.details)
    return key
