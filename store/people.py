"""Users, their sessions, keys of programs and failures to log in, as rows. Secrets come and go as digests alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, any_, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.people import ApiKey, Bounds, Session, SessionKind, User
from domain.permissions import Permission, UserRole
from store.locks import locked
from store.people_tables import api_keys, login_failures, user_sessions, users

_USER = [one for one in users.c if one.name not in ("password", "invitation")]
_SESSION = [one for one in user_sessions.c if one.name not in ("secret", "spent", "csrf")]
_KEY = [one for one in api_keys.c if one.name != "digest"]


@dataclass(frozen=True)
class Live:
    """A session with its user, and the digests that it is proven by."""

    session: Session
    user: User
    secret: bytes
    spent: frozenset[bytes]
    csrf: bytes | None


def add_user(connection: Connection, user: User) -> bool:
    """A new one, without a password; False where an enabled one has the name, or one the provider's subject."""
    row = {
        **_as_row(user),
        "id": user.id,
        "source": user.source,
        "subject": user.subject,
        "made_at": user.made_at,
    }
    made = upsert(users).values(row).on_conflict_do_nothing().returning(users.c.id)
    return connection.execute(made).one_or_none() is not None


def change_user(connection: Connection, user: User) -> None:
    """Its name, roles, bounds, and whether it is disabled, as `user` says."""
    connection.execute(update(users).where(users.c.id == user.id).values(_as_row(user)))


def name_is_taken(connection: Connection, name: str, besides: UUID) -> bool:
    """Whether another enabled user has this name."""
    found = select(users.c.id).where(users.c.name == name, users.c.disabled_at.is_(None), users.c.id != besides)
    return connection.execute(found).first() is not None


def user_named(connection: Connection, name: str, *, lock: bool = False) -> User | None:
    """The enabled one of this name, else the one that was disabled last."""
    query = _users().where(users.c.name == name).order_by(users.c.disabled_at.desc().nulls_first()).limit(1)
    return _user_or_none(connection, locked(query, users) if lock else query)


def user_of(connection: Connection, source: str, subject: str) -> User | None:
    """Whom a provider calls `subject`, locked."""
    query = _users().where(users.c.source == source, users.c.subject == subject)
    return _user_or_none(connection, locked(query, users))


def invited(connection: Connection, invitation: bytes, now: datetime, *, lock: bool = True) -> User | None:
    """Whose one-time token this is the digest of; None where it is nobody's or has ended."""
    query = _users().where(users.c.invitation == invitation, users.c.invited_until > now, users.c.disabled_at.is_(None))
    return _user_or_none(connection, locked(query, users) if lock else query)


def all_users(connection: Connection) -> tuple[User, ...]:
    """Everybody, in the order of names, those who are disabled as well."""
    query = _users().order_by(users.c.name, users.c.made_at)
    return tuple(map(_user, connection.execute(query).mappings()))


def has_administrator(connection: Connection) -> bool:
    """Whether somebody can come in who keeps users: with a password, or by a provider."""
    can_come = or_(users.c.password_set_at.is_not(None), users.c.subject != "")
    wanted = (users.c.disabled_at.is_(None), literal(UserRole.ADMINISTRATOR.value) == any_(users.c.roles), can_come)
    return connection.execute(select(users.c.id).where(*wanted).limit(1)).first() is not None


def password_of(connection: Connection, user: UUID) -> str:
    """What is kept of its password (argon2id), "" where it has none."""
    return connection.scalar(select(users.c.password).where(users.c.id == user)) or ""


def set_password(connection: Connection, user: UUID, kept: str, at: datetime) -> None:
    """Keep this of its password; whatever one-time token was open is none any more."""
    values = {"password": kept, "password_set_at": at, "invitation": None, "invited_until": None}
    connection.execute(update(users).where(users.c.id == user).values(values))


def renew_password(connection: Connection, user: UUID, kept: str) -> None:
    """Keep this of the same password, made by today's parameters."""
    connection.execute(update(users).where(users.c.id == user).values(password=kept))


def invite(connection: Connection, user: UUID, invitation: bytes, until: datetime) -> None:
    """Open a one-time token, by its digest, in the place of any earlier one."""
    values = {"invitation": invitation, "invited_until": until}
    connection.execute(update(users).where(users.c.id == user).values(values))


def add_session(connection: Connection, session: Session, secret: bytes, csrf: bytes | None) -> None:
    """A new session, proven by what `secret` is the digest of."""
    row = {
        "id": session.id,
        "user_id": session.user,
        "kind": session.kind,
        "secret": secret,
        "csrf": csrf,
        "begun_at": session.begun_at,
        "used_at": session.used_at,
        "until": session.until,
    }
    connection.execute(insert(user_sessions).values(row))


def session_by_secret(connection: Connection, secret: bytes) -> Live | None:
    """The session that this is the digest of."""
    return _live(connection, _sessions().where(user_sessions.c.secret == secret))


def session_by_id(connection: Connection, session: UUID, *, lock: bool = False) -> Live | None:
    """The session of this id."""
    query = _sessions().where(user_sessions.c.id == session)
    return _live(connection, locked(query, user_sessions) if lock else query)


def use_session(connection: Connection, session: UUID, at: datetime) -> None:
    """It was used at this moment."""
    connection.execute(update(user_sessions).where(user_sessions.c.id == session).values(used_at=at))


def rotate(connection: Connection, session: UUID, secret: bytes, at: datetime) -> None:
    """Another secret counts from now on, and the one before is spent."""
    spent = func.array_append(user_sessions.c.spent, user_sessions.c.secret)
    values = {"spent": spent, "secret": secret, "used_at": at}
    connection.execute(update(user_sessions).where(user_sessions.c.id == session).values(values))


def end_sessions(
    connection: Connection, at: datetime, why: str, *, session: UUID | None = None, user: UUID | None = None
) -> int:
    """End this session, or all of a user's, that have not ended; how many."""
    table = user_sessions
    whose = table.c.id == session if session else table.c.user_id == user
    ended = update(table).where(whose, table.c.ended_at.is_(None)).values(ended_at=at, ended_for=why)
    return len(connection.execute(ended.returning(table.c.id)).all())


def forget_sessions(connection: Connection, before: datetime) -> None:
    """Remove the rows of sessions that were over by then: the trail has them."""
    connection.execute(delete(user_sessions).where(user_sessions.c.until < before))


def add_key(connection: Connection, key: ApiKey, digest: bytes) -> bool:
    """A new key; False where one that holds has its name."""
    row = {
        "id": key.id,
        "name": key.name,
        "digest": digest,
        "scopes": sorted(key.scopes),
        **_bounds_row(key.bounds),
        "made_at": key.made_at,
        "made_by": key.made_by,
        "until": key.until,
    }
    made = upsert(api_keys).values(row).on_conflict_do_nothing().returning(api_keys.c.id)
    return connection.execute(made).one_or_none() is not None


def key_by_digest(connection: Connection, digest: bytes) -> ApiKey | None:
    """The key that this is the digest of."""
    found = connection.execute(select(*_KEY).where(api_keys.c.digest == digest)).mappings().one_or_none()
    return _key(found) if found else None


def all_keys(connection: Connection) -> tuple[ApiKey, ...]:
    """All of them, the newest last, those that were revoked as well."""
    return tuple(map(_key, connection.execute(select(*_KEY).order_by(api_keys.c.made_at)).mappings()))


def is_first_use(connection: Connection, key: UUID, day: date) -> bool:
    """Note that a key is used on this day; whether nobody had."""
    earlier = or_(api_keys.c.used_on.is_(None), api_keys.c.used_on < day)
    noted = update(api_keys).where(api_keys.c.id == key, earlier).values(used_on=day).returning(api_keys.c.id)
    return connection.execute(noted).one_or_none() is not None


def revoke_key(connection: Connection, name: str, at: datetime) -> ApiKey | None:
    """The key of this name ends now; None where none of that name holds."""
    held = (api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    ended = update(api_keys).where(*held).values(revoked_at=at).returning(*_KEY)
    found = connection.execute(ended).mappings().one_or_none()
    return _key(found) if found else None


def locked_until(connection: Connection, who: Collection[bytes], now: datetime) -> datetime | None:
    """Until when any of these is locked out; None where none is."""
    table = login_failures
    asked = select(func.max(table.c.locked_until)).where(table.c.who.in_(who), table.c.locked_until > now)
    until: datetime | None = connection.scalar(asked)
    return until


def count_attempt(
    connection: Connection, who: bytes, now: datetime, begins: datetime, most: int, locked_for: datetime
) -> int:
    """Count an attempt, before it is known how it ends; the how manieth since `begins` it is.

    From the `most`th on, which is the last that is allowed, `who` is locked until `locked_for`.
    """
    table = login_failures
    row = {"who": who, "failures": 1, "since": now}
    counted = upsert(table).values(row)
    anew = {
        "failures": case((table.c.since < begins, 1), else_=table.c.failures + 1),
        "since": case((table.c.since < begins, now), else_=table.c.since),
    }
    counted = counted.on_conflict_do_update(index_elements=[table.c.who], set_=anew)
    count = connection.scalar(counted.returning(table.c.failures)) or 0
    if count == most:
        connection.execute(update(table).where(table.c.who == who).values(locked_until=locked_for))
    return count


def take_back_attempt(connection: Connection, who: bytes) -> None:
    """One that was counted was no failure."""
    table = login_failures
    fewer = {"failures": func.greatest(table.c.failures - 1, 0), "locked_until": None}
    connection.execute(update(table).where(table.c.who == who).values(fewer))


def forgive(connection: Connection, who: Collection[bytes]) -> None:
    """Forget the failures of these: they have proven who they are, or an administrator says so."""
    connection.execute(delete(login_failures).where(login_failures.c.who.in_(who)))


def forget_failures(connection: Connection, before: datetime, now: datetime) -> None:
    """Remove what counts no more: failures from before that moment that lock nobody out."""
    table = login_failures
    over = (table.c.since < before, or_(table.c.locked_until.is_(None), table.c.locked_until < now))
    old = locked(select(table.c.who).where(*over).limit(1000), table, skip=True)
    connection.execute(delete(table).where(table.c.who.in_(old)))


def _users() -> Select[Any]:
    return select(*_USER)


def _user_or_none(connection: Connection, query: Select[Any]) -> User | None:
    found = connection.execute(query).mappings().first()
    return _user(found) if found else None


def _user(row: RowMapping) -> User:
    return User(
        row["id"],
        row["name"],
        row["source"],
        row["subject"],
        frozenset(UserRole(one) for one in row["roles"] if one in set(UserRole)),
        _bounds(row),
        row["made_at"],
        row["password_set_at"],
        row["disabled_at"],
        row["invited_until"],
    )


def _as_row(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "roles": sorted(user.roles),
        "disabled_at": user.disabled_at,
        **_bounds_row(user.bounds),
    }


def _bounds(row: RowMapping) -> Bounds:
    return Bounds(frozenset(row["destinations"]), frozenset(row["departments"]))


def _bounds_row(bounds: Bounds) -> dict[str, Sequence[str]]:
    return {"destinations": sorted(bounds.destinations), "departments": sorted(bounds.departments)}


def _sessions() -> Select[Any]:
    return select(user_sessions)


def _live(connection: Connection, query: Select[Any]) -> Live | None:
    found = connection.execute(query).mappings().one_or_none()
    if found is None:
        return None
    user = _user(connection.execute(_users().where(users.c.id == found["user_id"])).mappings().one())
    csrf = None if found["csrf"] is None else bytes(found["csrf"])
    return Live(_session(found), user, bytes(found["secret"]), frozenset(map(bytes, found["spent"])), csrf)


def _session(row: RowMapping) -> Session:
    return Session(
        row["id"],
        row["user_id"],
        SessionKind(row["kind"]),
        row["begun_at"],
        row["used_at"],
        row["until"],
        row["ended_at"],
        row["ended_for"],
    )


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(
        row["id"],
        row["name"],
        frozenset(Permission(one) for one in row["scopes"] if one in set(Permission)),
        _bounds(row),
        row["made_at"],
        row["made_by"],
        row["until"],
        row["revoked_at"],
    )
