"""What the trail says of a package: the digest of its weights, and every threshold that its findings go by."""

import hashlib
from pathlib import Path

from models.provenance import provenance
from models.registry import Package, load_package
from tests.support.model_packages import MANIFEST, write_package

SHIPPED = Path(__file__).parents[2] / "models"


def package(name: str) -> Package:
    return load_package(SHIPPED / name)


def test_the_weights_are_told_by_the_digest_of_the_networks_file() -> None:
    of_file = hashlib.sha256((SHIPPED / "ct_nodules" / "network.onnx").read_bytes()).hexdigest()
    assert provenance(package("ct_nodules")).weights == of_file


def test_each_finding_and_each_lesion_has_its_threshold() -> None:
    assert provenance(package("ct_nodules")).thresholds[0] == ("lesions: Nodule candidate", "0.95")
    chest = package("cxr_findings")
    told = provenance(chest).thresholds
    assert [what for what, _ in told] == [f"findings: {one.label}" for one in chest.manifest.findings]
    assert told[0][1] == "0.09296"


def test_what_makes_a_mask_of_shares_is_a_threshold_as_well(tmp_path: Path) -> None:
    written = MANIFEST.replace(
        'step = "softmax"', 'step = "sigmoid"\n\n[[postprocessing]]\nstep = "threshold"\nabove = 0.25'
    )
    assert ("postprocessing: threshold", "0.25") in provenance(
        load_package(write_package(tmp_path, written))
    ).thresholds
