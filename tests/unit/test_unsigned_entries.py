"""Entries that nobody signs are told once they should have been signed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.actions import Action
from audit.canonical import canonical
from audit.chain import GENESIS, Row, link
from audit.notes import Checkpoint, Signer
from audit.tree import Frontier, leaf_hash
from audit.verification import Claim, Evidence, verify_trail
from domain.clock import SystemClock


@pytest.mark.parametrize(("last", "told"), [("09:00:59", False), ("09:02:00", True)])
def test_entries_that_are_under_no_checkpoint_for_more_than_a_minute_are_told(last: str, told: bool) -> None:
    rows, head, tree = list[Row](), GENESIS, Frontier()
    for number, at in enumerate(("08:00:00", "09:00:00", last), 1):
        said = {"action": Action.STARTED.value, "at": f"2026-11-29T{at}.000000+00:00", "number": number}
        head = link(head, entry := canonical(said))
        rows.append(Row(number, entry, head))
    tree.append(leaf_hash(rows[0].entry))
    signer = Signer("log", Ed25519PrivateKey.generate())
    note = Checkpoint("log", 1, tree.root(), rows[0].hash, SystemClock().now()).signed(signer)
    verdict = verify_trail(rows, Evidence(kept=[Claim("checkpoint 1", str(note))], keys=[signer.verifier]))
    assert verdict.intact
    assert any("entries 2 to 3 are under no checkpoint, since 2026-11-29T09:00" in one for one in verdict.warnings) == (
        told
    )
