"""Exports as JSON lines, and the verifier of one file that judges them without the node."""

import ast
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import trail_verifier
from audit.canonical import canonical
from audit.chain import verify
from audit.clocks import Backwards
from audit.notes import Note
from audit.tree import consistency_proof, inclusion_proof, leaf_hash, verify_consistency, verify_inclusion
from tests.support.attacks import footed
from tests.support.exports import BEGAN, SealedTrail, chained, entry, judged, signer

TRAIL = SealedTrail.of(21)
WHOLE = TRAIL.export(older=[TRAIL.note(8)])
CHOICE = TRAIL.export(only=[3, 7, 20], older=[TRAIL.note(8)])
PART = TRAIL.export(first=6, size=17, older=[TRAIL.note(8), TRAIL.note(3)])
VERIFIER = Path(trail_verifier.__file__)


@pytest.mark.parametrize("export", [WHOLE, CHOICE, PART], ids=["whole", "choice", "part"])
def test_an_untouched_export_is_proven_to_who_has_the_key_or_a_published_checkpoint(export: bytes) -> None:
    for verdict in (judged(export, keys=[TRAIL.key]), judged(export, published=[TRAIL.note(8)])):
        assert (verdict.altered, verdict.unproven, verdict.remarks, verdict.code) == ([], [], [], 0)
    assert verdict.entries == export.count(b'\n{"number":')


@pytest.mark.parametrize("first", range(1, 10))
@pytest.mark.parametrize("last", range(9, 22))
def test_any_part_that_ends_with_a_checkpoint_is_proven_by_the_tree_before_it(first: int, last: int) -> None:
    assert judged(TRAIL.export(first=first, size=last), keys=[TRAIL.key]).code == 0


@pytest.mark.parametrize(("export", "told"), [(WHOLE, False), (CHOICE, True), (PART, False)])
def test_of_a_choice_it_is_told_that_no_proof_shows_what_was_left_out(export: bytes, told: bool) -> None:
    verdict = judged(export, keys=[TRAIL.key])
    assert (verdict.code, "none was left out if the trail's entry of it" in verdict.what) == (0, told)


def test_by_itself_an_export_is_whole_and_proves_no_more() -> None:
    verdict = judged(WHOLE)
    assert (verdict.code, verdict.altered) == (2, [])
    assert "nobody outside vouches" in verdict.unproven[0]


@given(st.sampled_from([WHOLE, CHOICE, PART]), st.data())
@settings(max_examples=400, deadline=None)
def test_any_byte_that_is_another_is_found(export: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(export) - 1))
    changed = bytearray(export)
    changed[place] ^= data.draw(st.integers(1, 255))
    assert not _passes(bytes(changed))


@given(st.sampled_from([WHOLE, CHOICE, PART]), st.data())
@settings(max_examples=150, deadline=None)
def test_any_cut_and_anything_behind_the_end_is_found(export: bytes, data: st.DataObject) -> None:
    assert not _passes(export[: data.draw(st.integers(0, len(export) - 1))])
    assert not _passes(export + data.draw(st.binary(min_size=1, max_size=9)))


@given(st.binary(max_size=300), st.sampled_from([b"", WHOLE[: WHOLE.index(b"\n") + 1], WHOLE[:60]]))
@settings(max_examples=200, deadline=None)
def test_whatever_is_given_instead_gets_a_verdict_and_no_traceback(rubbish: bytes, before: bytes) -> None:
    assert not _passes(before + rubbish)


@given(st.sampled_from([WHOLE, CHOICE, PART]), st.data())
@settings(max_examples=400, deadline=None)
def test_any_byte_that_is_another_is_found_with_a_last_line_that_fits_but_in_what_nobody_signs(
    export: bytes, data: st.DataObject
) -> None:
    lines = export.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 2))
    changed = bytearray(lines[at])
    changed[data.draw(st.integers(0, len(changed) - 2))] ^= data.draw(st.integers(1, 255))
    lines[at] = bytes(changed)
    if b"\n" not in changed[:-1] and _passes(b"".join(footed(lines))):
        assert _but(json.loads(changed), "of", "made") == _but(json.loads(export.splitlines()[at]), "of", "made")


HOSTILE: list[object] = [
    None, True, -1, 2**70, 1.5, "", "\x00", "\ud800", "=" * 44, "A" * 44, [], [[]], [None], {}, {"note": 1, "proof": 2},
    [{"note": 1, "proof": 2}], [{"note": "a\n1\nb\n\n\u2014 a b\n", "proof": []}], "a\n1\nb\n\n\u2014 a b\n", ["x+y+z"],
]  # fmt: skip


@pytest.mark.parametrize("export", [WHOLE, CHOICE, PART], ids=["whole", "choice", "part"])
@pytest.mark.parametrize("line", [0, 1, -1])
def test_a_value_of_another_kind_anywhere_gets_a_verdict_and_no_traceback(export: bytes, line: int) -> None:
    lines = export.splitlines(keepends=True)
    said = json.loads(lines[line])
    for name, value in ((name, value) for name in said for value in HOSTILE if value != said[name]):
        text = json.dumps({**said, name: value}, separators=(",", ":"))
        for written in {text.encode(), text.encode().decode("unicode_escape").encode("utf-8", "replace")}:
            changed = [*lines]
            changed[line] = written + b"\n"
            assert name == "of" or not _passes(b"".join(changed if line == -1 else footed(changed))), (name, value)


def _but(said: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in said.items() if name not in names}


@given(st.lists(st.sampled_from([-3600, -1, 0, 0, 1, 2]), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_clock_that_was_set_back_is_told_of_the_entries_of_which_the_node_tells_it(steps: list[int]) -> None:
    moments = [BEGAN + timedelta(seconds=float(sum(steps[: at + 1])) * 1.5) for at in range(len(steps))]
    rows = chained(entry(number, at=at) for number, at in enumerate(moments, 1))
    seen = Backwards()
    for row in rows:
        seen.see(row.number, row.entry)
    told = judged(SealedTrail(rows).export(), keys=[signer()]).remarks
    assert [one for one in told if one.startswith("entry")] == ([str(seen)] if seen.count else [])


def _passes(export: bytes) -> bool:
    try:
        return judged(export, keys=[TRAIL.key]).code == 0
    except trail_verifier.Unjudged:
        return False


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_its_proofs_are_judged_as_the_nodes_own_judge_them(data: st.DataObject) -> None:
    tree, size = TRAIL.tree, data.draw(st.integers(1, 21))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    proofs = [inclusion_proof(index, size, tree.node), consistency_proof(old, size, tree.node)]
    for proof in proofs:
        match data.draw(st.sampled_from(["as it is", "cut", "longer", "another"])):
            case "cut":
                del proof[-1:]
            case "longer":
                proof.append(bytes(32))
            case "another" if proof:
                proof[data.draw(st.integers(0, len(proof) - 1))] = bytes(32)
    leaf = leaf_hash(TRAIL.rows[index].entry)
    asked = (leaf, index, size, proofs[0], tree.root(size))
    assert trail_verifier.included(*asked) == verify_inclusion(*asked)
    again = (old, size, tree.root(old), tree.root(size), proofs[1])
    assert trail_verifier.consistent(*again) == verify_consistency(*again)


TEXTS = [
    entry(2), entry(3), entry(2).replace(",", ", ", 1), "[]", "{", "1", '{"number":true}', '{"number":2.0}', "",
    '{"number":2,"a":1e5}', '{"a":1,"number":2,"number":2}', '{"number":2,"x":{"ü":1}}', '{"number":9007199254740992}',
    "[" * 100_000, '{"a":NaN,"number":2}', canonical({"number": 2, "x": "\x00\x7f\u2028é"}),
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_an_entrys_text_is_judged_as_the_node_judges_it(text: str) -> None:
    said = trail_verifier.objection(2, text)
    assert bool(said) == (verify(chained([entry(1), text])).bad == 2), said


def test_the_verifier_needs_python_3_9_and_cryptography_alone() -> None:
    tree = ast.parse(VERIFIER.read_text(), feature_version=(3, 9))
    asked = {
        name.split(".")[0]
        for one in ast.walk(tree)
        if isinstance(one, ast.Import | ast.ImportFrom)
        for name in ([one.module or ""] if isinstance(one, ast.ImportFrom) else [alias.name for alias in one.names])
    }
    assert asked - sys.stdlib_module_names == {"cryptography"}
    assert len(VERIFIER.read_text().splitlines()) < 500


def test_a_key_that_a_signed_checkpoint_names_may_sign_from_then_on_and_no_other() -> None:
    text = TRAIL.checkpoint(8).text()
    old, new = signer(1), signer(2)
    told = text + f"next-key {new.verifier}\n"
    rotated = Note(told, (old.sign(told), new.sign(told)))
    only_beside = TRAIL.note(8, old, new)
    for older, code in ((rotated, 0), (only_beside, 1)):
        trail = SealedTrail(TRAIL.rows, new)
        export = trail.export(older=[older], key_of=[old, new])
        assert judged(export, keys=[old]).code == code


def test_a_line_of_an_export_is_json_that_anybody_reads() -> None:
    head, *entries, end = map(json.loads, WHOLE.splitlines())
    assert (head["format"], head["first"], head["last"], end["count"]) == ("dicom-node trail", 1, 21, len(entries))
    assert json.loads(entries[2]["entry"])["details"] == {"caller": "CT3"}
