"""Put the golden sample and the digests into the package models/ct_nodules, which is the last step of making it.

    python -m training.nodules.package models/ct_nodules

The sample is the phantom of inference_worker/phantom.py without noise and with three nodules.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from inference_worker import golden
from inference_worker.engines.onnxruntime import OnnxRuntimeEngine
from inference_worker.phantom import ChestPhantom
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume, build
from inference_worker.windows import Windowed
from models.digests import write_digests
from models.registry import load_package

# Middles (LPS, mm) and radii (mm).
NODULES = (((-75.0, 5.0, 10.0), 8.0), ((80.0, 30.0, 35.0), 5.0), ((-60.0, -40.0, -20.0), 12.0))


def sample() -> Volume:
    """The phantom at 2 x 2 x 2.5 mm."""
    phantom = ChestPhantom(slices=100, size=176, spacing=2.5, pixel=2.0, nodules=NODULES, noise=0.0)
    with tempfile.TemporaryDirectory() as folder:
        return build(phantom.write(Path(folder)))


def finish(folder: Path) -> None:
    """Make `folder`, which has its network, evaluation, card and manifest, a whole package."""
    for name in (golden.INPUT, golden.EXPECTED):
        # The package must be whole before the node's path runs it to make them.
        np.savez_compressed(folder / name, allow_pickle=False, nothing=np.zeros(1))
    write_digests(folder)
    package = load_package(folder)
    sources = {package.manifest.inputs[0].name: sample()}
    golden.write(folder, package.manifest, sources, Pipeline(package, Windowed(OnnxRuntimeEngine()), "").run(sources))
    write_digests(folder)


if __name__ == "__main__":
    finish(Path(sys.argv[1]))
