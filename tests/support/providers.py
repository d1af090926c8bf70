"""Providers of OpenID Connect that people log in at, each with a user alice, who has the group readers, and a bob.

`oidc-provider` is small and starts at once; Keycloak is what hospitals have.
"""

import contextlib
import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

from tests.support import counterparts
from tests.support.processes import free_port
from tests.support.servers import JAVA, Server

CLIENT, SECRET = "dicom-node", "0123456789abcdef0123456789abcdef"
GROUPS: dict[str, Sequence[str]] = {"alice": ("readers",), "bob": ()}
_PASSWORD = "a password of the provider's"
_REALM = "hospital"


class IdentityProvider(Server):
    """A provider. `redirect` is where it sends browsers back to."""

    #: Where the groups stand in its ID tokens.
    roles_claim = "groups"

    def __init__(self, folder: Path, redirect: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.redirect = redirect

    @property
    def issuer(self) -> str:
        """What it calls itself."""
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.issuer}/.well-known/openid-configuration", timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            return False

    def log_in(self, page: Page, name: str) -> None:
        """What somebody does on its pages, until these send the browser back."""
        raise NotImplementedError


class OidcProvider(IdentityProvider):
    """oidc-provider, in memory: its keys are others after each start."""

    def command(self) -> list[str]:
        script = Path(__file__).parent / "oidc" / "provider.mjs"
        words = (counterparts.oidc_modules(), self.port, CLIENT, SECRET, self.redirect, json.dumps(GROUPS))
        return [counterparts.require("node"), str(script), *map(str, words)]

    def log_in(self, page: Page, name: str) -> None:
        page.fill('input[name="login"]', name)
        page.fill('input[name="password"]', _PASSWORD)
        page.click('button[type="submit"]')
        page.click('button[type="submit"]')  # what the node is told may be told


class Keycloak(IdentityProvider):
    """Keycloak, in memory, with a realm of its own."""

    roles_claim = "realm_access.roles"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realms/{_REALM}"

    def command(self) -> list[str]:
        home = self.folder / "keycloak"
        if not home.exists():
            shutil.copytree(counterparts.keycloak_home(), home)
            (home / "data" / "import").mkdir(parents=True)
            (home / "data" / "import" / "realm.json").write_text(json.dumps(self._realm()))
        os.environ["JAVA_OPTS"] = " ".join((*JAVA, "-Xmx384m"))
        given = (f"--http-port={self.port}", "--http-host=127.0.0.1", "--db=dev-mem", "--import-realm")
        return [str(home / "bin" / "kc.sh"), "start-dev", *given]

    def kill(self) -> None:
        """The script that starts it, and what it has started: Java is its child."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        super().kill()

    def log_in(self, page: Page, name: str) -> None:
        page.fill("#username", name)
        page.fill("#password", _PASSWORD)
        page.click("#kc-login")

    def _realm(self) -> dict[str, object]:
        client = {
            "clientId": CLIENT,
            "secret": SECRET,
            "redirectUris": [self.redirect],
            "standardFlowEnabled": True,
            "directAccessGrantsEnabled": False,
            "attributes": {"pkce.code.challenge.method": "S256"},
            "protocolMappers": [
                {
                    "name": "roles",
                    "protocol": "openid-connect",
                    "protocolMapper": "oidc-usermodel-realm-role-mapper",
                    "config": {
                        "claim.name": self.roles_claim,
                        "jsonType.label": "String",
                        "multivalued": "true",
                        "id.token.claim": "true",
                    },
                }
            ],
        }
        return {
            "realm": _REALM,
            "enabled": True,
            "sslRequired": "none",
            "roles": {"realm": [{"name": one} for one in GROUPS["alice"]]},
            "clients": [client],
            "users": [_user(name, groups) for name, groups in GROUPS.items()],
        }


def _user(name: str, groups: Sequence[str]) -> dict[str, object]:
    return {
        "username": name,
        "enabled": True,
        "email": f"{name}@hospital.example",
        "firstName": name,
        "lastName": "Example",
        "credentials": [{"type": "password", "value": _PASSWORD, "temporary": False}],
        "realmRoles": [*groups],
    }
