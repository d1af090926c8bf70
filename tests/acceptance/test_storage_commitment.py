"""Storage commitment with real processes, each of them killed between the question and the report."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt

from dicom_node.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.processes import free_port, wait_for

CT = "1.2.840.10008.5.1.4.1.1.2"


class Scanner:
    """Stores, asks whether that is kept, and takes reports where it listens; what it has heard, by Transaction UID."""

    def __init__(self) -> None:
        self.port = free_port()
        self.heard: dict[str, Dataset] = {}
        entity = AE("CT1")
        entity.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self.hear)]
        self.server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def hear(self, event: Any) -> tuple[int, None]:
        report = event.event_information
        self.heard[report.TransactionUID] = report
        return 0, None

    def associate(self, node: Node) -> Any:
        entity = AE("CT1")
        entity.add_requested_context(CT, ExplicitVRLittleEndian)
        entity.add_requested_context(PUSH_MODEL)
        handlers = [(evt.EVT_N_EVENT_REPORT, self.hear)]
        association = entity.associate("127.0.0.1", node.port, ae_title=node.aet, evt_handlers=handlers)
        assert association.is_established
        return association

    def ask(self, association: Any, datasets: list[Dataset], transaction: str) -> None:
        """Store them, and ask: both are acknowledged."""
        for dataset in datasets:
            assert association.send_c_store(dataset).Status == 0
        asked = Dataset()
        asked.TransactionUID = transaction
        asked.ReferencedSOPSequence = [Dataset() for _ in datasets]
        for item, one in zip(asked.ReferencedSOPSequence, datasets, strict=True):
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        assert association.send_n_action(asked, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)[0].Status == 0


@pytest.fixture(scope="module")
def scanner() -> Iterator[Scanner]:
    made = Scanner()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, scanner: Scanner) -> Iterator[Node]:
    callers = f'[{{"aet": "CT1", "address": "127.0.0.1", "port": {scanner.port}}}]'
    env = {"DICOM_NODE_LISTENER__CALLERS": callers, "DICOM_NODE_DELIVERY__FIRST_DELAY": "0.2"}
    with Node(tmp_path_factory.mktemp("commitment") / "node", env=env) as running:
        yield running


def images(name: str) -> list[Dataset]:
    return Phantom(size=(16, 16), slices=3, study=name).datasets()


def assert_kept(scanner: Scanner, node: Node, datasets: list[Dataset], transaction: str) -> None:
    """Every instance is reported as committed, and is in the index and on the disk when it is."""
    node.wait_for(lambda: transaction in scanner.heard, 180, "the report")
    report = scanner.heard[transaction]
    assert "FailedSOPSequence" not in report
    wanted = {one.SOPInstanceUID for one in datasets}
    assert {one.ReferencedSOPInstanceUID for one in report.ReferencedSOPSequence} == wanted
    assert "reported" in node.run("commitments", "list")


def test_who_keeps_its_association_hears_on_it(node: Node, scanner: Scanner) -> None:
    datasets = images("same association")
    association = scanner.associate(node)
    scanner.ask(association, datasets, "2.25.1")
    wait_for(lambda: "2.25.1" in scanner.heard, 60, "the report on the same association")
    assert association.is_established
    association.release()
    assert_kept(scanner, node, datasets, "2.25.1")


@pytest.mark.parametrize("role", ["listen", "index", "deliver"])
def test_a_question_that_was_taken_is_answered_whoever_is_killed_behind_it(
    node: Node, scanner: Scanner, role: str
) -> None:
    datasets, transaction = images(f"killed {role}"), f"2.25.2{len(role)}"
    held = "index" if role == "listen" else "deliver"
    node.pause(held)
    association = scanner.associate(node)
    scanner.ask(association, datasets, transaction)
    association.abort()
    dead = node.kill(role)
    if held != role:
        node.resume(held)
    node.wait_restarted(role, dead)
    assert_kept(scanner, node, datasets, transaction)


def test_a_question_that_was_taken_is_answered_when_everything_was_killed_at_once(node: Node, scanner: Scanner) -> None:
    datasets = images("all killed")
    association = scanner.associate(node)
    scanner.ask(association, datasets, "2.25.3")
    node.kill_all()
    node.start()
    assert_kept(scanner, node, datasets, "2.25.3")
