"""Settings of who is let in: half of a provider, one without TLS, and times that rule each other out are named."""

from typing import Any

import pytest

from config.loading import load_settings
from domain.errors import ConfigurationError

GRANT = {"value": "readers", "role": "radiologist"}
SOUND = {"issuer": "https://login.example/realms/x", "client_id": "node", "grants": [GRANT]}


def refusal(**access: Any) -> str:
    console = access.pop("console", {})
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {"access": access, "console": console})
    return str(caught.value)


def test_what_is_sound_is_taken() -> None:
    access = load_settings(None, {"access": SOUND}).access
    assert access.grants[0].role == "radiologist"
    load_settings(None, {"access": {**SOUND, "issuer": "http://127.0.0.1:8080/realms/x"}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"local": False}, "nobody could log in"),
        ({"grants": [GRANT]}, "give access.issuer"),
        ({**SOUND, "client_id": ""}, "give access.client_id"),
        ({**SOUND, "grants": []}, "has a role here"),
        ({**SOUND, "issuer": "http://login.example"}, "without TLS: write https://"),
        (
            {**SOUND, "issuer": f"{SOUND['issuer']}/.well-known/openid-configuration"},
            "write https://login.example/realms/x",
        ),
        (
            {"console": {"public_url": "http://node.example", "proxies": ["10.0.0.1"]}},
            "console.public_url (http://node.example) is asked without TLS",
        ),
        ({**SOUND, "scopes": ["profile"]}, "lacks openid"),
        ({**SOUND, "grants": [{**GRANT, "role": "king"}]}, "radiologist"),
        ({"idle": 7200.0, "longest": 3600.0}, "access.idle (7200) is longer than access.longest (3600)"),
        ({"idle": 60.0, "token": 300.0}, "access.token (300) is longer than access.idle (60)"),
        (
            {**SOUND, "console": {"host": "0.0.0.0", "proxies": ["10.0.0.1"]}},
            "give console.public_url, the address to which the provider sends browsers back",
        ),
    ],
)
def test_what_cannot_be_is_named_with_what_would_do(given: dict[str, Any], said: str) -> None:
    assert said in refusal(**given)
