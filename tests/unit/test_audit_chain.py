"""Tampering, attack by attack (tests/probes), and any byte that Hypothesis picks."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import canonical
from audit.chain import GENESIS, Row, Verdict, link, verify

PROBES = sorted((Path(__file__).parents[1] / "probes").glob("*.json"))


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


@pytest.mark.parametrize("probe", PROBES, ids=lambda path: path.stem)
def test_each_attack_is_found_and_its_entry_named(probe: Path) -> None:
    attack = json.loads(probe.read_text())
    verdict = verify(_attacked(chain(5), attack["do"]))
    assert (verdict.bad, attack["says"] in verdict.reason) == (attack["bad"], True), verdict


def _attacked(rows: list[Row], steps: list[dict[str, Any]]) -> list[Row]:
    for step in steps:
        at = step.get("at", 0) - 1
        match step["kind"]:
            case "swap":
                rows[at], rows[at + 1] = rows[at + 1], rows[at]
            case "remove":
                del rows[at]
            case "edit":
                rows[at] = Row(rows[at].number, rows[at].entry.replace(step["from"], step["to"]), rows[at].hash)
            case "rehash":
                rows[at] = Row(
                    rows[at].number, rows[at].entry, link(rows[at - 1].hash if at else GENESIS, rows[at].entry)
                )
            case "renumber":
                rows[at] = Row(step["to"], rows[at].entry, rows[at].hash)
            case "insert":
                rows.insert(at, Row(step["number"], step["entry"], link(rows[at - 1].hash, step["entry"])))
    return rows


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
