"""No bare number where people read: every status that a peer may send has words and its code."""

import pytest

from domain.statuses import described, is_warning, name, outcome


@pytest.mark.parametrize(
    ("status", "stored", "words"),
    [
        (None, True, "stored"),
        (None, False, "not stored"),
        (0x0000, True, "stored (status 0000H)"),
        (0xB000, True, "stored with a warning: coercion of data elements (status B000H)"),
        (0xB006, True, "stored with a warning: elements discarded (status B006H)"),
        (0xB007, True, "stored with a warning: data set does not match SOP class (status B007H)"),
        (0xB123, True, "stored with a warning: warning that the standard does not name (status B123H)"),
        (0x0111, True, "stored: duplicate SOP instance (status 0111H)"),
        (0xA700, False, "not stored: out of resources (status A700H)"),
        (0xA712, False, "not stored: out of resources (status A712H)"),
        (0xA9FF, False, "not stored: data set does not match SOP class (status A9FFH)"),
        (0xC123, False, "not stored: cannot understand (status C123H)"),
        (0x0124, False, "not stored: not authorized (status 0124H)"),
        (0x4242, False, "not stored: failure that the standard does not name (status 4242H)"),
    ],
)
def test_what_became_of_an_object_is_said_in_words_with_the_code(status: int | None, stored: bool, words: str) -> None:
    assert outcome(status, stored) == words


def test_every_status_has_words_and_its_code() -> None:
    for status in range(0x1_0000):
        assert described(status).endswith(f"(status {status:04X}H)")
        assert described(status)[0] != "("
    assert is_warning(0x0001)
    assert not is_warning(0x0000)
    assert name(0x9999) == ""
