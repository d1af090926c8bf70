"""The table of engines: each against each other, with what did not run and why, and a place for it in the document."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import engines
from benchmarks.engines import Case, Pair, Ran, Told, pairs
from models.registry import load_package
from tests.support.counterparts import ROOT

SHARES = np.full((1, 2, 4, 4, 4), 0.5, np.float32)
MASK = np.zeros((4, 4, 4), np.uint8)
MASK[:2], MASK[2:] = 1, 2


def ran() -> list[Ran]:
    other = MASK.copy()
    other[1, 0, 0] = 0
    return [
        Ran("One 1.0 (CPU)", SHARES, MASK, 1.0),
        Ran("Two 2.0+x (CPU)", SHARES + np.float32(0.25), other, 3.0),
        Ran("three (CPU)", failure="it cannot"),
        Ran("Four 4.0 (CUDA)", SHARES, MASK, 0.5),
    ]


def test_each_that_ran_is_held_against_each_other() -> None:
    dice = 2 * 31 / (32 + 31)
    one, two, four = "One 1.0 (CPU)", "Two 2.0+x (CPU)", "Four 4.0 (CUDA)"
    assert pairs(ran()) == [Pair((one, two), 0.25, dice), Pair((one, four), 0.0, 1.0), Pair((two, four), 0.25, dice)]


def test_without_a_mask_there_is_no_dice() -> None:
    (pair,) = pairs([Ran("a", SHARES), Ran("b", SHARES)])
    assert pair == Pair(("a", "b"), 0.0, None)


def test_the_document_has_a_place_for_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "models.md"
    before = (ROOT / "docs" / "models.md").read_text("utf-8")
    copy.write_text(before, "utf-8")
    monkeypatch.setattr(engines, "_DOCUMENT", copy)
    case = Case(load_package(ROOT / "models" / "ct_lung"), {}, "nothing")
    told = Told(case, tuple(ran()), tuple(pairs(ran())))
    for text in ("an earlier run", engines._section([told], "a machine")):
        engines._publish(text)
    after = copy.read_text("utf-8")
    assert "an earlier run" not in after and after.startswith(before[: before.index("<!--")])
    lines = [line for line in after.splitlines() if line.startswith("| `ct_lung`")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert ["`ct_lung`", "nothing", "One / Four (CUDA)", "0.0e+00", "1.00000"] in rows
    assert ["`ct_lung`", "nothing", "2.0", "6.0", "1.0"] in rows
    assert "- `ct_lung`, three (CPU): it cannot" in after
