"""Whom the API takes whoever asks for, behind a proxy and past it."""

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from console.api.proxied import Proxied


async def _who(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    assert request.client is not None
    await PlainTextResponse(f"{request.url.scheme} {request.client.host}")(scope, receive, send)


def asked(peer: str, base: str = "http", **fields: str) -> tuple[int, str]:
    client = TestClient(Proxied(_who, ["10.0.0.1", "10.9.0.0/16"]), base_url=f"{base}://node", client=(peer, 1))
    answer = client.get("/", headers={name.replace("_", "-"): value for name, value in fields.items()})
    return answer.status_code, answer.text


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.9.3.4"])
def test_what_a_proxy_says_of_whoever_asks_is_believed(peer: str) -> None:
    said = asked(peer, X_Forwarded_For="10.0.0.1, 192.0.2.7", X_Forwarded_Proto="https")
    assert said == (200, "https 192.0.2.7")


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.2", "testclient"])
def test_who_comes_past_the_proxy_in_clear_is_refused_whatever_they_say(peer: str) -> None:
    status, said = asked(peer, X_Forwarded_For="127.0.0.1", X_Forwarded_Proto="https")
    assert status == 403
    assert "console.public_url" in said


def test_who_comes_past_the_proxy_by_tls_or_on_this_machine_is_who_they_are() -> None:
    assert asked("192.0.2.7", "https", X_Forwarded_For="10.0.0.9") == (200, "https 192.0.2.7")
    assert asked("127.0.0.1", X_Forwarded_For="10.0.0.9") == (200, "http 127.0.0.1")


@pytest.mark.parametrize("said", ["Doe^Jane", "<script>", "10.0.0.300", " "])
def test_what_is_no_address_is_none(said: str) -> None:
    assert asked("10.0.0.1", X_Forwarded_For=said) == (200, "http 10.0.0.1")
