"""The chain: any byte that Hypothesis picks is found at its entry. Attack by attack: test_audit_probes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import canonical
from audit.chain import GENESIS, Row, Verdict, link, verify


def chain(length: int) -> list[Row]:
    rows, head = [], GENESIS
    for number in range(1, length + 1):
        entry = canonical({"number": number, "action": "instances received", "details": {"caller": f"CT{number}"}})
        head = link(head, entry)
        rows.append(Row(number, entry, head))
    return rows


def test_an_untouched_chain_verifies() -> None:
    rows = chain(5)
    assert verify(rows) == Verdict(5, head=rows[-1].hash)
    assert verify([]) == Verdict(0)


@given(st.data())
def test_any_changed_byte_is_found_at_its_entry(data: st.DataObject) -> None:
    rows = chain(4)
    at = data.draw(st.integers(0, 3))
    row = rows[at]
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(row.hash) - 1))
        changed = bytearray(row.hash)
        changed[place] ^= data.draw(st.integers(1, 255))
        rows[at] = Row(row.number, row.entry, bytes(changed))
    else:
        place = data.draw(st.integers(0, len(row.entry) - 1))
        other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != row.entry[place]))
        rows[at] = Row(row.number, row.entry[:place] + other + row.entry[place + 1 :], row.hash)
    assert verify(rows).bad == at + 1


def test_canonical_text_is_that_of_rfc_8785() -> None:
    assert canonical({"b": [1, True, None], "a": 'é"\\\n\x01'}) == '{"a":"é\\"\\\\\\n\\u0001","b":[1,true,null]}'


@pytest.mark.parametrize("value", [1.5, b"x", {1: 2}, {"ü": 1}, 2**53, object()])
def test_what_has_no_canonical_form_here_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical({"details": value})
