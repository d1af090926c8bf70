"""Access tokens of the node's own: what proves somebody and what does not; keys, and the order in which they go."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from console.auth import signing, texts, tokens
from console.auth.refusals import Unproven
from console.auth.signing import Keyring
from console.auth.tokens import Claims
from domain.errors import ConfigurationError

HOUR = 3600.0
CLAIMS = Claims(uuid4(), uuid4())


def now() -> datetime:
    return datetime.now(UTC)


def test_a_token_names_its_user_and_session_until_it_expires(tmp_path: Path) -> None:
    keys = signing.make(tmp_path)
    assert tokens.read(keys, tokens.issue(keys, CLAIMS, now(), HOUR)) == CLAIMS
    with pytest.raises(Unproven, match="expired"):
        tokens.read(keys, tokens.issue(keys, CLAIMS, now() - timedelta(hours=2), HOUR))


def test_what_a_browser_keeps_at_the_provider_is_no_access_token_and_the_other_way_round(tmp_path: Path) -> None:
    keys = signing.make(tmp_path)
    sealed = tokens.seal(keys, {"state": "a"}, now(), HOUR)
    assert tokens.unseal(keys, sealed) == {"state": "a"}
    with pytest.raises(Unproven, match="another kind"):
        tokens.read(keys, sealed)
    with pytest.raises(Unproven, match="another kind"):
        tokens.unseal(keys, tokens.issue(keys, CLAIMS, now(), HOUR))


def test_the_key_before_the_newest_proves_what_it_signed_and_the_one_before_that_nothing(tmp_path: Path) -> None:
    first = signing.make(tmp_path)
    token = tokens.issue(first, CLAIMS, now(), HOUR)
    assert tokens.read(signing.make(tmp_path), token) == CLAIMS
    with pytest.raises(Unproven, match="key that is not known"):
        tokens.read(signing.make(tmp_path), token)


def test_keys_are_their_owners_alone_and_a_ring_takes_a_new_one_without_a_restart(tmp_path: Path) -> None:
    ring = Keyring(tmp_path)
    with pytest.raises(ConfigurationError, match="has no key"):
        _ = ring.keys
    first = signing.make(tmp_path)
    assert ring.keys.name == first.name
    second = signing.make(tmp_path)
    assert ring.keys.name == second.name
    files = list((tmp_path / "access").iterdir())
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "access").stat().st_mode) == 0o700


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    signing.make(tmp_path)
    (tmp_path / "access" / "000001.pem").write_text("no key")
    with pytest.raises(ConfigurationError, match=r"000001\.pem is no private key"):
        signing.load(tmp_path)


def test_a_mark_is_of_the_key_and_the_word(tmp_path: Path) -> None:
    keys, other = signing.make(tmp_path / "a"), signing.make(tmp_path / "b")
    assert keys.mark(b"x") == keys.mark(b"x")
    assert len({keys.mark(b"x"), keys.mark(b"y"), other.mark(b"x")}) == 3


def test_a_refresh_token_names_its_session_and_nonsense_none() -> None:
    session = uuid4()
    assert texts.session_of(texts.fresh_refresh(session)) == session
    for nonsense in ("", "dnr_", "dnr_zz.x", texts.fresh(texts.KEY), "dnr_" + "a" * 999):
        assert texts.session_of(nonsense) is None
