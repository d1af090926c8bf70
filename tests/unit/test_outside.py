"""A peer's words and numbers become text and figures that every table, trail and terminal can hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import canonical
from dicom_node import outside


@given(st.binary(max_size=300))
def test_any_bytes_become_a_line_of_text(value: bytes) -> None:
    text = outside.ascii_words(value)
    assert len(text) <= outside.LONGEST_TEXT
    assert text.encode() is not None
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in text)


@given(st.text(alphabet=st.characters(codec=None), max_size=300))
def test_any_text_becomes_a_line_that_utf_8_holds(value: str) -> None:
    text = outside.words(value)
    assert text.encode().decode() == text
    assert "\0" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"CHEST\0\x12\0\0A\x13\0", "CHEST"),
        (b"ORIGINAL\\PRIMARY ", "ORIGINAL\\PRIMARY"),
        (b"\0CT", "CT"),
        (b"\x1b[31mred", "<U+001B>[31mred"),
        (b"two\r\nlines", "two  lines"),
        (b"x" * 1000, "x" * outside.LONGEST_TEXT),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_text_ends_at_its_first_nul_and_holds_nothing_that_a_terminal_obeys(value: bytes, text: str) -> None:
    assert outside.ascii_words(value) == text


@pytest.mark.parametrize(
    "text", ["", "1\\2", "1\\2\\3\\4", "1\\2\\x", "1\\2\\nan", "1\\2\\1e999", "1\\2\\1_0", "1\\2\\٣"]
)
def test_decimals_are_exactly_as_many_finite_ones_or_none(text: str) -> None:
    assert outside.decimals(text, 3) is None


def test_decimals_are_read_as_the_standard_writes_them() -> None:
    assert outside.decimals(" -1.5\\+2 \\.5e1", 3) == (-1.5, 2.0, 5.0)


@pytest.mark.parametrize("text", ["0", "-1", "3000000000", "9" * 401, "", "many", "1\\2", "inf"])
def test_a_number_that_cannot_be_meant_is_absent(text: str) -> None:
    assert outside.whole(text, 1, 2**31 - 1) is None


def test_details_of_any_depth_and_content_can_be_an_entry_of_the_trail() -> None:
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    texts = {"a\0b": "x\0y", "é": "ü\ud800", "list": ["\x07"] * 999}
    kept: Any = outside.details({**texts, "n": 2**60, "f": 1.5, "deep": deep})
    assert json.loads(canonical(kept))["a"] == "x"
    assert kept["?"] == "ü<U+D800>"
    assert len(kept["list"]) < 999
