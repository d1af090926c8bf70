"""Every engine that is installed here gives what the others give, and says so when memory runs out."""

import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from benchmarks import engines
from domain.errors import ConfigurationError
from inference_worker.engines.choice import make
from inference_worker.engines.comparison import dice, difference, shares
from inference_worker.engines.libraries import LIBRARIES
from models.manifest import Network
from models.steps import Softmax
from tests.support.networks import volume

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("DICOM_NODE_TEST_DATA", ROOT.parent / "shared" / "data"))
ONNX = DATA / "models" / "onnx"
LUNG = ROOT / "models" / "ct_lung" / "network.onnx"

_T1 = Network("network.onnx", input="t1")
_NETWORKS: dict[str, tuple[Path, Network, tuple[int, ...], Any]] = {
    "ct_lung": (LUNG, Network("network.onnx", multiple=16), (1, 1, 48, 64, 32), Softmax()),
    "ct_lung in windows": (
        LUNG,
        Network("network.onnx", multiple=16, window=(32, 32, 32)),
        (1, 1, 48, 64, 32),
        Softmax(),
    ),
    "meshnet, 18 classes": (ONNX / "meshnet_model30chan18cls.onnx", _T1, (1, 1, 40, 36, 44), Softmax()),
    "meshnet, 3 classes": (ONNX / "meshnet_model20chan3cls.onnx", _T1, (1, 1, 40, 36, 44), Softmax()),
    "meshnet, model 5": (ONNX / "meshnet_model5_gw_ae.onnx", _T1, (1, 1, 40, 36, 44), Softmax()),
    "deepbrain": (
        ONNX / "deepbrain_v2.onnx",
        Network("network.onnx", input="img:0", outputs=("prob:0",), shape=(1, 1, 128, 128, 128)),
        (1, 1, 128, 128, 128),
        None,
    ),
    "pneumonia": (
        ONNX / "pneumonia_am1codes.onnx",
        Network("network.onnx", input="image", outputs=("dense_1",), shape=(0, 3, 150, 150), batch=2),
        (3, 3, 150, 150),
        None,
    ),
}


# onnx2torch knows no transposed convolution that is padded on one side alone.
_NOT_BY_TORCH = {"deepbrain"}


@pytest.mark.slow
@pytest.mark.parametrize("name", _NETWORKS)
def test_engines_give_the_same(name: str) -> None:
    file, wanted, shape, step = _NETWORKS[name]
    _need(file)
    found = {}
    for engine in _several():
        made = make(engine, threads=2, device="cpu")
        if engine == "torch" and name in _NOT_BY_TORCH:
            with pytest.raises(ConfigurationError, match="non symmetrical padding is not implemented"):
                made.load(file.read_bytes(), wanted)
            continue
        made.load(file.read_bytes(), wanted)
        found[engine] = shares(made.infer(volume(*shape))[wanted.outputs[0]], [step] if step else [])
    for one, other in combinations(found, 2):
        assert difference(found[one], found[other]) <= wanted.tolerance, (one, other)
        overlap = dice(found[one], found[other])
        assert overlap is None or overlap >= 0.999, (one, other)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")  # onnx2torch's Slice under a newer torch
@pytest.mark.parametrize("name", sorted(path.parent.name for path in (ROOT / "models").glob("*/manifest.toml")))
def test_the_shipped_packages_give_the_same_by_every_engine(name: str) -> None:
    several = _several()
    (case,) = (one for one in engines.shipped() if one.package.name == name)
    ran = engines.each(case, threads=2)
    assert [one.failure for one in ran] == [""] * len(ran) and len(ran) >= len(several)
    pairs = engines.pairs(ran)
    assert len(pairs) == len(ran) * (len(ran) - 1) // 2
    for pair in pairs:
        assert pair.difference <= case.package.manifest.network.tolerance, pair
        assert (pair.dice is None) == bool(case.package.manifest.findings), pair
        assert pair.dice is None or pair.dice >= 0.999, pair


# A process that allows itself 300 MB more once its engine is warm; the network wants several times that.
_STARVED = """
import re, resource, sys
from pathlib import Path
import numpy as np
from inference_worker.engines.choice import make
from inference_worker.engines.protocol import OutOfMemory
from inference_worker.windows import Windowed, infer
from models.manifest import Network
from tests.support.networks import volume

name, file, kind, port = sys.argv[1:]
wanted = Network("network", kind=kind, input=port, multiple=16)
windowed = make(name, kind=kind, threads=1, device="cpu")
windowed.load(Path(file).read_bytes(), wanted)
engine = windowed._engine
before = engine.infer(volume(1, 1, 64, 64, 64))["logits"]
large = volume(1, 1, 192, 192, 192)
taken = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + 300 * 2**20, resource.RLIM_INFINITY))
try:
    engine.infer(large)
    print("it fitted")
except OutOfMemory as error:
    print("out of memory:", error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("the same:", np.array_equal(before, engine.infer(volume(1, 1, 64, 64, 64))["logits"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory as Linux does")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "torch"])
def test_memory_that_runs_out_is_told_and_the_engine_goes_on(name: str, tmp_path: Path) -> None:
    if not find_spec(name):
        pytest.skip(f"{name} is not installed")
    file, kind = (_scripted(tmp_path), "torchscript") if name == "torch" else (LUNG, "onnx")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _STARVED, name, str(file), kind, "volume"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, same = done.stdout.splitlines()
    assert said.startswith("out of memory: ") and "(1, 1, 192, 192, 192)" in said
    assert same == "the same: True"


def _scripted(folder: Path) -> Path:
    """A network of Torch in a file, written by a process of its own, for Torch warns of TorchScript."""
    file = folder / "network.pt"
    code = (
        "import sys, torch;"
        "network = torch.nn.Sequential(torch.nn.Conv3d(1, 30, 3, padding=1), torch.nn.Conv3d(30, 3, 3, padding=1));"
        "torch.jit.save(torch.jit.trace(network.eval(), torch.zeros(1, 1, 8, 8, 8)), sys.argv[1])"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(file)], check=True)
    return file


def _several() -> list[str]:
    """The engines that run on a CPU and are installed here."""
    here = [name for name in LIBRARIES if name != "tensorrt" and find_spec(name)]
    if len(here) < 2:
        pytest.skip(f"only {here} is installed: there is nothing to compare")
    return here


def _need(file: Path) -> None:
    if not file.exists():
        pytest.skip(f"the test data is absent: {file}")
