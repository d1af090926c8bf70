"""Log-ins as they go on: a browser's by a cookie, a program's by an access token and a refresh token that rotates.

A session is over when it was idle for too long, when it is old, when it was ended, and when its user is disabled. A
refresh token counts once: one that comes again was copied by somebody, and then nobody knows which of the two is the
user, so that the session ends (RFC 9700 4.14.2).
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from audit.actions import Action
from audit.trail import Transaction
from console.auth import texts, tokens
from console.auth.people import Asked, People
from console.auth.refusals import Unproven
from domain.people import Session, SessionKind, User
from store import people as rows
from store.database import Connection
from store.people import Live

_SELDOM = timedelta(seconds=30)  # how exact it is known when a session was used last
_REMEMBERED = timedelta(days=1)  # for which the row of a session stays that is over


@dataclass(frozen=True)
class Opened:
    """A new session with what proves it. `secret`: the cookie, or the refresh token; `csrf` of a browser alone."""

    session: Session
    user: User
    secret: str
    csrf: str = ""


def begin(people: People, transaction: Transaction, user: User, kind: SessionKind) -> Opened:
    """A session of `user` from now on."""
    now = people.now
    session = Session(uuid4(), user.id, kind, now, now, people.after(people.settings.longest))
    is_browser = kind is SessionKind.BROWSER
    secret = texts.fresh() if is_browser else texts.fresh_refresh(session.id)
    csrf = texts.fresh() if is_browser else ""
    rows.forget_sessions(transaction.connection, now - _REMEMBERED)
    rows.add_session(transaction.connection, session, texts.digest(secret), texts.digest(csrf) if is_browser else None)
    return Opened(session, user, secret, csrf)


def of_cookie(people: People, cookie: str) -> Live:
    """The session that a browser's cookie proves; raises Unproven."""
    with people.ledger.database.transaction() as connection:
        live = rows.session_by_secret(connection, texts.digest(cookie))
        if live is None or live.session.kind is not SessionKind.BROWSER:
            raise Unproven("the cookie is of no session")
        return _used(people, connection, live)


def of_token(people: People, token: str) -> Live:
    """The session that an access token proves; raises Unproven."""
    claims = tokens.read(people.keys, token)
    with people.ledger.database.transaction() as connection:
        live = rows.session_by_id(connection, claims.session)
        if live is None or live.user.id != claims.user:
            raise Unproven("the token is of no session")
        return _used(people, connection, live)


def access_token(people: People, live: Opened | Live) -> str:
    """A fresh one."""
    claims = tokens.Claims(live.user.id, live.session.id)
    return tokens.issue(people.keys, claims, people.now, people.settings.token)


def refresh(people: People, refresh_token: str, asked: Asked) -> Opened:
    """The session goes on with another refresh token; raises Unproven, and ends the session where one comes twice."""
    session = texts.session_of(refresh_token)
    if session is None:
        raise Unproven("what came is no refresh token")
    shown = texts.digest(refresh_token)
    with people.transaction() as transaction:
        live = rows.session_by_id(transaction.connection, session, lock=True)
        if live is None or live.session.kind is not SessionKind.PROGRAM:
            raise Unproven("the refresh token is of no session")
        if not hmac.compare_digest(shown, live.secret):
            if shown not in live.spent:
                raise Unproven("the refresh token is not of its session")
            _end(people, transaction, live, asked, "a refresh token came twice")
            opened = None
        else:
            _judge(people, live)
            fresh = texts.fresh_refresh(session)
            rows.rotate(transaction.connection, session, texts.digest(fresh), people.now)
            opened = Opened(live.session, live.user, fresh)
    if opened is None:
        raise Unproven("the refresh token came twice", live.user.name, str(session))
    return opened


def log_out(people: People, live: Live, asked: Asked) -> None:
    """The session is over, and so is each token of it."""
    with people.transaction() as transaction:
        if rows.end_sessions(transaction.connection, people.now, "logged out", session=live.session.id):
            transaction.record(
                Action.LOGGED_OUT, None, user=live.user.name, **asked.details, login=str(live.session.id)
            )


def _end(people: People, transaction: Transaction, live: Live, asked: Asked, why: str) -> None:
    if rows.end_sessions(transaction.connection, people.now, why, session=live.session.id):
        said = {"user": live.user.name, **asked.details, "login": str(live.session.id), "reason": why}
        transaction.record(Action.LOGIN_ENDED, None, **said)


def _used(people: People, connection: Connection, live: Live) -> Live:
    _judge(people, live)
    if people.now - live.session.used_at >= _SELDOM:
        rows.use_session(connection, live.session.id, people.now)
    return live


def _judge(people: People, live: Live) -> None:
    now, session = people.now, live.session
    if session.ended_at is not None:
        why = f"its session has ended: {session.ended_for}"
    elif now >= session.until:
        why = "its session is older than a session may be"
    elif now - session.used_at >= timedelta(seconds=people.settings.idle):
        why = "its session was idle for too long"
    elif live.user.disabled_at is not None:
        why = "its user is disabled"
    else:
        return
    raise Unproven(why, live.user.name, str(session.id))
