"""Several scanners at once: studies that come interleaved over ten associations are each one study."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dicom_node.scu.store import Outgoing, Verdict
from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.senders import acknowledged, instance, paced
from tests.support.servers import Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow

# No common divisor: each association brings something of every study.
STUDIES, ASSOCIATIONS = 7, 10
# Studies of one image that one sender brings.
FLOOD = 60
_IN_ORDER = """
SELECT study_uid FROM audit_entries JOIN studies ON studies.id::text = entry::jsonb ->> 'study'
WHERE entry::jsonb ->> 'action' = %s ORDER BY number
"""
# By the database's clock, as the node reads it; QUICK settles after 1 s.
_DUE = """
SELECT 1 FROM studies s JOIN study_associations sa ON sa.study_id = s.id JOIN associations a ON a.id = sa.association_id
WHERE s.study_uid = %s GROUP BY s.id
HAVING bool_and(a.closed_at < now() - interval '2 s') AND s.last_received < now() - interval '2 s'
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc) -> Iterator[Trial]:
    data = tmp_path_factory.mktemp("many") / "node"
    # However slow the machine is, a study whose association is open waits for its association here.
    env = {**QUICK, "DICOM_NODE_ASSEMBLY__HOLD": "600"}
    with Node(data, destinations=[archive.destination], models=thresholds, env=env) as node:
        yield Trial(node, archive)


def test_studies_that_ten_associations_bring_interleaved_are_each_complete_once_with_one_set_of_results(
    trial: Trial,
) -> None:
    phantoms = [small(f"interleaved {number}") for number in range(STUDIES)]
    slices = [instance(one) for together in zip(*(one.datasets() for one in phantoms), strict=True) for one in together]
    done = _send_at_once(trial.node, [slices[number::ASSOCIATIONS] for number in range(ASSOCIATIONS)])
    assert len(done) == len(slices)
    uids = [phantom.uid("study") for phantom in phantoms]
    for phantom, uid in zip(phantoms, uids, strict=True):
        trial.await_home(uid)
        assert len(trial.indexed(uid)) == phantom.slices
        assert trial.study(uid)["revision"] == 1
    trial.assert_one_set(*uids)


def test_the_same_study_from_two_scanners_at_once_is_one_study_with_one_set_of_results(trial: Trial) -> None:
    phantom = small("from two scanners")
    slices = [instance(one) for one in phantom.datasets()]
    done = _send_at_once(trial.node, [slices, slices[::-1]])
    assert len(done) == 2 * len(slices)
    trial.await_home(phantom.uid("study"))
    trial.assert_one_set(phantom.uid("study"))


def test_a_gateway_that_keeps_one_association_for_all_patients_holds_none_of_their_studies(trial: Trial) -> None:
    first, second = small("forwarded first"), small("forwarded second")
    slices = [instance(one) for phantom in (first, second) for one in phantom.datasets()]
    gateway = paced(trial.node, slices, "GATEWAY")
    for _ in range(first.slices + 2):
        assert next(gateway).verdict is Verdict.STORED
    # The association is still open, in the middle of the second study.
    trial.await_home(first.uid("study"))
    assert trial.study(second.uid("study"))["state"] == "receiving"
    assert len(acknowledged(gateway)) == second.slices - 2
    trial.await_home(second.uid("study"))
    trial.assert_one_set(first.uid("study"), second.uid("study"))


def _send_at_once(node: Node, shares: Sequence[Sequence[Outgoing]]) -> list[str]:
    """Send each share in an association of its own, none of which ends before all have begun. UIDs of what was done."""
    together = threading.Barrier(len(shares), timeout=60)
    done: list[str] = []

    def scanner(number: int) -> None:
        outcomes = []
        for outcome in paced(node, shares[number], f"SCANNER{number}"):
            outcomes.append(outcome)
            # At the first slice and in the middle, so that the associations keep step.
            if len(outcomes) in {1, len(shares[number]) // 2}:
                together.wait()
        done.extend(acknowledged(outcomes))

    threads = [threading.Thread(target=scanner, args=(number,), daemon=True) for number in range(len(shares))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return done


def test_a_flood_of_one_sender_holds_no_other_sender_back(trial: Trial) -> None:
    flood = [Phantom(slices=1, size=(16, 16), study=f"flood {number}") for number in range(FLOOD)]
    quiet = small("from a quiet scanner")
    # All of it is there before the first of it is looked at: an order is told, and no speed.
    trial.node.pause("assemble")
    assert len(acknowledged(paced(trial.node, [instance(one.datasets()[0]) for one in flood], "FLOOD"))) == FLOOD
    assert len(acknowledged(paced(trial.node, list(map(instance, quiet.datasets())), "QUIET"))) == quiet.slices
    trial.wait_for(lambda: len(trial.indexed(quiet.uid("study"))) == quiet.slices, "the quiet scanner's study")
    # What is not due yet has no turn, however few are in front of it.
    trial.wait_for(lambda: bool(trial.rows(_DUE, quiet.uid("study"))), "the quiet scanner's study to be due")
    trial.node.resume("assemble")
    trial.await_home(quiet.uid("study"))
    trial.await_rest(600)
    of_flood = {one.uid("study") for one in flood}
    for action in ("study completed", "models chosen"):
        order = [row["study_uid"] for row in trial.rows(_IN_ORDER, action)]
        assert len(of_flood.intersection(order)) == FLOOD
        # Its line may be the one that was served last, by another name of this address: then the next turn is its.
        assert len(of_flood.intersection(order[: order.index(quiet.uid("study"))])) <= 2
