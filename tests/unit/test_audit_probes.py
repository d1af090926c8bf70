"""Tampering, attack by attack (tests/probes/audit): what the verifier of one file says of an export after each.

What the node itself says, of the same attacks on a real database: tests/contract/test_trail_attacks.
"""

import pytest

from tests.support.attacks import KEYS, Probe, exported, probes, published, untouched
from tests.support.exports import judged

PROBES = probes()


def test_there_are_thirty_attacks_and_more_and_each_is_found_somewhere() -> None:
    assert len(PROBES) >= 30
    assert [one.name for one in PROBES if one.live is None and one.export is None] == []


def test_an_untouched_trail_is_proven() -> None:
    for only in (None, [1, 7, 300]):
        verdict = judged(b"".join(exported(untouched(), only)), keys=[KEYS["stolen"]], published=published()[-1:])
        assert (verdict.code, verdict.altered, verdict.unproven, verdict.remarks) == (0, [], [], [])


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_each_attack_is_found_in_an_export_and_its_entry_or_checkpoint_named(probe: Probe) -> None:
    export = probe.exported()
    verdict = judged(export, keys=[KEYS["stolen"]], published=published())
    told = " | ".join([*verdict.altered, *verdict.unproven, *verdict.remarks])
    if probe.export is None:
        assert (verdict.code, told) == (0, "")
        return
    assert probe.export["names"] in told, told
    assert probe.export["says"] in told, told
    assert verdict.code == probe.export.get("code", 1)
