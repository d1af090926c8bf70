"""A node that is sent far more than its disk holds: it stays under its limit, and what a person holds stays.

The objects lie in a file system of some megabytes, in a mount namespace of the node's own.
"""

import os
from collections.abc import Iterator
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dicom_node.scu.store import Outgoing
from tests.support.counterparts import missing
from tests.support.node import PROGRAM, Node
from tests.support.phantoms import Phantom
from tests.support.senders import acknowledged, instance, paced
from tests.support.small_disk import behind, may_mount
from tests.support.trial import QUICK

pytestmark = pytest.mark.slow

DISK = 8 << 20
KEEP, UNTIL = 3 << 20, 5 << 20
IMAGES = 4  # of a study
TIMES = int(os.environ.get("DICOM_NODE_FAULTS_DISKS", "5"))  # what is sent, in disks


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if not may_mount():
        missing("a file system of its own", "run as root, with unshare and mount")
    folder = tmp_path_factory.mktemp("disk")
    (folder / "models").mkdir()
    data = folder / "node"
    (data / "objects").mkdir(parents=True)
    settings = {
        **QUICK,
        "DICOM_NODE_ASSEMBLY__SETTLE": "0.2",
        "DICOM_NODE_SPOOL__CAPACITY": str(128 << 20),
        "DICOM_NODE_LISTENER__MAX_INSTANCE": str(4 << 20),
        "DICOM_NODE_LISTENER__MAX_ASSOCIATIONS": "8",
        "DICOM_NODE_RETENTION__KEEP_FREE": str(KEEP),
        "DICOM_NODE_RETENTION__UNTIL_FREE": str(UNTIL),
    }
    made = Node(data, models=folder / "models", env=settings, program=behind(data, DISK, PROGRAM))
    try:
        yield made.start()
    finally:
        made.terminate()


@cache
def _images() -> list[Any]:
    return Phantom(slices=IMAGES, size=(512, 512)).datasets()


def study(number: int) -> list[Any]:
    """Two megabytes of images."""
    made = [copy(one) for one in _images()]
    for place, one in enumerate(made):
        one.StudyInstanceUID = f"1.2.826.9.{number}"
        one.SOPInstanceUID = f"1.2.826.9.{number}.1.{place}"
        one.SeriesInstanceUID = f"1.2.826.9.{number}.1"
    return made


def send(node: Node, number: int) -> int:
    """Send a study, what was refused for want of room again as any sender does; bytes that were stored."""
    instances, size = [instance(one) for one in study(number)], 0
    while instances:
        stored = set(acknowledged(paced(node, instances)))
        size += sum(_bytes(one) for one in instances if one.sop_instance in stored)
        instances = [one for one in instances if one.sop_instance not in stored]
    return size


def _bytes(one: Outgoing) -> int:
    assert isinstance(one.file, bytes)
    return len(one.file)


def free(node: Node) -> int:
    """Of the node's own small disk, which this process does not see, by a process that does."""
    place = Path(f"/proc/{node.pid('index')}/root") / (node.data / "objects" / "instances").relative_to("/")
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def found(node: Node, uid: str) -> Any:
    return node.cli("status", uid)


def is_known(node: Node, uid: str) -> bool:
    return any(one["study_uid"] == uid for one in node.cli("status")["studies"])


def came(node: Node, uid: str) -> int:
    """Images that the index has, or had: a study may come in parts, of which the first has gone again."""
    path = found(node, uid)
    return int(path["whole"] + path["study"]["images_removed"])


def is_complete(node: Node, uid: str) -> bool:
    return any(one["study_uid"] == uid and one["state"] == "complete" for one in node.cli("status")["studies"])


@pytest.mark.timeout(60 + 60 * TIMES)
def test_many_disks_go_through_one_and_what_is_held_stays(node: Node) -> None:
    held = study(0)[0].StudyInstanceUID
    send(node, 0)
    node.wait_for(lambda: is_complete(node, held), 60, "the first study to be complete")
    node.run("hold", held, "--reason", "a trial")
    sent, number, least = 0, 1, DISK
    while sent < TIMES * DISK:
        sent += send(node, number)
        least, number = min(least, free(node)), number + 1
    node.wait_for(lambda: free(node) >= KEEP, 60, "the disk to have room again")
    last = study(number - 1)[0].StudyInstanceUID
    node.wait_for(lambda: is_known(node, last) and came(node, last) == IMAGES, 60, "the last study to be indexed")
    kept, oldest = found(node, held), found(node, study(1)[0].StudyInstanceUID)
    assert kept["hold"]["reason"] == "a trial" and kept["whole"] == IMAGES
    assert oldest["study"]["images_removed"] == IMAGES and oldest["whole"] == 0
    assert node.cli("audit", "verify")["intact"]
    entries = node.cli("audit", "show", "--last", "1000")["entries"]
    gone = [one for one in entries if one["action"] == "removed by retention"]
    assert gone and all(one["details"]["cause"] == "disk" and one["details"]["what"] == "images" for one in gone)
    assert least < KEEP, "the disk was never short"
