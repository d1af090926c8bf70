"""A package is tried before its first patient: on every engine that is there, with what a long series would take."""

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from inference_worker import dry_run as module
from inference_worker.dry_run import Report, tried
from inference_worker.extents import long_series, memory, prepared
from inference_worker.model_config import ModelProcessConfig
from inference_worker.package_trial import engines_of
from inference_worker.trial_process import dry_run
from models import steps
from models.digests import write_digests
from models.registry import Package, load_package
from tests.support.packages import write_package

for name in ("openvino", "onnxruntime"):
    pytest.importorskip(name, reason=f"{name} is not installed; `uv sync --all-extras` installs it")


@pytest.fixture(autouse=True)
def _torch_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes seconds to import is tried by hand; these tests are of two engines."""
    monkeypatch.setattr(
        module, "engines_of", lambda *given: [one for one in engines_of(*given) if "torch" not in one[0]]
    )


def package(folder: Path, change: Callable[[str], str] = lambda text: text, network: bytes | None = None) -> Package:
    made = write_package(folder)
    manifest = made / "manifest.toml"
    manifest.write_text(change(manifest.read_text()))
    if network is not None:
        (made / "network.onnx").write_bytes(network)
    write_digests(made)
    return load_package(made)


def tried_here(found: Package, **setup: object) -> Report:
    return tried(found, ModelProcessConfig(found.folder.parent, threads=1, **setup))  # type: ignore[arg-type]


def network(operator: str = "Conv", opset: int = 13, channels: int = 3) -> bytes:
    """As the package's own, by another operator or of another opset; the shape of its output is not declared."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, (channels, 1, 1, 1, 1), [0.0, 10.0, 40.0, 0.0][:channels])
    given = helper.make_tensor_value_info("volume", TensorProto.FLOAT, [1, 1, "z", "y", "x"])
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    names = ["volume", "w"] if operator == "Conv" else ["volume"]
    graph = helper.make_graph([helper.make_node(operator, names, ["logits"])], "g", [given], [made], [weights])
    opsets = [helper.make_opsetid("", opset)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def test_a_sound_package_is_sound_and_its_memory_is_said(tmp_path: Path) -> None:
    report = tried_here(package(tmp_path))
    assert report.faults == []
    (said,) = report.remarks
    assert said.startswith("a series of 500 slices takes about ")


def test_an_operator_that_no_engine_has_is_told_once_for_each_in_words(tmp_path: Path) -> None:
    report = tried_here(package(tmp_path, network=network("Nope")))
    assert len(report.faults) == 2
    assert all("it has an operator that this library cannot run: " in one for one in report.faults)


def test_an_opset_that_one_engine_alone_takes_is_a_fault_where_any_may_be_chosen(tmp_path: Path) -> None:
    newest = package(tmp_path, network=network(opset=99))
    (fault,) = tried_here(newest).faults
    assert "ONNX Runtime" in fault and "it was written with opset 99; this version knows up to " in fault
    report = tried_here(newest, engine="openvino")
    assert report.faults == [] and "opset 99" in report.remarks[0]


def test_channels_that_the_file_does_not_declare_are_counted_when_it_has_run(tmp_path: Path) -> None:
    (fault,) = tried_here(package(tmp_path, network=network(channels=2))).faults
    assert fault == "segments: 2 can never occur: no channel of the network comes to them"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("[network]", "[network]\nmultiple = 16"), "of a series of 500 x 512 x 512"),
        (
            lambda text: text.replace("[network]", "[network]\nshape = [1, 1, 64, 64, 64]"),
            "the network reads (1, 64, 64, 64)",
        ),
        (
            lambda text: text.replace('step = "spacing"\nmm = [3.0, 3.0, 3.0]', 'step = "resize"\nsize = [64, 64]'),
            "names sizes for another number of axes",
        ),
    ],
)
def test_steps_that_do_not_end_in_what_the_network_reads_are_named(
    tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    assert said in "\n".join(tried_here(package(tmp_path, change)).faults)


def test_a_tolerance_that_engines_break_is_named_with_what_they_differ_by(tmp_path: Path) -> None:
    def change(text: str) -> str:
        return text.replace("[network]", "[network]\ntolerance = 1e-30").replace('"softmax"', '"sigmoid"')

    strict = package(tmp_path, change, network("Tanh"))
    found = [one for one in tried_here(strict).faults if one.startswith("network.tolerance")]
    assert len(found) == 1
    assert found[0].startswith("network.tolerance: is 1e-30; ONNX Runtime") and "differs from OpenVINO" in found[0]


def test_memory_that_a_long_series_will_not_have_is_named_before_one_comes(tmp_path: Path) -> None:
    (fault,) = tried_here(package(tmp_path), memory=600_000_000).faults
    assert "a series of 500 slices takes about" in fault and "may take 0.6 GB (models.memory_gb)" in fault


def test_the_sizes_that_steps_make_are_worked_out_without_voxels() -> None:
    source = long_series(100)
    channels, grid = prepared(
        source,
        2,
        (steps.Orientation("RAI"), steps.Spacing((2.0, 1.6, 1.6)), steps.Pad(multiple=16, both=True), steps.Stack()),
    )
    assert (channels, grid.shape) == (2, (208, 256, 64))
    assert prepared(source, 1, (steps.Conform(),))[1].shape == (256, 256, 256)
    assert prepared(source, 1, (steps.CentreCrop((64, 64, 64)), steps.BlockMean(2)))[1].shape == (32, 32, 32)


def test_many_classes_are_estimated_as_they_are_passed_through(tmp_path: Path) -> None:
    windows = package(tmp_path, lambda text: text.replace("[network]", "[network]\nwindow = [96, 96, 96]"))

    def spaced(text: str) -> str:
        return text.replace("3.0, 3.0, 3.0", "1.5, 1.5, 1.5")

    fine = package(
        tmp_path / "fine", lambda text: spaced(text).replace("[network]", "[network]\nwindow = [96, 96, 96]")
    )
    closing = '"softmax"\n\n[[postprocessing]]\nstep = "close"\nmm = 2'
    whole = package(tmp_path / "whole", lambda text: spaced(text).replace('"softmax"', closing))
    source = long_series()
    assert memory(windows.manifest, source, 118) < memory(fine.manifest, source, 118) < 4e9
    assert memory(whole.manifest, source, 118) > 40e9


@pytest.mark.slow  # a process that imports every engine
def test_a_network_that_ends_or_outlasts_its_process_is_a_fault_of_the_package(tmp_path: Path) -> None:
    found = package(tmp_path)
    setup = ModelProcessConfig(tmp_path, threads=1, memory=50_000_000)
    (fault,) = dry_run(found.folder, setup, 60).faults
    assert "while" in fault or "memory" in fault
    (fault,) = dry_run(found.folder, ModelProcessConfig(tmp_path, threads=1), 0.01).faults
    assert "took longer than 0.01 s" in fault
