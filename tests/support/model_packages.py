"""Small model packages for tests: a valid one, and whatever a test makes of it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tests.support.packages import network

MANIFEST = """\
[identity]
name = "toy"
version = "1.2.3"
title = "A toy"
manufacturer = "dicom-node project"
device_uid = "2.25.1"
licence = "Apache-2.0"
demonstration = true

[[inputs]]
name = "ct"
missing_slices = 1

[inputs.conditions]
modality = ["CT"]
min_slices = 3

[[preprocessing]]
step = "orientation"
axes = "SPL"

[[preprocessing]]
step = "window"
low = -1000.0
high = 400.0

[[preprocessing]]
step = "spacing"
mm = [3.0, 3, 3.0]

[[preprocessing]]
step = "pad"
multiple = 16

[network]
file = "network.onnx"
input = "volume"
outputs = ["logits"]
multiple = 16

[[postprocessing]]
step = "softmax"

[[postprocessing]]
step = "to_source"

[[postprocessing]]
step = "largest_component"

[[postprocessing]]
step = "fill_holes"

[[guards]]
check = "extent"
least = [50.0, 0.0, 0.0]

[[segments]]
number = 1
label = "Right lung"
category = { value = "123037004", scheme = "SCT", meaning = "Anatomical Structure" }
type = { value = "39607008", scheme = "SCT", meaning = "Lung" }
colour = [1, 2, 3]

[[segments]]
number = 2
label = "Left lung"
category = { value = "123037004", scheme = "SCT", meaning = "Anatomical Structure" }
type = { value = "39607008", scheme = "SCT", meaning = "Lung" }
laterality = { value = "7771000", scheme = "SCT", meaning = "Left" }
colour = [4, 5, 6]

[[measurements]]
what = "volume"
name = { value = "118565006", scheme = "SCT", meaning = "Volume" }
unit = { value = "ml", scheme = "UCUM", meaning = "milliliter" }

[[measurements]]
what = "mean"
name = { value = "112031", scheme = "DCM", meaning = "Attenuation Coefficient" }
unit = { value = "[hnsf'U]", scheme = "UCUM", meaning = "Hounsfield unit" }

[digests]
"""

FILES = {"network.onnx": network(), "card.md": b"# A toy\n"}


def write_package(folder: Path, manifest: str = MANIFEST) -> Path:
    """A package called "toy" under `folder`. Returns its folder."""
    return write_files(folder / "toy", FILES, manifest)


def write_files(package: Path, files: Mapping[str, bytes], manifest: str) -> Path:
    """A package's folder: `files`, and `manifest` with their digests after it."""
    package.mkdir(parents=True)
    for name, data in files.items():
        (package / name).write_bytes(data)
    digests = "".join(f'"{name}" = "{hashlib.sha256(data).hexdigest()}"\n' for name, data in files.items())
    (package / "manifest.toml").write_text(manifest + digests)
    return package
