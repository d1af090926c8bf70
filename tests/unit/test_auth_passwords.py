"""What may be a password, and what is kept of it."""

import pytest
from argon2 import PasswordHasher

from console.auth import passwords
from console.auth.refusals import Unacceptable


def test_a_password_is_known_by_what_is_kept_of_it_and_no_other_is() -> None:
    kept = passwords.keep("correct horse battery")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert "correct" not in kept
    assert passwords.is_("correct horse battery", kept)
    assert not passwords.is_("correct horse batterY", kept)
    assert passwords.keep("correct horse battery") != kept


def test_a_password_is_the_same_from_every_keyboard() -> None:
    """An e with an accent is one character or two (NIST SP 800-63B 5.1.1.2)."""
    assert passwords.is_("cafe\u0301 au lait et pain", passwords.keep("caf\u00e9 au lait et pain"))


@pytest.mark.parametrize("kept", ["", "no digest", "$argon2id$v=19$m=1$x$y"])
def test_where_nothing_sound_is_kept_no_password_is_right(kept: str) -> None:
    assert not passwords.is_("nobody's", kept)
    assert not passwords.is_("", kept)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "15 to 1024 characters"),
        ("a" * 1025, "15 to 1024 characters"),
        ("aaaaaaaaaaaaaaaaaaaa", "different characters"),
        ("the alice password 1", "neither the user's name"),
        ("my dicom-node at work", "nor the node's"),
    ],
)
def test_what_is_guessed_first_is_refused_with_what_would_do(password: str, said: str) -> None:
    with pytest.raises(Unacceptable, match=said):
        passwords.check(password, "Alice", 15)


def test_a_sentence_does() -> None:
    passwords.check("four score and seven years ago", "alice", 15)
    passwords.check("пароль из нескольких слов", "alice", 15)


def test_what_was_kept_by_lesser_parameters_is_known_as_that() -> None:
    assert not passwords.is_outdated(passwords.keep("correct horse battery"))
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse battery")
    assert passwords.is_outdated(weak)
