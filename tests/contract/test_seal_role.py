"""The role seal on a real database: it signs while others write, gives what it signed away, and refuses aloud."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.actions import Action
from audit.outside import claims_in
from audit.trail import rows
from config.settings import Settings
from roles.health import Health
from roles.process import Context
from roles.seal import seal
from store.objects import DirectoryStore
from tests.support.processes import wait_for
from tests.support.servers import Postgres
from tests.support.signed_trails import SignedTrail


@pytest.fixture
def trail(postgres: Postgres, tmp_path: Path) -> Iterator[SignedTrail]:
    made = SignedTrail(postgres, tmp_path / "data" / "seal")
    yield made
    made.close()


@contextmanager
def living(trail: SignedTrail, data: Path, **audit: object) -> Iterator[Health]:
    settings = Settings.model_validate({"data": data, "audit": {"every": 0.05, **audit}})
    stop, health = threading.Event(), Health()
    context = Context(settings, DirectoryStore(data), stop, health, trail=trail.signing)
    role = threading.Thread(target=seal, args=(context,), daemon=True)
    role.start()
    try:
        yield health
    finally:
        stop.set()
        role.join(60)
    assert not role.is_alive()


def size(trail: SignedTrail) -> int:
    return len(list(rows(trail.auditor)))


def test_what_is_written_is_signed_and_given_away_and_a_stop_leaves_nothing_unsigned(
    trail: SignedTrail, tmp_path: Path
) -> None:
    data, vault = tmp_path / "data", tmp_path / "vault.jsonl"
    places = [
        {"name": "vault", "kind": "file", "file": vault, "every": 0.05},
        {"name": "away", "kind": "file", "file": tmp_path / "nowhere" / "file", "every": 0.05},
    ]
    with living(trail, data, witnesses=places) as health:
        trail.grow(700)
        wait_for(vault.exists, 60, "a checkpoint in the vault")
        trail.grow(3)
        wait_for(lambda: _agreed(trail, vault) >= 704, 60, "the newest checkpoint in the vault")
        assert health.report().ready, health.report().waiting_for
    verdict = trail.verified(list(claims_in(vault.read_text(), "vault")))
    assert (verdict.intact, verdict.newest) == (True, size(trail))
    assert sum(f'"action":"{Action.WITNESS_AWAY}"' in row.entry for row in rows(trail.auditor)) == 1


def test_on_a_trail_that_was_altered_the_role_waits_says_why_and_signs_nothing(
    trail: SignedTrail, tmp_path: Path
) -> None:
    trail.sealed(20)
    signed = trail.newest().number
    trail.rewrite(7, "CT6", "CT9")
    with living(trail, tmp_path / "data") as health:
        wait_for(lambda: any("not those of checkpoint" in why for why in health.report().waiting_for), 60, "a refusal")
        assert not health.report().ready
    assert trail.newest().number == signed
    assert sum(f'"action":"{Action.NOT_SEALED}"' in row.entry for row in rows(trail.auditor)) == 1


def _agreed(trail: SignedTrail, vault: Path) -> int:
    verdict = trail.verified(list(claims_in(vault.read_text(), "vault")))
    assert verdict.intact
    last = list(claims_in(vault.read_text(), "vault"))[-1]
    return int(last.note.split("\n")[1])
