"""An outside place has what its kind needs, nothing that its kind does not use, and a name of its own."""

import pytest

from config.audit_faults import of_witnesses
from config.settings import Settings


def said(*places: dict[str, object]) -> list[str]:
    return [one.said for one in of_witnesses(Settings.model_validate({"audit": {"witnesses": places}}))]


@pytest.mark.parametrize(
    "place",
    [
        {"kind": "file", "file": "/mnt/vault/checkpoints"},
        {"kind": "s3", "bucket": "vault", "lock_days": 30.0, "region": "eu-central-1"},
        {"kind": "syslog", "host": "10.0.0.1", "transport": "tcp"},
        {"kind": "http", "url": "https://witness.example", "token_file": "/run/secrets/token"},
    ],
)
def test_a_place_with_what_its_kind_needs_is_right(place: dict[str, object]) -> None:
    assert said({"name": "vault", **place}) == []


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ({"kind": "file"}, "vault.file: is not given, and kind file needs it"),
        ({"kind": "s3"}, "vault.bucket: is not given"),
        ({"kind": "syslog"}, "vault.host: is not given"),
        ({"kind": "http"}, "vault.url: is not given"),
        ({"kind": "file", "file": "/x", "bucket": "b"}, "vault.bucket: is set, and kind file does not use it"),
        ({"kind": "syslog", "host": "h", "certificate": "/x"}, "certificate and certificate_key belong together"),
        ({"kind": "http", "url": "http://h", "token_file": "/x"}, "whoever listens on the way learns the token"),
    ],
)
def test_what_lacks_or_is_of_no_use_is_named(place: dict[str, object], fault: str) -> None:
    (found,) = said({"name": "vault", **place})
    assert fault in found


def test_two_places_of_one_name_would_be_taken_for_one() -> None:
    place: dict[str, object] = {"name": "vault", "kind": "file", "file": "/x"}
    (found,) = said(place, {**place, "file": "/y"})
    assert "another place has this name" in found
