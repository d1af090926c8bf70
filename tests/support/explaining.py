"""The manifest of a classifier of two findings in one-channel pictures, for tests of its explanation maps."""

from domain.findings import Code
from domain.routing import Conditions
from models.manifest import Explanation, Finding, Identity, Input, Manifest, Network
from models.steps import After, Sigmoid


def manifest(
    maps: tuple[Explanation, ...],
    postprocessing: tuple[After, ...] = (Sigmoid(),),
    *,
    kind: str = "onnx",
    outputs: tuple[str, ...] = ("logits", "cam"),
    batch: int = 8,
    threshold: float = 0.5,
) -> Manifest:
    """Findings "First" and "Second", channels 0 and 1 of the first output, both from `threshold` on."""
    code = Code("60046008", "SCT", "Pleural effusion")
    return Manifest(
        identity=Identity("toy", "1.0", "A toy", "dicom-node project", "2.25.1", "Apache-2.0", True),
        inputs=(Input("film", Conditions(modality=("CR",)), kind="images"),),
        network=Network("network", kind=kind, input="film", outputs=outputs, shape=(0, 1, 0, 0), batch=batch),
        digests={},
        postprocessing=postprocessing,
        findings=(Finding(0, "First", code, threshold), Finding(1, "Second", code, threshold)),
        maps=maps,
    )
