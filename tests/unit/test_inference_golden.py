"""A golden sample proves an engine or an installation, or shows that it differs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ConfigurationError, IntegrityError
from domain.findings import Code, FindingProbability, Findings, SourceFrame
from domain.routing import Conditions
from inference_worker import golden, package_trial
from inference_worker.engines import choice
from inference_worker.images import Images, Picture
from inference_worker.model_protocol import Outcome, Sources
from inference_worker.package_trial import bench, prove, runner
from inference_worker.trial_process import files_of
from inference_worker.volume import Volume, digest
from models.digests import write_digests
from models.manifest import Finding as Wanted
from models.manifest import Golden, Input
from models.registry import Package, load_package
from models.signing import generate_key, sign, trusted_keys
from tests.support.packages import write_package

STATED = f'\n[golden]\ninput = "{golden.INPUT}"\nexpected = "{golden.EXPECTED}"\n'
FRAMES = (SourceFrame("1.2.3"), SourceFrame("1.2.4"))


def volume(side: int = 12) -> Volume:
    """Air, with a body and a bone in it, 3 mm a voxel."""
    voxels = np.full((side, side, side), -1000, np.int16)
    voxels[2:-2, 2:-2, 2:-2] = 40
    voxels[4:-4, 4:-4, 4:-4] = 1000
    affine = np.array([[0, 0, 3.0, 0], [0, 3.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    frames = tuple(SourceFrame(f"1.2.{k}") for k in range(side))
    return Volume(voxels, affine, frames, digest(voxels, affine, frames))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Body and bone, with a golden sample that OpenVINO made."""
    folder = write_package(tmp_path)
    bare = load_package(folder)
    sources: Sources = {"ct": volume()}
    golden.write(folder, bare.manifest, sources, runner(bare, "openvino", 1).run(sources))
    manifest = folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("\n[digests]", STATED + "\n[digests]"))
    write_digests(folder)
    return load_package(folder)


def test_the_engine_that_made_the_sample_agrees_with_it(package: Package) -> None:
    engine, verdict = prove(package, "openvino", 1)
    assert engine.startswith("OpenVINO ")
    assert verdict == golden.Verdict(True, 1.0, None)
    assert str(verdict) == "agrees: Dice 1.0000 at the least"


def test_where_signatures_are_required_only_a_trusted_one_runs(package: Package, tmp_path: Path) -> None:
    generate_key(tmp_path / "us.pem")
    trusted = trusted_keys([tmp_path / "us.pub.pem"])
    with pytest.raises(IntegrityError, match="the package is unsigned; trusted keys: us"):
        runner(package, "openvino", 1, keys=trusted)
    sign(package, tmp_path / "us.pem")
    assert golden.check(package, runner(package, "openvino", 1, keys=trusted).run).agrees
    with pytest.raises(IntegrityError, match="trusted keys: none"):
        runner(package, "openvino", 1, keys=())


def test_where_tensorrt_cannot_build_a_network_the_next_engine_runs_it_and_the_reason_is_logged(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def placed(_name: str, _kind: str, _device: str, cache: Path | None) -> tuple[str, str]:
        return ("tensorrt", "cpu") if cache else ("openvino", "cpu")

    def make(name: str, kind: str, threads: int, device: str, cache: Path | None, *more: Any) -> Any:
        if cache:
            raise ConfigurationError("no kernel for its third layer")
        return choice.make(name, kind, threads, device, cache, *more)

    monkeypatch.setattr(package_trial, "placed", placed)
    monkeypatch.setattr(package_trial, "make", make)
    found = runner(package, threads=1, cache=tmp_path).run(golden.sample(package)).findings
    assert not found.engine.startswith("TensorRT")
    assert "the next engine is taken: no kernel for its third layer" in caplog.text
    with pytest.raises(ConfigurationError, match="no kernel"):
        runner(package, "tensorrt", 1, tmp_path)


def test_a_sample_keeps_the_values_and_no_instance(package: Package) -> None:
    (kept,) = golden.sample(package).values()
    assert isinstance(kept, Volume)
    assert np.array_equal(kept.voxels, volume().voxels)
    assert np.array_equal(kept.affine, volume().affine)
    assert kept.frames[0] == SourceFrame("2.25.1")


def test_another_result_differs(package: Package) -> None:
    def shifted(sources: Sources) -> Outcome:
        mask = np.zeros((12, 12, 12), np.uint8)
        mask[3:-1, 2:-2, 2:-2] = 1
        mask[5:-3, 4:-4, 4:-4] = 2
        return Outcome(Findings(package.identity, "", (), None, ()), mask)

    verdict = golden.check(package, shifted)
    assert not verdict.agrees
    assert verdict.dice == pytest.approx(0.75)


def test_a_mask_on_another_grid_differs(package: Package) -> None:
    smaller = Outcome(Findings(package.identity, "", (), None, ()), np.zeros((1, 1, 1), np.uint8))
    assert golden.check(package, lambda _: smaller) == golden.Verdict(False, 0.0, None)


def test_a_changed_sample_is_found(package: Package) -> None:
    (package.folder / golden.INPUT).write_bytes(b"")
    with pytest.raises(IntegrityError, match=golden.INPUT):
        golden.sample(package)


def test_a_package_without_a_sample_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no golden sample; make one with `models golden`"):
        golden.sample(load_package(write_package(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"\x80\x04K\x01."])
def test_a_sample_that_holds_no_arrays_is_named(package: Package, content: bytes) -> None:
    (package.folder / golden.INPUT).write_bytes(content)
    write_digests(package.folder)
    with pytest.raises(ConfigurationError, match=golden.INPUT):
        golden.sample(load_package(package.folder))


def test_a_pickle_among_the_arrays_is_never_opened(package: Package) -> None:
    arrays: Any = {"ct.voxels": np.array([{"a": 1}], dtype=object), "ct.affine": np.eye(4)}
    np.savez(package.folder / golden.INPUT, **arrays)
    write_digests(package.folder)
    with pytest.raises(ConfigurationError, match="Object arrays cannot be loaded"):
        golden.sample(load_package(package.folder))


def test_probabilities_are_held_against_the_tolerance(package: Package) -> None:
    wanted = (Wanted(0, "Effusion", Code("1", "99X", "x"), 0.5), Wanted(1, "Mass", Code("2", "99X", "y"), 0.5))
    classifier = replace(package.manifest, segments=(), findings=wanted)
    expected = {"probabilities": np.array([[0.1, 0.2], [0.3, 0.4]])}

    def judged(*shares: float) -> golden.Verdict:
        found = tuple(
            FindingProbability(wanted[k % 2].label, wanted[k % 2].code, share, 0.5, k // 2)
            for k, share in enumerate(shares)
        )
        outcome = Outcome(Findings(package.identity, "", FRAMES, None, (), found))
        return golden.judge(outcome, expected, classifier, Golden("", "", tolerance=0.01))

    assert judged(0.1, 0.2, 0.3, 0.405).agrees
    assert not judged(0.1, 0.2, 0.3, 0.42).agrees
    assert not judged(0.1, 0.2).agrees
    assert str(judged(0.1, 0.25, 0.3, 0.4)) == "differs: probabilities differ by 0.05 at the most"


def test_images_are_kept_with_their_display_and_their_spacing(package: Package) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    shown, darker = (np.asarray(values / part, np.float32) for part in (5, 6))
    pictures = (Picture(values, shown, FRAMES[0], (0.1, 0.2)), Picture(values + 1, darker, FRAMES[1], None))
    outcome = Outcome(Findings(package.identity, "", FRAMES, None, (), ()))
    classifier = replace(package.manifest, segments=(), inputs=(Input("image", Conditions(), "images"),))
    found = (Wanted(0, "Effusion", Code("1", "99X", "x"), 0.5),)
    classifier = replace(classifier, findings=found, golden=Golden(golden.INPUT, golden.EXPECTED))
    golden.write(package.folder, classifier, {"image": Images(pictures, "")}, outcome)
    write_digests(package.folder)
    again = replace(load_package(package.folder), manifest=classifier)
    (kept,) = golden.sample(again).values()
    assert isinstance(kept, Images)
    assert [one.spacing for one in kept.pictures] == [(0.1, 0.2), None]
    assert np.array_equal(kept.pictures[1].values, values + 1)
    assert np.array_equal(kept.pictures[0].shown, values / 5)


def test_a_thinned_volume_lies_where_the_whole_one_did() -> None:
    (kept,) = golden.thinned({"ct": volume()}, 3).values()
    assert isinstance(kept, Volume)
    assert kept.voxels.shape == (4, 4, 4)
    assert kept.voxels[1, 1, 1] == volume().voxels[3, 3, 3]
    assert np.array_equal(kept.affine @ [1, 1, 1, 1], volume().affine @ [3, 3, 3, 1])


def test_engines_run_side_by_side_on_what_a_series_becomes(package: Package) -> None:
    rows = bench(package, golden.sample(package), threads=1, repeats=1)
    assert rows[0].engine.startswith("OpenVINO ")
    assert rows[0].difference == 0
    for row in rows:
        assert not row.failure
        assert row.dice == 1.0


def test_a_model_wants_as_many_series_as_it_has_inputs(package: Package, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the model reads 1 series \(ct\), not 2"):
        files_of(package.manifest, [tmp_path, tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="holds no file"):
        files_of(package.manifest, [tmp_path / "empty"])
