"""TensorRT compiles once for a GPU, keeps what it compiled, and takes FP16 only where the golden sample allows it."""

import ctypes
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from domain.errors import ConfigurationError, Permanent
from inference_worker.engines import cuda
from inference_worker.engines.plans import BuildSettings, building, plan_name, read_plan, write_plan
from inference_worker.engines.protocol import Engine, OutOfMemory
from inference_worker.engines.tensorrt import TensorRtEngine, profile_shapes, settle
from inference_worker.windows import Windowed
from models.manifest import Network
from tests.support import fake_gpu, networks

WANTED = Network("toy.onnx", shape=(1, 1, 0, 0, 0), multiple=4, halve=True)
H200 = cuda.Gpu("NVIDIA H200", (9, 0), 1 << 30)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = fake_gpu.tensorrt()
    monkeypatch.setitem(sys.modules, "tensorrt", made)
    return made


def engine(cache: Path, agrees: Any = None, limit: int = 1 << 30, memory: int = 0) -> TensorRtEngine:
    return TensorRtEngine(cache, agrees, cuda.Driver(fake_gpu.Cuda(limit=limit)), memory)


@pytest.mark.usefixtures("library")
def test_a_network_is_compiled_and_answers(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.load(networks.root(), WANTED)
    assert made.name == "TensorRT 10.15.1.29 (NVIDIA H200, FP32)"
    for side in (8, 40, 12):
        batch = np.random.default_rng(side).random((1, 1, side, side, 8), np.float32)
        outputs = made.infer(batch)
        assert list(outputs) == ["logits"] and np.array_equal(outputs["logits"], np.sqrt(batch))


def test_what_was_compiled_once_is_read_back(tmp_path: Path, library: Any) -> None:
    for _ in range(3):
        engine(tmp_path).load(networks.root(), WANTED)
    assert library.Builder.built == ["fp32"]
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("nvidia-h200-sm90-trt10.15.1.29-fp32-")


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 32 + b"plan{}"])
def test_a_damaged_plan_is_compiled_anew(tmp_path: Path, library: Any, damage: bytes) -> None:
    engine(tmp_path).load(networks.root(), WANTED)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    engine(tmp_path).load(networks.root(), WANTED)
    assert library.Builder.built == ["fp32", "fp32"] and kept.read_bytes() == whole


def test_a_plan_that_tensorrt_cannot_read_is_compiled_anew(tmp_path: Path, library: Any) -> None:
    engine(tmp_path).load(networks.root(), WANTED)
    (kept,) = tmp_path.iterdir()
    write_plan(kept, b"of another TensorRT")
    engine(tmp_path).load(networks.root(), WANTED)
    assert library.Builder.built == ["fp32", "fp32"]


def test_fp16_is_taken_where_the_golden_sample_agrees(tmp_path: Path, library: Any) -> None:
    seen: list[float] = []

    def agrees(loaded: Engine) -> bool:
        loaded.load(b"what a pipeline would load again", WANTED)
        batch = np.full((1, 1, 4, 4, 4), 0.3, np.float32)
        seen.append(float(np.abs(loaded.infer(batch)["logits"] - np.sqrt(batch)).max()))
        return seen[-1] < WANTED.tolerance

    made = engine(tmp_path, agrees)
    made.load(networks.root(), WANTED)
    assert made.name.endswith("FP16)") and library.Builder.built == ["fp16"] and 0 < seen[0] < 1e-3


def test_fp16_that_does_not_agree_is_not_used_and_not_compiled_again(tmp_path: Path, library: Any) -> None:
    for _ in range(2):
        made = engine(tmp_path, lambda _loaded: False)
        made.load(networks.root(), WANTED)
        assert made.name.endswith("FP32)")
    assert library.Builder.built == ["fp16", "fp32"]


@pytest.mark.parametrize(
    ("agrees", "built", "settled"),
    [
        (None, ["fp32"], "fp32"),
        (lambda: True, ["fp16"], "fp16"),
        (lambda: False, ["fp16", "fp32"], "fp32"),
    ],
)
def test_the_precision_is_settled_by_what_agrees(agrees: Any, built: list[str], settled: str) -> None:
    tried: list[str] = []
    assert settle(tried.append, agrees) == settled
    assert tried == built


def test_fp16_that_overflows_does_not_agree() -> None:
    def build(precision: str) -> None:
        if precision == "fp16":
            raise Permanent("the network's output is not finite")

    assert settle(build, lambda: True) == "fp32"


def test_a_gpu_without_memory_for_fp16_is_no_reason_for_more(tmp_path: Path) -> None:
    def build(_precision: str) -> None:
        raise OutOfMemory("none left")

    with pytest.raises(OutOfMemory):
        settle(build, lambda: True)
    assert not list(tmp_path.iterdir())


def test_memory_that_runs_out_while_compiling_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu.tensorrt(refuses=frozenset({"fp32"})))
    with pytest.raises(OutOfMemory, match="GPU memory"):
        engine(tmp_path).load(networks.root(), WANTED)


def test_a_limit_of_memory_holds_while_compiling_and_while_running_and_has_a_plan_of_its_own(
    tmp_path: Path, library: Any
) -> None:
    limit = 12 * 40**3
    made = engine(tmp_path, memory=limit)
    made.load(networks.root(), WANTED)
    assert library.Builder.pools == [{"workspace": limit}]
    with pytest.raises(OutOfMemory, match=f"exceed the limit of {limit}"):
        made.infer(np.ones((1, 1, 48, 48, 48), np.float32))
    assert made.infer(np.ones((1, 1, 16, 16, 16), np.float32))["logits"].all()
    engine(tmp_path).load(networks.root(), WANTED)
    assert library.Builder.pools[1:] == [{}] and len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("library")
def test_memory_that_runs_out_on_the_gpu_is_met_with_a_smaller_window(tmp_path: Path) -> None:
    made = engine(tmp_path, limit=12 * 40**3)
    made.load(networks.root(), WANTED)
    batch = np.random.default_rng(1).random((1, 1, 48, 48, 48), np.float32)
    with pytest.raises(OutOfMemory, match="no memory left"):
        made.infer(batch)
    windowed = Windowed(made)
    windowed.load(networks.root(), WANTED)
    assert np.allclose(windowed.infer(batch)["logits"], np.sqrt(batch), atol=1e-6)


@pytest.mark.usefixtures("library")
def test_an_input_larger_than_what_was_compiled_for_goes_in_windows(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.load(networks.root(), WANTED)
    batch = np.full((1, 1, 260, 8, 8), 4, np.float32)
    with pytest.raises(OutOfMemory, match=r"compiled for inputs up to \(1, 1, 256, 256, 256\)"):
        made.infer(batch)
    windowed = Windowed(made)
    windowed.load(networks.root(), WANTED)
    assert np.allclose(windowed.infer(batch)["logits"], 2)


@pytest.mark.usefixtures("library")
def test_an_input_smaller_than_what_was_compiled_for_is_refused(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.load(networks.root(), WANTED)
    with pytest.raises(Permanent, match="does not satisfy the profile"):
        made.infer(np.zeros((1, 1, 2, 8, 8), np.float32))


@pytest.mark.usefixtures("library")
def test_what_is_no_network_is_a_wrong_package(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it is no ONNX network"):
        engine(tmp_path).load(b"not a network", WANTED)
    with pytest.raises(ConfigurationError, match="not those of the manifest"):
        engine(tmp_path).load(networks.root(), Network("toy.onnx", outputs=("shares",)))


@pytest.mark.usefixtures("library")
def test_memory_on_the_gpu_is_kept_for_the_next_input_and_given_back_at_the_next_load(tmp_path: Path) -> None:
    card = fake_gpu.Cuda()
    made = TensorRtEngine(tmp_path, None, cuda.Driver(card))
    made.load(networks.root(), WANTED)
    made.infer(np.zeros((1, 1, 40, 40, 40), np.float32))
    held = dict(card.held)
    made.infer(np.zeros((1, 1, 8, 8, 8), np.float32))
    assert card.held == held and len(held) == 3
    made.load(networks.root(), WANTED)
    assert sum(map(len, card.held.values())) < sum(map(len, held.values()))


@pytest.mark.usefixtures("library")
def test_without_a_gpu_tensorrt_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "driver", lambda: None)
    with pytest.raises(ConfigurationError, match="needs an NVIDIA GPU"):
        TensorRtEngine(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "declared", "shapes"),
    [
        (
            Network("n", multiple=16),
            (1, 1, 0, 0, 0),
            ((1, 1, 16, 16, 16), (1, 1, 128, 128, 128), (1, 1, 256, 256, 256)),
        ),
        (
            Network("n", shape=(0, 4, 0, 0, 0), multiple=16, window=(96, 96, 96), batch=4),
            (0, 4, 0, 0, 0),
            ((1, 4, 48, 48, 48), (4, 4, 96, 96, 96), (4, 4, 96, 96, 96)),
        ),
        (
            Network("n", shape=(0, 3, 0, 0), multiple=32, batch=8),
            (0, 3, 0, 0),
            ((1, 3, 32, 32), (8, 3, 512, 512), (8, 3, 2048, 2048)),
        ),
        (Network("n", shape=(0, 3, 0, 0), batch=2), (0, 150, 150, 3), ((1, 150, 150, 3), *[(2, 150, 150, 3)] * 2)),
        (Network("n", shape=(1, 1, 256, 256, 256)), (1, 1, 0, 0, 0), ((1, 1, 256, 256, 256),) * 3),
    ],
)
def test_what_is_compiled_for_follows_from_the_manifest(wanted: Network, declared: Any, shapes: Any) -> None:
    assert profile_shapes(declared, wanted) == shapes


def test_a_plan_s_name_changes_with_all_that_it_was_compiled_for() -> None:
    fp16 = BuildSettings("fp16", ("FP16",), ("TF32",))
    names = {
        plan_name(H200, "10.15", b"network", WANTED, fp16),
        plan_name(cuda.Gpu("NVIDIA L4", (8, 9), 1), "10.15", b"network", WANTED, fp16),
        plan_name(cuda.Gpu("NVIDIA H200", (9, 1), 1), "10.15", b"network", WANTED, fp16),
        plan_name(H200, "10.16", b"network", WANTED, fp16),
        plan_name(H200, "10.15", b"network", WANTED, replace(fp16, precision="fp32", set=())),
        plan_name(H200, "10.15", b"network", WANTED, replace(fp16, cleared=())),
        plan_name(H200, "10.15", b"network", WANTED, replace(fp16, memory=1 << 30)),
        plan_name(H200, "10.15", b"another", WANTED, fp16),
        plan_name(H200, "10.15", b"network", Network("toy.onnx", multiple=8), fp16),
    }
    assert len(names) == 9 and all("/" not in name for name in names)


def test_a_library_without_the_flag_for_fp16_compiles_in_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = fake_gpu.tensorrt(version="11.0.0", flags=SimpleNamespace(TF32="tf32"))
    monkeypatch.setitem(sys.modules, "tensorrt", newer)
    made = engine(tmp_path, lambda _loaded: True)
    made.load(networks.root(), WANTED)
    assert made.name == "TensorRT 11.0.0 (NVIDIA H200, FP32)" and newer.Builder.built == ["fp32"]


def test_a_library_that_lacks_what_the_engine_calls_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = fake_gpu.tensorrt(version="11.0.0")
    newer.ICudaEngine = type("ICudaEngine", (), {})
    monkeypatch.setitem(sys.modules, "tensorrt", newer)
    with pytest.raises(
        ConfigurationError, match=r"TensorRT 11\.0\.0 has no ICudaEngine\.create_execution_context.*<11"
    ):
        engine(tmp_path)


def test_a_build_that_was_cut_off_is_not_begun_anew_until_somebody_says_so(tmp_path: Path, library: Any) -> None:
    engine(tmp_path).load(networks.root(), WANTED)
    (plan,) = tmp_path.iterdir()
    plan.unlink()
    mark = plan.with_suffix(".building")
    mark.write_bytes(b"begun")  # as a process that was killed leaves it
    with pytest.raises(ConfigurationError, match=r"was cut off before it was done; remove .*\.building"):
        engine(tmp_path).load(networks.root(), WANTED)
    mark.unlink()
    engine(tmp_path).load(networks.root(), WANTED)
    assert library.Builder.built == ["fp32", "fp32"] and list(tmp_path.iterdir()) == [plan]


def test_who_comes_while_a_plan_is_built_waits_for_it(tmp_path: Path) -> None:
    file, seen = tmp_path / "one.plan", list[bytes | None]()

    def other() -> None:
        with building(file):
            seen.append(read_plan(file))

    with building(file):
        thread = threading.Thread(target=other)
        thread.start()
        write_plan(file, b"a plan")
    thread.join()
    assert seen == [b"a plan"]


def test_a_build_that_fails_may_be_tried_again(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no kernel"), building(tmp_path / "one.plan"):
            raise RuntimeError("no kernel")


def test_a_plan_is_kept_whole_and_nothing_else_is(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "one.plan"
    assert read_plan(file) is None
    write_plan(file, b"a plan")
    assert read_plan(file) == b"a plan" and list(file.parent.iterdir()) == [file]
    file.write_bytes(file.read_bytes()[:-1])
    assert read_plan(file) is None


def test_the_driver_names_its_gpus() -> None:
    cards = cuda.Driver(fake_gpu.Cuda(("NVIDIA H200", "NVIDIA L4"), limit=1 << 36)).gpus()
    assert cards == (cuda.Gpu("NVIDIA H200", (9, 0), 1 << 36), cuda.Gpu("NVIDIA L4", (9, 0), 1 << 36))


def test_a_machine_without_a_driver_or_without_a_card_has_no_gpu() -> None:
    def absent(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    assert cuda.driver(absent) is None
    assert cuda.driver(lambda _name: fake_gpu.Cuda(())) is None


def test_what_goes_to_the_gpu_comes_back() -> None:
    driver = cuda.Driver(fake_gpu.Cuda(limit=1000))
    driver.use()
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    address = driver.take(array.nbytes)
    driver.copy_in(address, array, driver.stream())
    assert np.array_equal(driver.copy_out(address, (3, 4), np.float32), array)
    with pytest.raises(MemoryError):
        driver.take(1000)
    driver.give_back(address)
    assert driver.take(1000)


def test_input_is_copied_in_the_order_of_the_stream_that_computes() -> None:
    driver = cuda.Driver(fake_gpu.Cuda())
    address = driver.take(8)
    with pytest.raises(RuntimeError, match="cuMemcpyHtoDAsync_v2"):
        driver.copy_in(address, np.zeros(2, np.float32), driver.stream() + 1)


def test_any_other_error_of_the_driver_is_told() -> None:
    with pytest.raises(RuntimeError, match="cuStreamSynchronize: CUDA error 400"):
        cuda.Driver(fake_gpu.Cuda()).wait(1)


def test_the_driver_is_called_with_what_c_expects() -> None:
    calls: dict[str, tuple[Any, ...]] = {}

    class Seen(fake_gpu.Cuda):
        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if not name.startswith("cu"):
                return found
            return lambda *arguments: calls.update({name: arguments}) or found(*arguments)

    driver = cuda.Driver(Seen())
    driver.gpus()
    driver.use()
    address = driver.take(8)
    stream = driver.stream()
    driver.copy_in(address, np.zeros(2, np.float32), stream)
    driver.wait(stream)
    driver.copy_out(address, (2,), np.float32)
    # Addresses and sizes have 64 bits: as plain Python integers ctypes would cut them to 32.
    for name, arguments in calls.items():
        plain = [argument for argument in arguments if isinstance(argument, int)]
        assert plain == {"cuInit": [0], "cuStreamCreate": [1]}.get(name, []), name
    assert isinstance(calls["cuMemcpyHtoDAsync_v2"][2], ctypes.c_size_t)
