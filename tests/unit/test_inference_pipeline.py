"""The whole path from sources to findings, with engines that need no network."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.errors import ConfigurationError, IntegrityError, NotSuitable, UnusableInput
from domain.findings import Code, Findings, SourceFrame
from inference_worker.engines import cuda
from inference_worker.images import Images, Picture
from inference_worker.model_protocol import Prepared, join, split
from inference_worker.pipeline import Pipeline, best_device
from inference_worker.probability import probability_maps
from inference_worker.transforms.arrays import Sampled
from inference_worker.volume import Volume
from models import steps
from models.manifest import Explanation, Finding, Input, Manifest, Network
from models.registry import Package, load_package
from tests.support.model_packages import FILES, write_package
from tests.support.phantoms import AXIAL, CORONAL, LUNG_HU, LUNG_ML, SAGITTAL, Phantom

Float = NDArray[np.float32]


class FakeEngine:
    """Gives what `answer` makes of a batch, under the name "logits"."""

    name = "fake 1.0 (CPU)"

    def __init__(self, answer: Callable[[Float], Float]) -> None:
        self._answer = answer
        self.loaded: tuple[bytes, Network] | None = None
        self.shapes: list[tuple[int, ...]] = []

    def load(self, network: bytes, wanted: Network) -> None:
        self.loaded = network, wanted

    def infer(self, batch: Float) -> Mapping[str, Float]:
        self.shapes.append(batch.shape)
        return {"logits": self._answer(batch).astype(np.float32)}


def lungs(batch: Float) -> Float:
    """Air inside a body is lung, right and left by the side of the grid. The window makes HU -1000..400 to 0..1."""
    lung = (batch[:, 0] > 0.05) & (batch[:, 0] < 0.4)
    left = np.arange(batch.shape[4]) >= 64
    return np.stack([~lung, lung & ~left, lung & left], axis=1) * 20.0


def volume_of(phantom: Phantom) -> Volume:
    voxels = phantom.hounsfield()
    frames = tuple(SourceFrame(f"1.2.{k}") for k in range(len(voxels)))
    return Volume(voxels, phantom.affine(), frames, hashlib.sha256(voxels.tobytes()).hexdigest())


def changed(package: Package, **changes: object) -> Package:
    """The package as if its manifest said something else."""
    return replace(package, manifest=replace(package.manifest, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "phantom",
    [
        Phantom(orientation=AXIAL),
        Phantom(orientation=SAGITTAL, slices=128, size=(100, 128), spacing=(3.0, 3.0, 3.0)),
        Phantom(orientation=CORONAL, slices=128, size=(100, 128), spacing=(3.0, 3.0, 3.0)),
    ],
)
def test_two_lungs_are_found_where_they_lie_and_measured(tmp_path: Path, phantom: Phantom) -> None:
    volume = volume_of(phantom)
    outcome = Pipeline(load_package(write_package(tmp_path)), FakeEngine(lungs)).run({"ct": volume})
    assert outcome.mask is not None
    assert outcome.mask.shape == volume.voxels.shape and outcome.mask.dtype == np.uint8
    for segment in outcome.findings.segments:
        size, mean = segment.measurements[:2]
        assert size.value == pytest.approx(LUNG_ML, rel=0.03)
        assert mean.value == pytest.approx(LUNG_HU, abs=25)
        assert mean.derivation == Code("373098007", "SCT", "Mean")
        x = (np.argwhere(outcome.mask == segment.number) @ phantom.affine()[:3, :3].T + phantom.affine()[:3, 3])[:, 0]
        assert (x < 0).all() if segment.label == "Right lung" else (x > 0).all()


def test_how_sure_a_segmenting_network_is_comes_out_as_a_map_on_the_sources_grid(tmp_path: Path) -> None:
    volume = volume_of(Phantom(slices=60))
    wanted = (Explanation("probability", channel=1, label="Right lung"),)
    package = changed(load_package(write_package(tmp_path)), maps=wanted)
    outcome = Pipeline(package, FakeEngine(lungs)).run({"ct": volume})
    (found,), (values,) = outcome.findings.maps, outcome.maps
    assert (found.label, found.method, found.key) == ("Right lung", "probability", "")
    assert found.shape == values.shape == (len(found.frames), *volume.voxels.shape[1:])
    assert found.sha256 == hashlib.sha256(values.tobytes()).hexdigest()
    assert outcome.mask is not None
    marked = outcome.mask[list(found.frames)] == 1
    assert values.min() >= 0 and values.max() <= 1
    assert (values[marked] >= 0.49).mean() > 0.99 and (values[~marked] > 0.51).mean() < 0.01


def test_slices_without_anything_likely_and_slices_that_the_series_lacks_have_no_map() -> None:
    volume = replace(volume_of(Phantom(slices=6, size=(8, 8))), filled=(2,))
    shares = np.zeros((2, 6, 8, 8), np.float32)
    shares[1, 1:4, 2:4, 2:4] = 0.7
    wanted = (Explanation("probability", channel=1, label="Lung"), Explanation("probability", channel=0, label="None"))
    ((found, values),) = probability_maps(Sampled(shares[::-1], volume.affine), wanted, volume)
    assert (found.label, found.frames, found.shape) == ("Lung", (1, 2), (2, 8, 8))
    np.testing.assert_allclose(values, shares[1, [1, 3]], atol=1e-6)


def test_a_map_of_a_channel_that_the_network_does_not_have_is_a_fault_of_the_package(tmp_path: Path) -> None:
    package = changed(load_package(write_package(tmp_path)), maps=(Explanation("probability", channel=9, label="x"),))
    with pytest.raises(ConfigurationError, match="channel 9 of 3"):
        Pipeline(package, FakeEngine(lungs)).run({"ct": volume_of(Phantom())})


def test_findings_name_the_model_the_engine_the_input_and_every_frame(tmp_path: Path) -> None:
    package, volume = load_package(write_package(tmp_path)), volume_of(Phantom())
    findings = Pipeline(package, FakeEngine(lungs)).run({"ct": volume}).findings
    assert (findings.model, findings.input_digest, findings.frames) == (package.identity, volume.digest, volume.frames)
    assert (findings.mask, findings.engine, findings.remarks) == (None, "fake 1.0 (CPU)", ())
    assert Findings.from_json(findings.to_json()) == findings


def test_the_engine_gets_the_verified_network(tmp_path: Path) -> None:
    package, engine = load_package(write_package(tmp_path)), FakeEngine(lungs)
    Pipeline(package, engine)
    assert engine.loaded == (FILES["network.onnx"], package.manifest.network)


def test_a_changed_network_never_reaches_the_engine(tmp_path: Path) -> None:
    package, engine = load_package(write_package(tmp_path)), FakeEngine(lungs)
    (package.folder / "network.onnx").write_bytes(b"something else")
    with pytest.raises(IntegrityError, match=r"network\.onnx"):
        Pipeline(package, engine)
    assert engine.loaded is None


SOLID = Phantom(body=lambda points: np.full(points.shape[:-1], 40, np.int16))


def test_a_series_without_any_structure_is_a_result_with_volumes_of_nothing(tmp_path: Path) -> None:
    package = changed(load_package(write_package(tmp_path)), guards=())
    outcome = Pipeline(package, FakeEngine(lungs)).run({"ct": volume_of(SOLID)})
    assert outcome.mask is not None and not outcome.mask.any()
    assert [one.value for segment in outcome.findings.segments for one in segment.measurements] == [0, 0]


def test_a_package_whose_structures_everybody_has_refuses_a_series_without_them(tmp_path: Path) -> None:
    guards = (steps.SegmentVolume(segment=1, least=100.0),)
    package = changed(load_package(write_package(tmp_path)), guards=guards)
    with pytest.raises(UnusableInput, match="segment 1"):
        Pipeline(package, FakeEngine(lungs)).run({"ct": volume_of(SOLID)})


def test_input_that_a_guard_refuses_never_reaches_the_network(tmp_path: Path) -> None:
    guards = (steps.ValueShare(above=100.0, most=0.0),)
    engine = FakeEngine(lungs)
    with pytest.raises(UnusableInput):
        pipeline = Pipeline(changed(load_package(write_package(tmp_path)), guards=guards), engine)
        pipeline.run({"ct": volume_of(Phantom())})
    assert engine.shapes == []


def test_what_was_prepared_ahead_gives_the_same_and_is_refused_for_the_same_reasons(tmp_path: Path) -> None:
    package = load_package(write_package(tmp_path))
    sources = {"ct": volume_of(Phantom())}
    pipeline = Pipeline(package, FakeEngine(lungs))
    ahead = pipeline.prepare(sources)
    assert isinstance(ahead, Prepared)
    one, other = pipeline.run(ahead), pipeline.run(sources)
    assert one.findings == other.findings
    assert np.array_equal(one.mask, other.mask)  # type: ignore[arg-type]
    refusing = Pipeline(changed(package, guards=(steps.ValueShare(above=5000, least=0.5),)), FakeEngine(lungs))
    with pytest.raises(UnusableInput):
        refusing.prepare(sources)


def test_the_same_volume_gives_the_same_findings_and_mask(tmp_path: Path) -> None:
    pipeline = Pipeline(load_package(write_package(tmp_path)), FakeEngine(lungs))
    first, second = pipeline.run({"ct": volume_of(Phantom())}), pipeline.run({"ct": volume_of(Phantom())})
    assert first.findings == second.findings
    assert np.array_equal(first.mask, second.mask)  # type: ignore[arg-type]


def test_steps_on_torch_give_what_steps_on_numpy_give(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra torch` installs it")
    package = load_package(write_package(tmp_path))
    numpy, torch = (
        Pipeline(package, FakeEngine(lungs), device).run({"ct": volume_of(Phantom())}) for device in ("", "cpu")
    )
    assert isinstance(torch.mask, np.ndarray) and numpy.mask is not None
    assert np.mean(torch.mask != numpy.mask) < 1e-5
    assert [one.label for one in torch.findings.segments] == ["Right lung", "Left lung"]


def test_steps_stay_on_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "gpus", lambda: ())
    assert not best_device()


def test_a_slice_that_was_interpolated_is_measured_but_not_in_the_mask(tmp_path: Path) -> None:
    whole = volume_of(Phantom())
    filled = replace(
        whole, frames=whole.frames[:30] + whole.frames[31:], filled=(30,), gaps=("between image 30 and image 32",)
    )
    pipeline = Pipeline(load_package(write_package(tmp_path)), FakeEngine(lungs))
    outcome, complete = pipeline.run({"ct": filled}), pipeline.run({"ct": whole})
    assert outcome.mask is not None and complete.mask is not None
    assert np.array_equal(outcome.mask, np.delete(complete.mask, 30, axis=0))
    assert outcome.findings.segments == complete.findings.segments
    (remark,) = outcome.findings.remarks
    where = "1 missing slice was interpolated, between image 30 and image 32"
    assert remark == f"{where}; measurements count it, the segmentation does not show it"


def of_two_series(folder: Path) -> Package:
    """A package that reads two series, "ct" and "late", as two channels."""
    given = load_package(write_package(folder))
    first = given.manifest.inputs[0]
    return changed(
        given,
        guards=(),
        inputs=(first, replace(first, name="late")),
        preprocessing=(steps.Align("ct"), *given.manifest.preprocessing, steps.Stack()),
        network=replace(given.manifest.network, shape=(1, 2, 0, 0, 0)),
    )


def test_several_series_are_brought_to_one_grid_and_become_channels(tmp_path: Path) -> None:
    package = of_two_series(tmp_path)
    volume, late = volume_of(Phantom()), volume_of(Phantom(slices=100, spacing=(3.0, 3.0, 3.0)))
    volume, late = (replace(one, frame_of_reference="1.2.3") for one in (volume, late))
    late = replace(late, filled=(3, 7))
    seen: list[Float] = []

    def both(batch: Float) -> Float:
        seen.append(batch)
        return lungs(batch)

    outcome = Pipeline(package, FakeEngine(both)).run({"ct": volume, "late": late})
    assert outcome.mask is not None and outcome.mask.shape == volume.voxels.shape
    assert np.abs(seen[0][0, 0] - seen[0][0, 1])[8:90, 8:-8, 8:-8].mean() < 0.01
    said = f"ct {volume.digest}\nlate {late.digest}\n"
    assert outcome.findings.input_digest == hashlib.sha256(said.encode()).hexdigest()
    assert outcome.findings.remarks == ("2 missing slices of late were interpolated",)


@pytest.mark.parametrize("other", ["1.2.4", ""])
def test_series_of_several_frames_of_reference_are_refused_with_their_names(tmp_path: Path, other: str) -> None:
    volume, moved = volume_of(Phantom()), volume_of(Phantom(centre=(40.0, 0.0, 0.0)))
    sources = {
        "ct": replace(volume, frame_of_reference="1.2.3"),
        "late": replace(moved, frame_of_reference=other),
    }
    pipeline = Pipeline(of_two_series(tmp_path), FakeEngine(lungs))
    for run in (pipeline.run, pipeline.prepare):
        with pytest.raises(UnusableInput, match="late lies in another frame of reference than ct"):
            run(sources)


def test_series_that_state_no_frame_of_reference_are_read_as_of_one_and_the_result_says_so(tmp_path: Path) -> None:
    volume = volume_of(Phantom())
    outcome = Pipeline(of_two_series(tmp_path), FakeEngine(lungs)).run({"ct": volume, "late": volume})
    assert outcome.findings.remarks == ("the series state no frame of reference; they were read as lying in one",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"postprocessing": (steps.Softmax(),)}, "do not end in labels"),
        ({"postprocessing": (steps.LargestComponent(), steps.ToSource())}, "largest_component cannot be made here"),
        ({"preprocessing": ()}, "its network reads"),
        ({"findings": (Finding(0, "air", Code("1", "X", "air"), 0.5),)}, "not beside"),
    ],
)
def test_steps_that_do_not_fit_are_a_wrong_package(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    package = changed(load_package(write_package(tmp_path)), **changes)
    with pytest.raises(ConfigurationError, match=said):
        Pipeline(package, FakeEngine(lungs)).run({"ct": volume_of(Phantom())})


def test_a_label_that_the_manifest_does_not_know_is_a_wrong_package(tmp_path: Path) -> None:
    given = load_package(write_package(tmp_path))
    with pytest.raises(ConfigurationError, match="labels up to 1"):
        Pipeline(changed(given, segments=given.manifest.segments[:1]), FakeEngine(lungs)).run(
            {"ct": volume_of(Phantom())}
        )


def classifier(package: Package, **network: object) -> Package:
    """A package of pictures whose one channel says how bright a picture is, and whose second how dark."""
    findings = (
        Finding(0, "Bright", Code("1", "X", "bright"), 0.5),
        Finding(1, "Dark", Code("2", "X", "dark"), 0.9),
    )
    manifest: Manifest = package.manifest
    return changed(
        package,
        guards=(),
        inputs=(Input("ct", manifest.inputs[0].conditions, kind="images"),),
        preprocessing=(steps.Display(), steps.Resize((4, 4), "mean"), steps.RepeatChannels(3)),
        postprocessing=(),
        network=replace(manifest.network, shape=(0, 3, 4, 4), multiple=1, **network),  # type: ignore[arg-type]
        segments=(),
        measurements=(),
        findings=findings,
    )


def images(*shares: float) -> Images:
    def picture(k: int, share: float) -> Picture:
        shown = np.full((8 + k, 6), share, np.float32)
        return Picture(shown * 4000, shown, SourceFrame(f"1.2.{k}"), None)

    return Images(tuple(picture(k, share) for k, share in enumerate(shares)), "0" * 64)


def brightness(batch: Float) -> Float:
    mean = batch.mean(axis=(1, 2, 3))
    return np.stack([mean, 1 - mean], axis=1)


BRIGHT_ENOUGH = steps.QuantileBetween(0.5, 1000, 5000)


def guarded(package: Package) -> Package:
    return changed(classifier(package), guards=(BRIGHT_ENOUGH,))


def test_an_image_that_a_guard_refuses_is_left_out_with_the_reason_and_the_others_are_read(tmp_path: Path) -> None:
    pipeline = Pipeline(guarded(load_package(write_package(tmp_path))), FakeEngine(brightness))
    given = images(0.05, 0.75)
    named = tuple(replace(one, name=f"image {k}") for k, one in enumerate(given.pictures, 1))
    for sources in ({"ct": replace(given, pictures=named)}, pipeline.prepare({"ct": replace(given, pictures=named)})):
        findings = pipeline.run(sources).findings
        assert findings.frames == given.frames[1:]
        assert [(one.label, one.frame) for one in findings.likelihoods] == [("Bright", 0), ("Dark", 0)]
        (said,) = findings.remarks
        assert said.startswith("image 1 was left out: the picture does not look like what the model was made for")


def test_images_none_of_which_a_guard_passes_are_not_suitable(tmp_path: Path) -> None:
    pipeline = Pipeline(guarded(load_package(write_package(tmp_path))), FakeEngine(brightness))
    with pytest.raises(NotSuitable, match="the picture does not look like what the model was made for"):
        pipeline.prepare({"ct": images(0.05, 0.1)})


def test_jobs_that_run_together_keep_their_own_images_where_a_guard_refuses_some(tmp_path: Path) -> None:
    pipeline = Pipeline(guarded(load_package(write_package(tmp_path))), FakeEngine(brightness))
    each = [pipeline.prepare({"ct": one})["ct"] for one in (images(0.05, 0.75), images(0.5))]
    several = [one for one in each if isinstance(one, Images)]
    first, second = split(pipeline.run({"ct": join(several)}), several)
    assert [one.frame for one in (*first.findings.likelihoods, *second.findings.likelihoods)] == [0, 0, 0, 0]
    assert (len(first.findings.remarks), second.findings.remarks) == (1, ())
    assert (first.findings.frames, second.findings.frames) == (images(0, 0).frames[1:], images(0).frames)


def test_each_image_gets_its_likelihoods(tmp_path: Path) -> None:
    engine = FakeEngine(brightness)
    package = classifier(load_package(write_package(tmp_path)), batch=2)
    outcome = Pipeline(package, engine).run({"ct": images(0.25, 0.75, 0.05)})
    found = [(one.frame, one.label, round(one.probability, 4), one.present) for one in outcome.findings.likelihoods]
    assert found == [
        (0, "Bright", 0.25, False),
        (0, "Dark", 0.75, False),
        (1, "Bright", 0.75, True),
        (1, "Dark", 0.25, False),
        (2, "Bright", 0.05, False),
        (2, "Dark", 0.95, True),
    ]
    assert engine.shapes == [(2, 3, 4, 4), (1, 3, 4, 4)]
    assert outcome.mask is None and outcome.findings.segments == ()


class TwoHeads(FakeEngine):
    """The logit of how bright a picture is as one output, the views that it may be of as another."""

    def infer(self, batch: Float) -> Mapping[str, Float]:
        views = np.tile(np.array([2.0, 0.0, 0.0], np.float32), (len(batch), 1))
        return {**super().infer(batch), "views": views}


def test_each_output_has_its_own_activation_temperature_and_findings(tmp_path: Path) -> None:
    package = classifier(load_package(write_package(tmp_path)), outputs=("logits", "views"))
    view = Finding(0, "Frontal", Code("3", "X", "frontal"), 0.5, output="views")
    package = changed(
        package,
        findings=(package.manifest.findings[0], view),
        postprocessing=(steps.Sigmoid(temperature=2.0), steps.Softmax(output="views")),
    )
    engine = TwoHeads(lambda batch: 4 * brightness(batch))
    found = Pipeline(package, engine).run({"ct": images(0.5)}).findings.likelihoods
    assert [one.label for one in found] == ["Bright", "Frontal"]
    assert [one.probability for one in found] == pytest.approx([1 / (1 + np.exp(-1)), np.exp(2) / (np.exp(2) + 2)])


def test_output_that_is_no_probability_is_a_wrong_package(tmp_path: Path) -> None:
    package = classifier(load_package(write_package(tmp_path)))
    with pytest.raises(ConfigurationError, match="sigmoid"):
        Pipeline(package, FakeEngine(lambda batch: brightness(batch) * 10)).run({"ct": images(0.5)})


def test_a_finding_of_a_channel_that_the_network_lacks_is_a_wrong_package(tmp_path: Path) -> None:
    package = classifier(load_package(write_package(tmp_path)))
    with pytest.raises(ConfigurationError, match="channel 1"):
        Pipeline(package, FakeEngine(lambda batch: brightness(batch)[:, :1])).run({"ct": images(0.5)})


def test_a_finding_that_is_present_is_explained_on_the_picture_s_own_grid(tmp_path: Path) -> None:
    package = classifier(load_package(write_package(tmp_path)), batch=4)
    package = changed(package, maps=(Explanation("occlusion", patch=0.5),))
    shown = np.zeros((9, 6), np.float32)
    shown[:, 1:] = 1
    bright = Picture(shown * 4000, shown, SourceFrame("1.2.9"), None)
    both = Images((*images(0.1).pictures, bright), "0" * 64)
    outcome = Pipeline(package, FakeEngine(brightness)).run({"ct": both})
    assert [(one.label, one.method, one.frames, one.key) for one in outcome.findings.maps] == [
        ("Bright", "occlusion", (1,), "")
    ]
    (found,) = outcome.maps
    assert found.shape == outcome.findings.maps[0].shape == (1, 9, 6)
    assert found.dtype == np.float32 and found.max() == pytest.approx(1)
    assert hashlib.sha256(found.tobytes()).hexdigest() == outcome.findings.maps[0].sha256
    assert Findings.from_json(outcome.findings.to_json()) == outcome.findings
