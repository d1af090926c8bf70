"""Mutated data sets and associations through the listener and the index as processes: nothing stops, nothing is lost.

Every instance that was acknowledged is filed, a conflict or in quarantine with a reason, and the counts agree to the
last one. `make faults` runs the long form; the seed is printed, and DICOM_NODE_FAULTS_SEED gives it back.
"""

import contextlib
import os
import random
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.listening import ABORT, ACCEPT, COMMAND, LAST, RawPeer, command, pdu, pdv
from tests.support.mutations import Sample, mutated_association, samples
from tests.support.node import Node
from tests.support.processes import wait_for
from tests.support.service_messages import IAN, MPPS
from tests.support.trial import QUICK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

HEADERS = int(os.environ.get("DICOM_NODE_FAULTS_HEADERS", "1000"))
ASSOCIATIONS = int(os.environ.get("DICOM_NODE_FAULTS_ASSOCIATIONS", "200"))
SEED = int(os.environ.get("DICOM_NODE_FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
_SUCCESS = 0
_OUT_OF_RESOURCES = 0xA700
_LIST = 1800  # s; the long form's list has 150,000 rows
_HEAD = 400  # bytes of a file that hold its file meta information
_TOGETHER = 100  # instances of one association, all of one encoding


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("mutations")
    (folder / "models").mkdir()
    with Node(folder / "node", models=folder / "models", env=QUICK) as node:
        yield node


@pytest.fixture(scope="module")
def roles(node: Node) -> dict[str, int]:
    """The processes that are to live through it all."""
    return {role: node.pid(role) for role in ("listen", "index", "assemble")}


def test_every_mutated_instance_is_filed_or_in_quarantine(
    node: Node, roles: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\nseed {SEED}: {HEADERS} headers, {ASSOCIATIONS} associations\n")
    chance = random.Random(SEED)
    kinds = samples()
    for start in range(0, HEADERS, _TOGETHER):
        sample = kinds[start // _TOGETHER % len(kinds)]
        _store(node, sample, [(name, sample.mutated(chance, name)) for name in _names("1", start, HEADERS)])
    assert _stored(node) == HEADERS
    _agree(node, roles)


def test_no_mutated_association_stops_the_listener_or_loses_what_it_acknowledged(
    node: Node, roles: dict[str, int]
) -> None:
    chance = random.Random(SEED + 1)
    kinds = samples()
    before, acknowledged = _stored(node), 0
    for number in range(ASSOCIATIONS):
        acknowledged += _say(node, mutated_association(chance, f"1.2.999.2.{number}", chance.choice(kinds)))
    wait_for(lambda: _stored(node) - before >= acknowledged, 60, "the listener to count what it acknowledged")
    assert acknowledged > ASSOCIATIONS / 20
    _agree(node, roles)
    assert _say(node, mutated_association(random.Random(3), "1.2.999.3", kinds[0])) in (0, 1)


def _names(group: str, start: int, end: int) -> list[str]:
    return [f"1.2.999.{group}.{number}" for number in range(start, min(start + _TOGETHER, end))]


def _store(node: Node, sample: Sample, instances: list[tuple[str, bytes]]) -> None:
    with RawPeer(node.port) as peer:
        peer.associate(contexts=[(1, sample.sop_class, (sample.syntax,))], calling="MUTANT")
        for name, data in instances:
            said = command(1, uid=name, sop_class=sample.sop_class)
            _send(peer, pdu(4, pdv(1, COMMAND | LAST, said)) + pdu(4, pdv(1, LAST, data)))
        peer.release()


def _send(peer: RawPeer, message: bytes) -> None:
    """As senders do: what is refused because the spool is full is sent once more, until the index has made room."""

    def taken() -> bool:
        peer.send(message)
        status = peer.status()
        assert status in (_SUCCESS, _OUT_OF_RESOURCES)
        return status == _SUCCESS

    wait_for(taken, 60, "room in the spool")


def _say(node: Node, words: bytes) -> int:
    """How many instances the node acknowledges of an association that says `words` and hangs up."""
    acknowledged = 0
    with RawPeer(node.port) as peer, contextlib.suppress(ConnectionError, ValueError):
        peer.send(words)
        peer.socket.shutdown(socket.SHUT_WR)
        while (answer := peer.receive()) not in ((0, b""), (ABORT, bytes(4))):
            kind, body = answer
            # Of the context for storage; another service may have been asked in another.
            success = kind == 4 and body[4] == 1 and body[-40:].find(b"\0\0\x00\x09\2\0\0\0\0\0") >= 0
            acknowledged += success
            assert kind != ACCEPT or body
    return acknowledged


def _counted(node: Node, role: str, metric: str) -> dict[str, float]:
    """A counter's values by outcome, over all callers."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(node.get(role, "/metrics")):
        for sample in family.samples:
            if sample.name == metric:
                outcome = sample.labels["outcome"]
                found[outcome] = found.get(outcome, 0) + sample.value
    return found


def _stored(node: Node) -> int:
    return int(_counted(node, "listen", "dicom_node_instances_total").get("stored", 0))


def _agree(node: Node, roles: dict[str, int]) -> None:
    seen = _indexed(node)
    while seen != _stored(node):
        assert {role: node.pid(role) for role in roles} == roles
        assert seen < _stored(node), _both(node)
        # However long the long form has to wait: as long as the index moves, it is not stopped.
        wait_for(partial(_moved, node, seen), 120, "the index to go on", lambda: str(_both(node)))
        seen = _indexed(node)
    assert not node.unready(*roles)
    quarantined = node.cli("quarantine", "list", "--last", "1000000", timeout=_LIST)["quarantine"]
    assert all(one["reason"] for one in quarantined)
    taken = _counted(node, "index", "dicom_node_indexed_total")
    assert len(quarantined) == node.cli("status")["quarantined"] == taken.get("quarantined", 0)
    assert sum(Path(path).is_file() for path in _kept(node)) == taken["new"] + taken.get("conflicting", 0) + len(
        quarantined
    )


def _indexed(node: Node) -> float:
    return sum(_counted(node, "index", "dicom_node_indexed_total").values())


def _moved(node: Node, seen: float) -> bool:
    return _indexed(node) != seen


def _both(node: Node) -> tuple[dict[str, float], int]:
    return _counted(node, "index", "dicom_node_indexed_total"), _stored(node)


def _kept(node: Node) -> Iterator[Path]:
    """Every instance of the store; the name of each is the digest of its bytes, so no two are one."""
    for path in (node.data / "objects").rglob("[!.]*.dcm"):
        # What was said of a procedure is kept as a file, too.
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if not any(sop_class.encode() in head for sop_class in (MPPS, IAN)):
            yield path
