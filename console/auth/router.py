"""What people and programs ask at /auth: log in, go on, log out, who am I, set a password, by the provider and back."""

import hmac
from dataclasses import dataclass
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from console.auth import cookies, forms, sessions, sign_in, tokens
from console.auth.door import PeoplesDoor, asked_by
from console.auth.people import People
from console.auth.places import HOME, own_path
from console.auth.provider import Flow, Provider
from console.auth.refusals import NotLetIn, NotLoggedIn, Unproven
from console.auth.sessions import Opened
from domain.people import SessionKind
from domain.permissions import Principal

_CALLBACK = "/auth/oidc/callback"


@dataclass(frozen=True)
class LogIn:
    """A local user and their password; `kind` says whether cookies are wanted, or tokens."""

    name: str
    password: str
    kind: SessionKind = SessionKind.BROWSER


@dataclass(frozen=True)
class Refresh:
    """The refresh token that counts."""

    refresh_token: str


@dataclass(frozen=True)
class NewPassword:
    """A one-time token, and the password that its user wants."""

    token: str
    password: str


@dataclass(frozen=True)
class Tokens:
    """What a program goes on with (RFC 6749 5.1); `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"


@dataclass(frozen=True)
class Me:
    """Who asks, and what they may do; `until` is when the session is over at the latest, "" of a key."""

    name: str
    roles: list[str]
    permissions: list[str]
    destinations: list[str]
    departments: list[str]
    until: str = ""


@dataclass(frozen=True)
class Ways:
    """How people may log in here: by a password, and at which provider ("" at none)."""

    password: bool
    provider: str


def auth_router(people: People, door: PeoplesDoor, provider: Provider | None) -> APIRouter:
    """The routes below /auth. They answer before anybody is known, and so tell nothing of anybody."""
    router = APIRouter(prefix="/auth", tags=["log-in"])
    _local(router, people, door)
    _going_on(router, people, door, provider)
    _by_provider(router, people, door, provider)
    forms.add(router, people, door, provider)
    return router


def _local(router: APIRouter, people: People, door: PeoplesDoor) -> None:
    @router.post("/login", response_model=None)
    def log_in(request: Request, given: LogIn) -> Response | Tokens:
        """Log in by a password: cookies for a browser, tokens for a program."""
        forms.refuse_foreign(request, people)
        opened = sign_in.by_password(people, given.name, given.password, given.kind, asked_by(request))
        if given.kind is SessionKind.PROGRAM:
            return _tokens(people, opened)
        return _with_cookies(people, opened, JSONResponse(_as_json(_me(opened.user.principal, opened))))

    @router.post("/password", status_code=204)
    def set_password(request: Request, given: NewPassword) -> None:
        """Set a password by a one-time token; then log in."""
        forms.refuse_foreign(request, people)
        door.set_password(given.token, given.password, request)


def _going_on(router: APIRouter, people: People, door: PeoplesDoor, provider: Provider | None) -> None:
    @router.get("/ways")
    def ways() -> Ways:
        """How people may log in here."""
        return Ways(people.settings.local, provider.issuer if provider else "")

    @router.post("/refresh")
    def refresh(request: Request, given: Refresh) -> Tokens:
        """Another access token, and the refresh token that counts from now on."""
        asked = asked_by(request)
        try:
            return _tokens(people, sessions.refresh(people, given.refresh_token, asked))
        except Unproven as error:
            door.refuse(error, asked)
            raise NotLoggedIn("this refresh token does not count: log in again") from error

    @router.get("/me")
    def me(request: Request) -> Me:
        """Who asks, and what they may do."""
        proof = door.proof(request)
        return _me(proof.principal, proof.live)

    @router.post("/logout")
    def log_out(request: Request) -> JSONResponse:
        """End the session; `provider` is where a browser goes to end the provider's own as well."""
        proof = door.proof(request)
        if proof.live is None:
            raise NotLetIn("a key has no session: dicom-node keys revoke ends it")
        sessions.log_out(people, proof.live, asked_by(request))
        by_provider = provider is not None and proof.live.user.source == provider.issuer
        answer = JSONResponse({"provider": provider.end(people.origin) if provider and by_provider else ""})
        cookies.take(people, answer)
        return answer


def _by_provider(router: APIRouter, people: People, door: PeoplesDoor, provider: Provider | None) -> None:
    @router.get("/oidc/start", status_code=302, response_class=RedirectResponse)
    def start(next: str = HOME) -> Response:  # noqa: A002 - as it is called in addresses
        """To the provider; `next` is the path here to which the browser comes back."""
        place, flow = _needed(provider).start(people.origin + _CALLBACK)
        answer = RedirectResponse(place, 302)
        said = {**vars(flow), "next": own_path(next)}
        cookies.give_flow(people, answer, tokens.seal(people.keys, said, people.now, cookies.FLOW_HOLDS))
        return answer

    @router.get("/oidc/callback", response_class=HTMLResponse)
    def come_back(request: Request, state: str = "", code: str = "", iss: str = "", error: str = "") -> Response:
        """From the provider, with a code that proves who has logged in there."""
        asked, known = asked_by(request), _needed(provider)
        try:
            flow, after = _flow(request, people, state)
            if iss and iss != known.issuer:
                raise Unproven("the browser came back from another provider (RFC 9207)")
            if error or not code:
                raise Unproven("the provider let nobody in")
            said = known.finish(flow, people.origin + _CALLBACK, code)
        except Unproven as unproven:
            door.refuse(unproven, asked)
            raise NotLoggedIn("the log-in at the provider did not end well: GET /auth/oidc/start") from unproven
        opened = sign_in.by_provider(people, said, SessionKind.BROWSER, asked)
        answer = _with_cookies(people, opened, HTMLResponse(_ONWARD.format(escape(after))))
        cookies.take_flow(people, answer)
        return answer


def _needed(provider: Provider | None) -> Provider:
    if provider is None:
        raise NotLetIn("this node has no provider: users log in by a password, POST /auth/login")
    return provider


# The browser came from another site, so that cookies of ours that are strict would not go along on a redirect: a page
# of our own sends it on.
_ONWARD = (
    '<!doctype html><html lang="en"><title>dicom-node</title>'
    '<meta http-equiv="refresh" content="0; url={0}"><a href="{0}">You are logged in.</a>'
)


def _flow(request: Request, people: People, state: str) -> tuple[Flow, str]:
    sealed = request.cookies.get(cookies.flow_name(people), "")
    if not sealed:
        raise Unproven("the browser came back without having been sent")
    said = tokens.unseal(people.keys, sealed)
    flow = Flow(said.get("state", ""), said.get("nonce", ""), said.get("verifier", ""))
    if not flow.state or not hmac.compare_digest(flow.state.encode(), state.encode()):
        raise Unproven("the browser came back from another log-in (state)")
    return flow, own_path(said.get("next", ""))


def _tokens(people: People, opened: Opened) -> Tokens:
    return Tokens(sessions.access_token(people, opened), opened.secret, int(people.settings.token))


def _with_cookies(people: People, opened: Opened, answer: Response) -> Response:
    cookies.give(people, answer, opened)
    return answer


def _me(principal: Principal, live: Any) -> Me:
    return Me(
        principal.name,
        sorted(principal.roles),
        sorted(principal.permissions),
        sorted(principal.destinations),
        sorted(principal.departments),
        live.session.until.isoformat(timespec="seconds") if live else "",
    )


def _as_json(me: Me) -> dict[str, object]:
    return vars(me)
