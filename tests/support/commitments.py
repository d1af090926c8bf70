"""Questions of storage commitment as the listener records them, and who decides them, for tests without a network."""

from collections.abc import Sequence

from pydicom import Dataset

from consumers.steps.decide import Decider
from dicom_node.commitment import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    CommitmentRequest,
    Reference,
    encode_request,
)
from dicom_node.dimse import Operation
from dicom_node.elements import IMPLICIT
from dicom_node.offers import Offers
from dicom_node.spool import AssociationWriter, Close, SpoolReader
from tests.support.bench import Bench
from tests.support.ingest import SCANNER
from tests.support.phantoms import Phantom

CT = "1.2.840.10008.5.1.4.1.1.2"
SMALL = Phantom(size=(16, 16), slices=3)


def asking(association: AssociationWriter, references: Sequence[tuple[str, str]], transaction: str = "2.25.7") -> None:
    """What the listener records of an N-ACTION that it takes."""
    request = CommitmentRequest(transaction, tuple(Reference(*one) for one in references))
    association.keep(
        {"operation": int(Operation.N_ACTION), "type": 1},
        encode_request(request, IMPLICIT),
        sop_class=PUSH_MODEL,
        sop_instance=PUSH_MODEL_INSTANCE,
        transfer_syntax=IMPLICIT,
        context_id=1,
    )


def ask(bench: Bench, references: Sequence[tuple[str, str]], transaction: str = "2.25.7") -> None:
    association = bench.writer.open_association(SCANNER, {})
    asking(association, references, transaction)
    bench.writer.close_association(association, Close.RELEASED, "")
    bench.index()


def decide(bench: Bench, oldest: int | None = None) -> None:
    with SpoolReader(bench.root / "spool") as reader:
        Decider(bench.as_process("index"), Offers(bench.root / "spool"), reader.identity, lambda: oldest).step()


def of(datasets: Sequence[Dataset]) -> list[tuple[str, str]]:
    return [(one.SOPClassUID, one.SOPInstanceUID) for one in datasets]
