"""A modality and a worklist tell a real node what was requested and made, and its listener is killed in between."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    CTImageStorage,
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
)

from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.procedures import begun, ended, request
from tests.support.senders import keep_responses_for_their_request

pytestmark = pytest.mark.slow

STEPPED, ORDERED = (Phantom(size=(16, 16), slices=4, study=name, patient_id="P-1") for name in ("stepped", "ordered"))
# Silence alone would take longer than anybody waits.
PATIENT = {"DICOM_NODE_ASSEMBLY__SETTLE": "600", "DICOM_NODE_ASSEMBLY__MISSING": "600"}


@pytest.fixture(scope="module")
def worklist() -> Iterator[int]:
    """The port of a worklist that knows the second study."""

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        if event.identifier.StudyInstanceUID == study(ORDERED):
            yield 0xFF00, request(study(ORDERED), PatientID="P-1")
        yield 0x0000, None

    ae = AE("RIS")
    ae.add_supported_context(ModalityWorklistInformationFind)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    assert server is not None
    yield server.socket.getsockname()[1]
    server.shutdown()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, thresholds: Path, worklist: int) -> Iterator[Node]:
    source = {"name": "RIS", "aet": "RIS", "host": "127.0.0.1", "port": worklist, "counts": False, "worklist": True}
    env = {**PATIENT, "DICOM_NODE_SOURCES": json.dumps([source])}
    with Node(tmp_path_factory.mktemp("procedures") / "node", models=thresholds, env=env) as made:
        yield made


def study(phantom: Phantom) -> str:
    return str(next(iter(phantom.datasets())).StudyInstanceUID)


@contextmanager
def modality(node: Node) -> Iterator[Association]:
    ae = AE("CT1")
    for sop_class in (CTImageStorage, ModalityPerformedProcedureStep):
        ae.add_requested_context(sop_class)
    association = ae.associate("127.0.0.1", node.port, ae_title=node.aet)
    assert association.is_established
    keep_responses_for_their_request(association)
    yield association
    association.release()


def path(node: Node, phantom: Phantom) -> dict[str, Any]:
    """What is known of a study; nothing before it is."""
    found = [one for one in node.cli("status")["studies"] if one["study_uid"] == study(phantom)]
    return dict(node.cli("status", found[0]["id"])) if found else {}


def test_a_step_that_a_killed_listener_took_goes_on_and_its_study_is_complete_at_once(node: Node) -> None:
    uid = generate_uid()
    series: dict[str, list[str]] = {}
    with modality(node) as association:
        assert (
            association.send_n_create(begun(request(study(STEPPED))), ModalityPerformedProcedureStep, uid)[0].Status
            == 0
        )
    node.wait_restarted("listen", node.kill("listen"))
    with modality(node) as association:
        for one in STEPPED.datasets():
            series.setdefault(one.SeriesInstanceUID, []).append(one.SOPInstanceUID)
            assert association.send_c_store(one).Status == 0
        duplicate = association.send_n_create(begun(request(study(STEPPED))), ModalityPerformedProcedureStep, uid)[0]
        assert duplicate.Status == 0x0111
        assert association.send_n_set(ended(series), ModalityPerformedProcedureStep, uid)[0].Status == 0
        assert association.send_n_set(ended(series), ModalityPerformedProcedureStep, uid)[0].ErrorID == 0xA710
        node.wait_for(
            lambda: path(node, STEPPED).get("study", {}).get("state") == "complete",
            60,
            "the study to be complete while its association is open",
            lambda: path(node, STEPPED),
        )
    told = path(node, STEPPED)
    assert "MPPS" in told["study"]["completeness"]
    assert [(one["state"], one["instances"]) for one in told["steps"]] == [("COMPLETED", 4)]
    assert [(one["source"], one["codes"]) for one in told["requests"]] == [("MPPS", ["99RIS:CTTHOR"])]


def test_a_study_without_a_step_is_asked_about_at_the_worklist_while_it_comes(node: Node) -> None:
    with modality(node) as association:
        for one in ORDERED.datasets():
            assert association.send_c_store(one).Status == 0
        told: list[dict[str, Any]] = node.wait_for(
            lambda: path(node, ORDERED).get("requests", []), 60, "the worklist to be asked", lambda: path(node, ORDERED)
        )
    assert [(one["source"], one["codes"], one["known"]) for one in told] == [("RIS", ["99RIS:CTTHOR"], True)]
    assert 'dicom_node_worklist_questions_total{outcome="found",source="RIS"} 1.0' in node.get("assemble", "/metrics")
