"""The model process with a real engine and real packages."""

import math
import shutil
from pathlib import Path

import pytest

from domain.errors import ConfigurationError, IntegrityError
from inference_worker.loading import load
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_process import ModelProcess, ModelProcessSettings, Task
from models.registry import Registry, load_package
from models.signing import generate_key, sign
from tests.support.packages import NAME, VERSION, write_package
from tests.support.phantoms import Phantom, write


def test_a_package_on_a_real_engine_measures_the_phantom(tmp_path: Path) -> None:
    write_package(tmp_path / "models")
    phantom = Phantom(slices=20)
    files = tuple(write(phantom.datasets(), tmp_path / "images"))
    with ModelProcess(ModelProcessSettings(ModelProcessConfig(tmp_path / "models", "openvino", 1))) as child:
        answer = child.run(Task(NAME, VERSION, {"ct": files}, tmp_path / "one"), 60)
    bone = answer.findings.segments[1]
    assert bone.label == "Bone"
    assert bone.measurements[0].value == pytest.approx(math.pi * 18**2 * 100 / 1000, rel=0.05)
    assert answer.findings.mask
    assert answer.findings.mask.shape == (20, 128, 128)
    assert answer.findings.model == Registry.load(tmp_path / "models").get(NAME).identity


def test_a_changed_weight_file_fails_its_own_runs_and_no_others(tmp_path: Path) -> None:
    folder = write_package(tmp_path)
    network = folder / "network.onnx"
    network.write_bytes(network.read_bytes()[:-1] + b"?")
    files = tuple(write(Phantom(slices=3, size=(16, 16)).datasets(), tmp_path / "images"))
    with ModelProcess(ModelProcessSettings(ModelProcessConfig(tmp_path, "openvino", 1))) as child:
        for _ in range(2):
            with pytest.raises(IntegrityError, match=r"network\.onnx"):
                child.run(Task(NAME, VERSION, {"ct": files}, tmp_path / "one"), 60)


def test_an_unknown_engine_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no engine is called 'abacus'; known: auto, .*openvino"):
        load(ModelProcessConfig(tmp_path, "abacus", 1))


def test_a_package_that_nobody_trusted_signed_fails_its_jobs_with_the_reason_and_others_go_on(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_package(models)
    stranger = models / "stranger"
    shutil.copytree(models / NAME, stranger)
    manifest = stranger / "manifest.toml"
    manifest.write_text(manifest.read_text().replace(f'name = "{NAME}"', 'name = "stranger"'))
    generate_key(tmp_path / "ours.pem")
    sign(load_package(models / NAME), tmp_path / "ours.pem")
    files = tuple(write(Phantom(slices=3, size=(16, 16)).datasets(), tmp_path / "images"))
    setup = ModelProcessConfig(models, "openvino", 1, keys=(tmp_path / "ours.pub.pem",))
    with ModelProcess(ModelProcessSettings(setup)) as child:
        with pytest.raises(IntegrityError, match="the package is unsigned; trusted keys: ours"):
            child.run(Task("stranger", VERSION, {"ct": files}, tmp_path / "one"), 60)
        assert child.run(Task(NAME, VERSION, {"ct": files}, tmp_path / "one"), 60).findings.mask
