"""Logging in at a real provider with a real browser: out, in, with which roles, and again once the provider's keys are
others. Keycloak where somebody has fetched it, oidc-provider everywhere."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from config.access import AccessSettings, Grant
from config.secret_urls import Hidden
from tests.support import counterparts
from tests.support.doors import DoorBench, open_door
from tests.support.processes import wait_for
from tests.support.providers import CLIENT, SECRET, IdentityProvider, Keycloak, OidcProvider

_READERS = Grant(value="readers", role="radiologist", destinations=("PACS",))


@contextmanager
def served(app: FastAPI, listening: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    wait_for(lambda: server.started, 30, "the door to open")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = counterparts.require("chromium")
    with sync_playwright() as playwright:
        # The sandbox needs rights that a container does not give.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def house(
    kind: type[IdentityProvider], tmp_path: Path, database_url: str, **settings: object
) -> Iterator[tuple[DoorBench, IdentityProvider, str]]:
    """A door, its provider and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        (tmp_path / "provider").mkdir()
        with kind(tmp_path / "provider", f"{origin}/auth/oidc/callback") as provider:
            access = AccessSettings(
                issuer=provider.issuer,
                client_id=CLIENT,
                client_secret=Hidden(SECRET),
                roles_claim=provider.roles_claim,
                grants=(_READERS,),
                local=False,
            )
            with open_door(tmp_path / "data", database_url, access, origin) as door, served(door.app, listening):
                yield door, provider, origin


def shown(page: Page) -> dict[str, object]:
    """What the door says at the end of the way: who has come in, or why nobody."""
    page.wait_for_url(lambda url: "/auth/me" in url or "/auth/oidc/callback" in url)
    page.wait_for_function("document.body.innerText.startsWith('{')")
    return dict(json.loads(page.inner_text("body")))


def come(browser: Browser, provider: IdentityProvider, origin: str, name: str) -> tuple[Page, dict[str, object]]:
    """Log in by a browser that nobody has used."""
    page = browser.new_context().new_page()
    page.goto(f"{origin}/auth/oidc/start?next=/auth/me")
    provider.log_in(page, name)
    return page, shown(page)


@pytest.mark.parametrize("kind", [OidcProvider, Keycloak])
def test_a_user_of_the_provider_comes_in_by_a_browser_with_what_their_groups_may_and_goes_out(
    browser: Browser, kind: type[IdentityProvider], tmp_path: Path, database_url: str
) -> None:
    with house(kind, tmp_path, database_url) as (door, provider, origin):
        page, me = come(browser, provider, origin, "alice")
        assert (me["name"], me["roles"], me["destinations"]) == ("alice", ["radiologist"], ["PACS"])
        csrf = {one["name"]: one for one in page.context.cookies()}
        assert csrf["dicom_node_session"]["httpOnly"]
        assert "dicom_node_session" not in page.evaluate("document.cookie")
        asks, token = page.context.request, {"X-CSRF-Token": csrf["dicom_node_csrf"]["value"]}
        assert asks.post(f"{origin}/change").status == 403
        assert asks.post(f"{origin}/change", headers=token).status == 200
        out = asks.post(f"{origin}/auth/logout", headers=token).json()["provider"]
        assert out.startswith(provider.issuer)
        page.goto(f"{origin}/auth/me")
        assert shown(page)["status"] == 401
        _, refused = come(browser, provider, origin, "bob")
        assert refused["status"] == 403
        assert [one["by"] for one in door.entries("user logged in")] == [provider.issuer]
        (entry,) = door.entries("log-in refused")
        assert (entry["user"], entry["issuer"]) == ("bob", provider.issuer)


def test_a_provider_whose_keys_are_others_is_believed_by_the_new_ones(
    browser: Browser, tmp_path: Path, database_url: str
) -> None:
    with house(OidcProvider, tmp_path, database_url) as (door, provider, origin):
        _, before = come(browser, provider, origin, "alice")
        provider.kill()
        provider.start()
        door.clock.elapsed += 31  # keys are not asked for at every token that names another
        _, after = come(browser, provider, origin, "alice")
        assert before["name"] == after["name"] == "alice"
        assert len(door.entries("user added")) == 1
