"""A provider of OpenID Connect that a test makes lie: what it says of itself, its keys and tokens are the test's."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.http_serving import served

CLIENT = "dicom-node"
Claims = dict[str, Any]


@dataclass
class LyingProvider:
    """`told` replaces words of its own about itself; `lie` changes the claims of the next ID token.

    `keys` are all that it has ever signed by, of which it tells the newest alone; `asked` is what came, in order.
    """

    issuer: str = ""
    told: dict[str, object] = field(default_factory=dict)
    lie: Callable[[Claims], Claims] | None = None
    keys: list[rsa.RSAPrivateKey] = field(default_factory=lambda: [_key()])
    nonce: str = ""
    asked: list[str] = field(default_factory=list)
    status: int = 200

    def renew_keys(self) -> None:
        """Sign by another key from now on."""
        self.keys.append(_key())

    def answer(self, path: str, body: str) -> object:
        """What it says to a request."""
        self.asked.append(path)
        if path.endswith("/openid-configuration"):
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
                **self.told,
            }
        if path == "/keys":
            key = jwt.get_algorithm_by_name("RS256").to_jwk(self.keys[-1].public_key(), as_dict=True)
            return {"keys": [{**key, "kid": str(len(self.keys)), "alg": "RS256", "use": "sig"}]}
        assert "code_verifier" in parse_qs(body)
        return {"access_token": "x", "token_type": "Bearer", "id_token": self._token()}

    def _token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "7", "nonce": self.nonce, "iat": now, "exp": now + 60}
        claims |= {"preferred_username": "carol", "groups": ["readers"]}
        return jwt.encode(
            self.lie(claims) if self.lie else claims, self.keys[-1], "RS256", headers={"kid": str(len(self.keys))}
        )


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@contextmanager
def lying_provider() -> Iterator[LyingProvider]:
    """One on a free port."""
    provider = LyingProvider()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _answer(self, body: str) -> None:
            said = json.dumps(provider.answer(self.path, body)).encode()
            self.send_response(provider.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    with served(Answering) as address:
        provider.issuer = address
        yield provider
