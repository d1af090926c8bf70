"""MONAI bundles give the same voxels in the node as `python -m monai.bundle run` does, whatever way their axes run.

The other side is independent from the first file on: SimpleITK reads the DICOM series and writes the NIfTI files,
MONAI's own command runs the bundle on them, SimpleITK brings what it saved to the source's grid.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.errors import ConfigurationError, IntegrityError, Permanent
from inference_worker.bundle import BundleModel
from inference_worker.bundle_tensorrt import TensorRT
from inference_worker.model_protocol import Outcome
from inference_worker.volume import Volume, build
from models.bundles import import_bundle
from models.digests import write_digests
from models.registry import Package, load_package
from tests.support.bundles import (
    CODES,
    Variant,
    checkpoint,
    config,
    metadata,
    phantom,
    put,
    trained,
    truth,
    write_bundle,
    write_codes,
)
from tests.support.phantoms import CORONAL, OBLIQUE, SAGITTAL, write

pytestmark = pytest.mark.slow

ORIENTATIONS = {"oblique": OBLIQUE, "sagittal": SAGITTAL, "coronal": CORONAL}
# Between them every way to differ.
VARIANTS = (Variant("RAS"), Variant("LPS", invert=False, weights="model.ts"))

Labels = NDArray[np.uint8]


def require(*modules: str) -> None:
    """Skip where one of `modules` is not installed; in CI that is a failure."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{', '.join(missing)} must be installed in CI")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed; `uv sync --all-extras` installs it")


@pytest.fixture(scope="module")
def networks() -> dict[str, bytes]:
    require("torch", "monai", "nibabel", "ignite")
    state, script = trained()
    return {"model.pt": state, "model.ts": script}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """One DICOM series for each orientation."""
    folder = tmp_path_factory.mktemp("series")
    return {
        name: write(phantom(orientation, str(number)).datasets(), folder / name)
        for number, (name, orientation) in enumerate(ORIENTATIONS.items(), start=1)
    }


@pytest.fixture(scope="module")
def volumes(series: dict[str, list[Path]]) -> dict[str, Volume]:
    return {name: build(files) for name, files in series.items()}


@pytest.fixture(scope="module")
def commands(
    tmp_path_factory: pytest.TempPathFactory, networks: Mapping[str, bytes], series: Mapping[str, list[Path]]
) -> dict[str, Path]:
    """Folders with what MONAI's own command saved, by variant."""
    require("fire", "SimpleITK")
    folder = tmp_path_factory.mktemp("command")
    images = folder / "data" / "imagesTs"
    images.mkdir(parents=True)
    for name in series:
        write_image(series[name], images / f"{name}.nii.gz")
    lines = [arguments(folder, variant, networks) for variant in VARIANTS]
    done = subprocess.run(
        [sys.executable, "-c", _IN_TURN, json.dumps(lines)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=280,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return {variant.name: folder / variant.name / "out" for variant in VARIANTS}


# `python -m monai.bundle` for each of the lines; its start costs more than its work.
_IN_TURN = """
import json, os, runpy, sys
for words in json.loads(sys.argv[1]):
    os.chdir(words[words.index("--bundle_root") + 1])
    sys.argv = ["monai.bundle", *words]
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
"""


def arguments(folder: Path, variant: Variant, networks: Mapping[str, bytes]) -> list[str]:
    """What MONAI's command gets, to run a variant on all series."""
    bundle = write_bundle(folder / variant.name, variant, networks[variant.weights])
    stated = {
        "config_file": bundle / "configs/inference.json",
        "meta_file": bundle / "configs/metadata.json",
        "bundle_root": bundle,
        "dataset_dir": folder / "data",
        "output_dir": folder / variant.name / "out",
    }
    return ["run", *(part for key, value in stated.items() for part in (f"--{key}", str(value)))]


def write_image(files: list[Path], path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813, PLC0415  # where it is installed

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(files[0].parent))
    sitk.WriteImage(sitk.Cast(sitk.ReadImage(names), sitk.sitkInt16), str(path))


def as_the_command_has_it(saved: Path, name: str) -> Labels:
    """What the command saved of the series `name`, on the grid of the image that it was given."""
    import SimpleITK as sitk  # noqa: N813, PLC0415

    result = sitk.ReadImage(str(saved / name / f"{name}_seg.nii.gz"))
    source = sitk.ReadImage(str(saved.parent.parent / "data" / "imagesTs" / f"{name}.nii.gz"))
    moved = sitk.Resample(result, source, sitk.Transform(), sitk.sitkNearestNeighbor)
    return np.asarray(sitk.GetArrayFromImage(moved)).astype(np.uint8)


def imported(folder: Path, variant: Variant, networks: Mapping[str, bytes], **arguments: Any) -> Package:
    bundle = write_bundle(folder, variant, networks[variant.weights])
    return import_bundle(bundle, folder / "packages", write_codes(folder), **arguments)


def changed(folder: Path, networks: Mapping[str, bytes], change: Callable[[dict[str, Any]], object]) -> Package:
    """A package made by hand: its config is `change`d after the import, and its digests are of what is there."""
    package = imported(folder, Variant(), networks)
    stated = config(Variant())
    change(stated)
    put(package.folder / "bundle/configs/inference.json", stated)
    write_digests(package.folder)
    return load_package(package.folder)


def dice(one: Labels, other: Labels, label: int) -> float:
    both = np.count_nonzero((one == label) & (other == label))
    return 2 * both / (np.count_nonzero(one == label) + np.count_nonzero(other == label))


def mask_of(outcome: Outcome) -> Labels:
    assert outcome.mask is not None
    return outcome.mask


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_node_gives_the_voxels_that_monais_own_command_gives(
    tmp_path: Path,
    variant: Variant,
    networks: Mapping[str, bytes],
    volumes: Mapping[str, Volume],
    commands: Mapping[str, Path],
) -> None:
    model = BundleModel(imported(tmp_path, variant, networks), "cpu")
    for name, volume in volumes.items():
        mask = mask_of(model.run({"image": volume}))
        np.testing.assert_array_equal(mask, as_the_command_has_it(commands[variant.name], name), err_msg=name)
        assert set(np.unique(mask)) == {0, 1, 2}
    model.close()


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SPL"])
@pytest.mark.parametrize("invert", [True, False], ids=["inverted", "as seen"])
def test_the_blocks_are_found_where_they_are(
    tmp_path: Path, networks: Mapping[str, bytes], volumes: Mapping[str, Volume], axcodes: str, invert: bool
) -> None:
    model = BundleModel(imported(tmp_path, Variant(axcodes, invert), networks), "cpu")
    for name, orientation in ORIENTATIONS.items():
        outcome = model.run({"image": volumes[name]})
        expected = truth(phantom(orientation))
        for label in (1, 2):
            assert dice(mask_of(outcome), expected, label) > 0.8, (name, label)
            for axis in range(3):
                assert dice(np.flip(mask_of(outcome), axis), expected, label) < 0.5, (name, label, axis)
        assert bool(outcome.findings.remarks) != invert
        volume = outcome.findings.segments[0].measurements[0]
        voxel = abs(np.linalg.det(volumes[name].affine[:3, :3])) / 1000
        assert volume.value == pytest.approx(np.count_nonzero(outcome.mask == 1) * voxel)
    model.close()


def test_a_study_leaves_nothing_behind_for_the_next_and_results_repeat(
    tmp_path: Path, networks: Mapping[str, bytes], volumes: Mapping[str, Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = list(sys.path)
    model = BundleModel(imported(tmp_path, Variant(), networks), "cpu")
    first = model.run({"image": volumes["oblique"]})
    model.run({"image": volumes["coronal"]})
    again = model.run({"image": volumes["oblique"]})
    np.testing.assert_array_equal(mask_of(first), mask_of(again))
    (scratch,) = tmp_path.glob("bundle-*")
    assert not [file for file in scratch.rglob("*") if ".nii" in file.name]
    assert sys.path == path
    model.close()
    assert not scratch.exists()


def test_a_slice_that_was_interpolated_is_in_no_mask(
    tmp_path: Path, networks: Mapping[str, bytes], series: Mapping[str, list[Path]]
) -> None:
    model = BundleModel(imported(tmp_path, Variant(), networks), "cpu")
    volume = build([path for k, path in enumerate(series["oblique"]) if k != 9], missing_slices=1)
    outcome = model.run({"image": volume})
    assert mask_of(outcome).shape == (20, 26, 34)
    assert len(outcome.findings.frames) == 20
    (remark,) = outcome.findings.remarks
    assert remark.startswith("1 missing slice was interpolated, between image ")


def test_a_dataset_that_keeps_what_it_has_read_gets_each_study(
    tmp_path: Path, networks: Mapping[str, bytes], volumes: Mapping[str, Volume]
) -> None:
    plain = BundleModel(imported(tmp_path / "plain", Variant(), networks), "cpu")
    package = changed(
        tmp_path / "cached", networks, lambda stated: stated["dataset"].update(_target_="CacheDataset", progress=False)
    )
    cached = BundleModel(package, "cpu")
    for name in ("oblique", "coronal"):
        one, other = (mask_of(model.run({"image": volumes[name]})) for model in (plain, cached))
        np.testing.assert_array_equal(one, other)


def test_each_trusted_bundle_has_its_own_scripts(
    tmp_path: Path, networks: Mapping[str, bytes], volumes: Mapping[str, Volume]
) -> None:
    models = {}
    for number in (1, 2):
        folder = tmp_path / str(number)
        bundle = write_bundle(folder, Variant(), networks["model.pt"])
        (bundle / "scripts").mkdir()
        (bundle / "scripts/__init__.py").write_text("from . import own\n")
        (bundle / "scripts/own.py").write_text(f"def only(image):\n    return (image == {number}) * {number}\n")
        stated = config(Variant())
        stated["imports"].append("$import scripts")
        own = {"_target_": "Lambdad", "keys": "pred", "func": "$scripts.own.only"}
        stated["postprocessing"]["transforms"].insert(-1, own)
        put(bundle / "configs/inference.json", stated)
        with pytest.raises(ConfigurationError, match="imports scripts"):
            import_bundle(bundle, folder / "packages", write_codes(folder))
        package = import_bundle(bundle, folder / "packages", write_codes(folder), trusted=True)
        models[number] = BundleModel(package, "cpu")
    for number in (1, 2, 1):
        mask = mask_of(models[number].run({"image": volumes["oblique"]}))
        assert set(np.unique(mask)) == {0, number}
    assert "scripts.own" not in sys.modules


def test_a_changed_byte_is_told(tmp_path: Path, networks: Mapping[str, bytes]) -> None:
    package = imported(tmp_path, Variant(), networks)
    weights = package.folder / "bundle/models/model.pt"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match=r"model\.pt: is not the file that the manifest describes"):
        BundleModel(package, "cpu")


class Command:
    """What a pickle makes of this is a call of os.system."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_a_pickle_with_code_is_refused_also_where_a_manifest_vouches_for_it(
    tmp_path: Path, networks: Mapping[str, bytes]
) -> None:
    package = imported(tmp_path, Variant(), networks)
    (package.folder / "bundle/models/model.pt").write_bytes(checkpoint({"state": Command()}))
    write_digests(package.folder)
    with pytest.raises(ConfigurationError, match=r"is a pickle that calls .*system"):
        BundleModel(load_package(package.folder), "cpu")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda stated: stated["initialize"].append("$os.system('id')"),
            "runs code that nobody has trusted: .*os.system",
        ),
        (lambda stated: stated["dataset"].update(_target_="DecathlonDataset"), "calls .DecathlonDataset."),
        (lambda stated: stated.pop("dataset"), "has no table dataset"),
        (lambda stated: stated["network_def"].update(channels=[8, 16]), "cannot be loaded: .*size mismatch"),
        (lambda stated: stated["network_def"].update(_target_="NoSuchNet"), "calls .NoSuchNet."),
        (lambda stated: stated.pop("network"), "cannot be loaded: .*network"),
    ],
    ids=["system", "stranger", "no dataset", "other weights", "no such network", "no network"],
)
def test_a_config_that_cannot_or_may_not_run_is_refused_with_its_reason(
    tmp_path: Path, networks: Mapping[str, bytes], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    package = changed(tmp_path, networks, change)
    with pytest.raises(ConfigurationError, match=re.compile(said, re.DOTALL)):
        BundleModel(package, "cpu")


def insert(transform: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return lambda stated: stated["postprocessing"]["transforms"].insert(-1, {"keys": "pred"} | transform)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda stated: stated["postprocessing"]["transforms"].pop(-2), "no volume of labels: its shape is"),
        (
            insert({"_target_": "Lambdad", "func": "$lambda x: torch.tensor(x.as_tensor()[:, :9])"}),
            "does not cover the series",
        ),
        (insert({"_target_": "Lambdad", "func": "$lambda x: x * 0.5"}), "its values are not whole numbers"),
        (insert({"_target_": "Lambdad", "func": "$lambda x: x * 7"}), "has the label 14"),
        (insert({"_target_": "Lambdad", "func": "$lambda x: x.max(5)"}), "the bundle failed: IndexError"),
        (lambda stated: stated["postprocessing"]["transforms"].pop(), "saved 0 NIfTI files"),
        (
            lambda stated: stated["postprocessing"]["transforms"].append(
                {"_target_": "SaveImaged", "keys": "image", "output_dir": "@output_dir"}
            ),
            "saved 2 NIfTI files",
        ),
    ],
    ids=["channels", "cropped", "fractions", "unknown label", "raises", "saves nothing", "saves more"],
)
def test_a_result_that_is_no_segmentation_of_the_series_is_refused_with_its_reason(
    tmp_path: Path,
    networks: Mapping[str, bytes],
    volumes: Mapping[str, Volume],
    change: Callable[[dict[str, Any]], object],
    said: str,
) -> None:
    model = BundleModel(changed(tmp_path, networks, change), "cpu")
    with pytest.raises(Permanent, match=said):
        model.run({"image": volumes["oblique"]})
    with pytest.raises(Permanent, match=said):  # and the next study is refused for its own sake, not for the first's
        model.run({"image": volumes["sagittal"]})


def test_two_channels_are_two_series_on_the_firsts_grid(
    tmp_path: Path, networks: Mapping[str, bytes], volumes: Mapping[str, Volume]
) -> None:
    bundle = write_bundle(tmp_path, Variant(), networks["model.pt"])
    stated, about = config(Variant()), metadata()
    about["network_data_format"]["inputs"]["image"]["channel_def"] = {"0": "first", "1": "second"}
    mean = {"_target_": "Lambdad", "keys": "@image_key", "func": "$lambda x: x.mean(0, keepdim=True)"}
    stated["preprocessing"]["transforms"].insert(2, mean)
    put(bundle / "configs/inference.json", stated)
    put(bundle / "configs/metadata.json", about)
    rules = '\n[inputs."first"]\nseries_description = "a"\n[inputs."second"]\nseries_description = "b"\n'
    package = import_bundle(bundle, tmp_path / "packages", write_codes(tmp_path, CODES + rules))
    model = BundleModel(package, "cpu")
    same = model.run({"first": volumes["oblique"], "second": volumes["oblique"]})
    assert dice(mask_of(same), truth(phantom(OBLIQUE)), 1) > 0.8
    assert same.findings.remarks == ()
    other = model.run({"first": volumes["oblique"], "second": volumes["sagittal"]})
    assert mask_of(other).shape == volumes["oblique"].voxels.shape
    assert other.findings.remarks == ("series on other grids than the first were interpolated to its grid",)


def test_tensorrt_without_a_gpu_is_refused_and_not_left_out(tmp_path: Path, networks: Mapping[str, bytes]) -> None:
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    package = imported(tmp_path, Variant(), networks)
    with pytest.raises(ConfigurationError, match="needs an NVIDIA GPU; this machine shows none"):
        BundleModel(package, "cpu", TensorRT(tmp_path / "plans"))


def test_the_network_that_the_bundle_runs_is_the_one_that_monais_converter_gets(
    tmp_path: Path, networks: Mapping[str, bytes], volumes: Mapping[str, Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch  # noqa: PLC0415
    from monai.networks import trt_compiler  # noqa: PLC0415

    given: list[tuple[Any, str, Mapping[str, Any]]] = []

    def doubling(network: Any, path: str, args: Mapping[str, Any]) -> None:
        forward = network.forward
        network.forward = lambda batch: forward(batch) * torch.tensor([0.0, 1.0, 0.0]).reshape(1, 3, 1, 1, 1)
        given.append((network, path, args))

    monkeypatch.setitem(sys.modules, "tensorrt", types.SimpleNamespace(__version__="10.0"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A card")
    for name in ("trt_imported", "polygraphy_imported"):
        monkeypatch.setattr(trt_compiler, name, True)
    monkeypatch.setattr(trt_compiler, "trt_compile", doubling)
    model = BundleModel(imported(tmp_path, Variant(), networks), "cpu", TensorRT(tmp_path / "plans", "fp16"))
    ((_, path, arguments),) = given
    assert Path(path).parent == tmp_path / "plans"
    assert arguments == {"precision": "fp16", "dynamic_batchsize": [1, 4, 4], "fallback": False}
    outcome = model.run({"image": volumes["oblique"]})
    assert set(np.unique(mask_of(outcome))) <= {0, 1}
    assert "TensorRT 10.0 (FP16)" in outcome.findings.engine
