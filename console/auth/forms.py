"""Two pages without a script, for whoever has a browser and nothing else: log in, set a password by a one-time token.

They look like nothing but themselves: what people work with is the console's own.
"""

from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from console.auth import cookies, csrf, sign_in
from console.auth.door import PeoplesDoor, asked_by
from console.auth.people import People
from console.auth.places import HOME, own_path
from console.auth.provider import Provider
from console.auth.refusals import LockedOut, NotLetIn, NotLoggedIn, Unacceptable
from domain.people import SessionKind

_REFUSALS = (LockedOut, NotLetIn, NotLoggedIn, Unacceptable)
_SEE_OTHER = 303
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<main><h1>{title}</h1>{said}{form}</main></html>
"""
_LOG_IN = """<form method="post" action="/auth/form/login"><input type="hidden" name="next" value="{next}">
<p><label>User <input name="name" autocomplete="username" required autofocus></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button></form>"""
_PROVIDER = '<p><a href="/auth/oidc/start?next={next}">Log in at {issuer}</a>'
_SET = """<form method="post" action="/auth/form/password">
<p><label>One-time token <input name="token" value="{token}" autocomplete="off" required></label>
<p><label>Password, {shortest} characters or more
<input name="password" type="password" autocomplete="new-password" minlength="{shortest}" required></label>
<p><button>Set the password</button></form>"""


def add(router: APIRouter, people: People, door: PeoplesDoor, provider: Provider | None) -> None:
    """Add the pages, and what their forms send; errors are told on the page."""
    _log_in(router, people, provider)
    _set_password(router, people, door)


def _log_in(router: APIRouter, people: People, provider: Provider | None) -> None:
    @router.get("/login", response_class=HTMLResponse, include_in_schema=False)
    def page(next: str = HOME) -> Response:  # noqa: A002 - as it is called in addresses
        return _log_in_page(people, provider, own_path(next))

    @router.post("/form/login", include_in_schema=False)
    def log_in(
        request: Request,
        name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = HOME,  # noqa: A002 - as above
    ) -> Response:
        try:
            refuse_foreign(request, people)
            opened = sign_in.by_password(people, name, password, SessionKind.BROWSER, asked_by(request))
        except _REFUSALS as error:
            return _log_in_page(people, provider, own_path(next), error.sentence)
        answer = RedirectResponse(own_path(next), _SEE_OTHER)
        cookies.give(people, answer, opened)
        return answer


def _set_password(router: APIRouter, people: People, door: PeoplesDoor) -> None:
    @router.get("/password", response_class=HTMLResponse, include_in_schema=False)
    def page(token: str = "") -> Response:
        return _password_page(people, token)

    @router.post("/form/password", include_in_schema=False)
    def set_password(
        request: Request, token: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
    ) -> Response:
        try:
            refuse_foreign(request, people)
            door.set_password(token.strip(), password, request)
        except _REFUSALS as error:
            return _password_page(people, token, error.sentence)
        return RedirectResponse("/auth/login", _SEE_OTHER)


def _log_in_page(people: People, provider: Provider | None, after: str, said: str = "") -> Response:
    ways = [_LOG_IN.format(next=escape(after))] if people.settings.local else []
    if provider is not None:
        ways.append(_PROVIDER.format(next=quote(after, safe="/"), issuer=escape(provider.issuer)))
    return _page("Log in", "".join(ways), said)


def _password_page(people: People, token: str, said: str = "") -> Response:
    form = _SET.format(token=escape(token), shortest=people.settings.shortest_password)
    return _page("Set a password", form, said)


def _page(title: str, form: str, said: str) -> Response:
    told = f'<p role="alert">{escape(said)}' if said else ""
    return HTMLResponse(_PAGE.format(title=title, said=told, form=form), 400 if said else 200)


def refuse_foreign(request: Request, people: People) -> None:
    """Nobody is logged in, or given a password, by another site's page."""
    if reason := csrf.foreign(request.headers, people.origin):
        raise NotLetIn(f"{reason}: log in on a page of this node")
