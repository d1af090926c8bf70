"""The hospital's own provider (OpenID Connect): found by discovery, asked by the code flow with PKCE (RFC 7636).

Nothing is asked of it before somebody logs in; what it says of itself holds for an hour, and its keys until a token
names one that is not among them.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.discovery import OpenIDProviderMetadata

from config.access import AccessSettings
from console.auth import id_tokens
from console.auth.id_tokens import ASYMMETRIC, Expected, UnknownKey
from console.auth.refusals import ProviderAway, Unproven
from console.auth.sign_in import Provided

_WELL_KNOWN = "/.well-known/openid-configuration"
_TIMEOUT = 10.0  # s
_LARGEST = 1 << 20  # bytes of an answer
_HOLDS = 3600.0  # s
_SELDOM = 30.0  # s between two looks for keys, whatever tokens name: strangers shall not make the node ask
_AWAY = 5.0  # s for which one that does not answer is not asked again, and for which others wait for whoever asks it
_AT_ONCE = 3  # log-ins that wait for it at once: whoever else asks something of the node has the other threads
_VERIFIER = 48  # bytes; 64 letters, where RFC 7636 4.1 has 43 to 128


@dataclass(frozen=True)
class Flow:
    """What one log-in has to come back with."""

    state: str
    nonce: str
    verifier: str


class Provider:
    """One provider, with what is known of it."""

    def __init__(self, settings: AccessSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._told: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, Sequence[Mapping[str, Any]]] | None = None
        self._away: tuple[float, str] | None = None

    @property
    def issuer(self) -> str:
        """Whom it calls itself."""
        return self._settings.issuer or ""

    def start(self, callback: str) -> tuple[str, Flow]:
        """Where the browser is sent, and what it has to come back with; raises ProviderAway."""
        with self._place():
            return self._start(callback)

    def _start(self, callback: str) -> tuple[str, Flow]:
        flow = Flow(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(_VERIFIER))
        asked = {"nonce": flow.nonce, **({"acr_values": self._settings.acr} if self._settings.acr else {})}
        with self._client(callback) as client:
            url, _ = client.create_authorization_url(
                self._about("authorization_endpoint"), state=flow.state, code_verifier=flow.verifier, **asked
            )
        return str(url), flow

    def finish(self, flow: Flow, callback: str, code: str) -> Provided:
        """Who has logged in; raises Unproven where that is not proven, ProviderAway where it does not answer."""
        with self._place():
            return self._finish(flow, callback, code)

    def _finish(self, flow: Flow, callback: str, code: str) -> Provided:
        try:
            with self._client(callback) as client:
                answer = client.fetch_token(
                    self._about("token_endpoint"),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=flow.verifier,
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                )
        except AuthlibBaseError as error:
            raise Unproven("the provider did not take the code") from error
        except (requests.RequestException, ValueError) as error:
            raise _away(error) from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Unproven("the provider's answer has no ID token")
        return self._provided(self._read(token, flow.nonce))

    def end(self, back: str) -> str:
        """Where a browser is sent so that the provider's own session ends as well; "" where it has no such place."""
        with suppress(ProviderAway):
            if place := self._metadata().get("end_session_endpoint"):
                said = {"client_id": self._settings.client_id, "post_logout_redirect_uri": back}
                return f"{self._safe(str(place))}?{urlencode(said)}"
        return ""

    def _provided(self, claims: Mapping[str, Any]) -> Provided:
        name = id_tokens.claim(claims, self._settings.name_claim)
        if not isinstance(name, str):
            raise Unproven(f"the ID token has no name (access.name_claim: {self._settings.name_claim})")
        groups = id_tokens.names(id_tokens.claim(claims, self._settings.roles_claim))
        where = self._settings.departments_claim
        departments = id_tokens.names(id_tokens.claim(claims, where)) if where else frozenset()
        return Provided(self.issuer, str(claims["sub"]), name, groups, departments)

    def _read(self, token: str, nonce: str) -> Mapping[str, Any]:
        expected = Expected(self.issuer, self._settings.client_id, nonce, self._settings.acr)
        told = self._metadata().get("id_token_signing_alg_values_supported") or ["RS256"]
        algorithms = ASYMMETRIC & frozenset(map(str, told))
        try:
            return id_tokens.read(token, self._key_set(anew=False), algorithms, expected)
        except UnknownKey:
            return id_tokens.read(token, self._key_set(anew=True), algorithms, expected)

    def _client(self, callback: str) -> OAuth2Session:
        secret = self._settings.client_secret
        client = OAuth2Session(
            self._settings.client_id,
            secret.get_secret_value() if secret else None,
            token_endpoint_auth_method=self._method() if secret else "none",
            scope=" ".join(self._settings.scopes),
            redirect_uri=callback,
            code_challenge_method="S256",
        )
        client.trust_env = False
        client.verify = self._authority
        return client

    def _method(self) -> str:
        """How the node proves itself: as HTTP does, unless the provider knows another way alone."""
        told = self._metadata().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return "client_secret_basic" if "client_secret_basic" in told else "client_secret_post"

    def _about(self, name: str) -> str:
        place = self._metadata().get(name)
        if not isinstance(place, str):
            raise ProviderAway(f"the provider {self.issuer} does not say its {name}")
        return self._safe(place)

    def _safe(self, place: str) -> str:
        if not is_safe(place):
            raise ProviderAway(f"the provider {self.issuer} names a place without TLS, and nothing is sent there")
        return place

    def _metadata(self) -> Mapping[str, Any]:
        with self._alone():
            if self._told is None or self._monotonic() - self._told[0] > _HOLDS:
                told = self._get(self.issuer.rstrip("/") + _WELL_KNOWN)
                if told.get("issuer") != self.issuer:
                    raise ProviderAway(
                        f"what answers at {self.issuer} is called otherwise (issuer): write access.issuer as it says"
                    )
                try:
                    OpenIDProviderMetadata(told).validate()
                except ValueError as error:
                    raise ProviderAway(f"what the provider says of itself is not sound: {error}") from error
                self._told = (self._monotonic(), told)
            return self._told[1]

    def _key_set(self, *, anew: bool) -> Sequence[Mapping[str, Any]]:
        place = self._about("jwks_uri")
        with self._alone():
            age = self._monotonic() - self._keys[0] if self._keys else None
            if self._keys is None or age is None or age > _HOLDS or (anew and age > _SELDOM):
                found = self._get(place).get("keys")
                keys = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
                self._keys = (self._monotonic(), keys)
                return keys
            return self._keys[1]

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of a few that wait for it: strangers shall not take all threads where it hangs."""
        if not self._places.acquire(blocking=False):
            raise ProviderAway(f"as many as may wait for the provider {self.issuer} already: try again in a moment")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One asks at a time, and nobody one that was away a moment ago: strangers shall not keep threads waiting."""
        if not self._lock.acquire(timeout=_AWAY):
            raise ProviderAway(f"the provider {self.issuer} is being asked and does not answer")
        try:
            if self._away and self._monotonic() - self._away[0] < _AWAY:
                raise ProviderAway(self._away[1])
            try:
                yield
            except ProviderAway as error:
                self._away = self._monotonic(), error.sentence
                raise
            self._away = None
        finally:
            self._lock.release()

    def _get(self, place: str) -> Mapping[str, Any]:
        """A document of the provider's; raises ProviderAway."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                asked = session.get(
                    self._safe(place), timeout=_TIMEOUT, verify=self._authority, allow_redirects=False, stream=True
                )
                with asked as answer:
                    answer.raise_for_status()
                    body = answer.raw.read(_LARGEST + 1, decode_content=True)
            if len(body) > _LARGEST or answer.is_redirect:
                raise ProviderAway(f"the provider {self.issuer} does not answer as the standard says")
            found = json.loads(body)
        except (requests.RequestException, ValueError, OSError) as error:
            raise _away(error) from error
        return found if isinstance(found, dict) else {}

    @property
    def _authority(self) -> str | bool:
        return str(self._settings.ca) if self._settings.ca else True


def is_safe(place: str) -> bool:
    """Whether secrets may go there: by TLS, or not off this machine."""
    parts = urlsplit(place)
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


def _away(error: Exception) -> ProviderAway:
    return ProviderAway(f"the provider does not answer: {type(error).__name__}")
