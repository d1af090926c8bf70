"""A node with a database of its own is backed up while it runs, and comes back elsewhere from the folder alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.senders import acknowledged, instance, paced
from tests.support.trial import QUICK

pytestmark = pytest.mark.slow

STUDY = Phantom(slices=4, size=(32, 32)).datasets()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "models").mkdir()
    made = Node(tmp_path / "node", models=tmp_path / "models", env=QUICK)
    try:
        yield made.start()
    finally:
        made.terminate()


def test_a_node_comes_back_from_the_folder_alone_and_takes_what_it_knows_for_known(node: Node, tmp_path: Path) -> None:
    uid = STUDY[0].StudyInstanceUID
    sent = [instance(one) for one in STUDY]
    assert len(acknowledged(paced(node, sent))) == len(sent)
    node.wait_for(lambda: _state(node) == ["complete"], 120, "the study to be complete")
    before, folder = node.cli("status", uid), str(tmp_path / "backup")
    made = node.cli("backup", folder)
    assert (made["studies"], made["objects"], made["whole"]) == (1, len(sent), True)
    other = Node(tmp_path / "other", models=tmp_path / "models", env=QUICK)
    other.cli("restore", folder)
    assert other.cli("status", uid) == before
    try:
        other.start()
        assert len(acknowledged(paced(other, sent))) == len(sent)
        other.wait_for(lambda: len(other.cli("status", uid)["associations"]) == 2, 60, "the images to be known again")
        assert (other.cli("status", uid)["whole"], _state(other)) == (len(sent), ["complete"])
        other.wait_for(lambda: len(other.cli("audit", "verify")["signers"]) == 2, 60, "another log to be begun")
        assert other.cli("audit", "verify")["intact"]
        assert not list((tmp_path / "backup" / "seal").glob("*.key")), "nobody can sign with a backup"
    finally:
        other.terminate()


def _state(node: Node) -> list[str]:
    return [one["state"] for one in node.cli("status")["studies"]]
