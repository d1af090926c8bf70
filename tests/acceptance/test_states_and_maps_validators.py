"""Presentation states and parametric maps before judges that others wrote: what is shown, and where the numbers lie."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from domain.findings import Findings, Map, Region, Shape
from domain.profiles import GRAYSCALE_SOFTCOPY_PRESENTATION_STATE, PARAMETRIC_MAP, ResultFormat, ResultKind
from sr_writer.results import write
from tests.support import judges, phantoms, result_cases
from tests.support.counterparts import require
from tests.support.findings import LUNG, MOMENT, PNEUMONIA, classified, findings_on
from tests.support.phantoms import OBLIQUE, SAGITTAL, Phantom
from tests.support.radiographs import Radiograph

pytestmark = pytest.mark.slow

GSPS, PM = (
    ResultFormat(ResultKind.GSPS, GRAYSCALE_SOFTCOPY_PRESENTATION_STATE),
    ResultFormat(ResultKind.PM, PARAMETRIC_MAP),
)
RAMP = np.linspace(0, 4000, 40 * 60).astype(np.uint16).reshape(40, 60)
SMALL = Phantom(slices=4, size=(64, 48))


def box(frame: int, label: str = "Pneumonia") -> Region:
    return Region(label, PNEUMONIA, frame, Shape.BOX, ((4, 5), (20, 30)), 0.75)


def pointed_at(datasets: Sequence[Dataset], folder: Path) -> tuple[Findings, list[Path]]:
    """A box on each of the images."""
    paths = phantoms.write(datasets, folder)
    findings = findings_on(paths)
    return replace(findings, regions=tuple(box(index) for index in range(len(findings.frames)))), paths


def saved(findings: Findings, paths: list[Path], folder: Path, *maps: NDArray[np.float32]) -> list[Path]:
    files = []
    for number, one in enumerate(write(findings, None, paths, (), MOMENT, [GSPS, PM], maps)):
        files.append(folder / f"{number}-{one.kind}.dcm")
        files[-1].write_bytes(one.part10)
    return files


def windowed(*windows: tuple[float, float] | None) -> list[Dataset]:
    datasets = replace(SMALL, slices=len(windows)).datasets()
    for dataset, window in zip(datasets, windows, strict=True):
        if window:
            dataset.WindowCenter, dataset.WindowWidth = window
    return datasets


def with_table() -> Dataset:
    """A radiograph whose table makes its brighter half white, and nothing else of it."""
    dataset = Radiograph(RAMP, modality="DX").dataset()
    del dataset.Laterality
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 16])
    table.add_new("LUTData", "OW", np.repeat(np.array([0, 65535], "<u2"), 2048).tobytes())
    dataset.VOILUTSequence = [table]
    return dataset


def radiographs(*described: dict[str, object]) -> list[Dataset]:
    found = [Radiograph(RAMP, number=number, **one).dataset() for number, one in enumerate(described, 1)]  # type: ignore[arg-type]
    for dataset in found:
        del dataset.Laterality
    return found


def forty_regions(folder: Path) -> tuple[Findings, list[Path]]:
    paths = phantoms.write(SMALL.datasets(), folder)
    regions = tuple(
        Region(f"Part {n}", LUNG, n % 4, list(Shape)[n % 3], ((n, n), (n + 5.5, n + 9), (n, n + 7))[: (1, 2, 3)[n % 3]])
        for n in range(40)
    )
    return replace(findings_on(paths), regions=regions), paths


STATES: dict[str, tuple[Callable[[Path], tuple[Findings, list[Path]]], int]] = {
    "windows of some": (lambda folder: pointed_at(windowed((40, 400), None, (-600, 1500), (40, 400)), folder), 1),
    "a table": (lambda folder: pointed_at([with_table()], folder), 1),
    "both polarities": (
        lambda folder: pointed_at(radiographs({"photometric": "MONOCHROME1"}, {"photometric": "MONOCHROME2"}), folder),
        2,
    ),
    "pixels that are not square": (lambda folder: pointed_at(radiographs({"spacing": (0.3, 0.1)}), folder), 1),
    "frames": (lambda folder: pointed_at([SMALL.enhanced()], folder), 1),
    "forty regions": (forty_regions, 1),
}


@pytest.mark.parametrize("case", STATES)
def test_no_judge_complains_of_a_state(case: str, tmp_path: Path) -> None:
    make, number = STATES[case]
    findings, paths = make(tmp_path / "source")
    files = saved(findings, paths, tmp_path)
    assert len(files) == number
    assert [one for path in files for one in judges.complaints(path, paths[0])] == []


def rendered(state: Path, image: Path, folder: Path, frame: int = 1) -> NDArray[np.uint8]:
    """The image as DCMTK shows it with the state, and the state as it has understood it in `folder`."""
    shown, understood = folder / "shown.pgm", folder / "understood.dcm"
    command: list[str | Path] = [require("dcmp2pgm"), "-p", state, "-f", str(frame), "+S", understood, image, shown]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with Image.open(shown) as picture:
        return np.asarray(picture)


def expected(values: NDArray[np.generic], window: tuple[float, float]) -> NDArray[np.float64]:
    """Values through a window (PS3.3 C.11.2.1.2.1), 0 to 255."""
    centre, width = window
    return np.asarray(255 * np.clip((values.astype(np.float64) - (centre - 0.5)) / (width - 1) + 0.5, 0, 1))


@pytest.mark.parametrize("enhanced", [False, True])
def test_slices_are_shown_in_hounsfield_units_and_each_in_its_own_window(enhanced: bool, tmp_path: Path) -> None:
    windows = ((40.0, 400.0), (-600.0, 1500.0))
    datasets = windowed(*windows)
    hounsfield = replace(SMALL, slices=2).hounsfield()
    if enhanced:
        datasets = [replace(SMALL, slices=2).enhanced()]
        for frame, window in zip(datasets[0].PerFrameFunctionalGroupsSequence, windows, strict=True):
            item = Dataset()
            item.WindowCenter, item.WindowWidth = window
            frame.FrameVOILUTSequence = [item]
    findings, paths = pointed_at(datasets, tmp_path / "source")
    (state,) = saved(findings, paths, tmp_path)
    for k, window in enumerate(windows):
        path, number = (paths[0], k + 1) if enhanced else (paths[k], 1)
        shown = rendered(state, path, tmp_path, number)
        assert np.abs(shown - expected(hounsfield[k], window)).max() <= 2


@pytest.mark.parametrize("modality", ["CR", "DX"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_what_is_stored_inverted_is_shown_as_it_was_meant(modality: str, photometric: str, tmp_path: Path) -> None:
    datasets = radiographs({"modality": modality, "photometric": photometric, "window": (2000, 4000)})
    findings, paths = pointed_at(datasets, tmp_path / "source")
    (state,) = saved(findings, paths, tmp_path)
    wanted = expected(RAMP, (2000, 4000))
    shown = rendered(state, paths[0], tmp_path)
    assert np.abs(shown - (255 - wanted if photometric == "MONOCHROME1" else wanted)).max() <= 2


def test_the_table_of_a_radiograph_is_applied(tmp_path: Path) -> None:
    findings, paths = pointed_at([with_table()], tmp_path / "source")
    (state,) = saved(findings, paths, tmp_path)
    np.testing.assert_array_equal(rendered(state, paths[0], tmp_path), np.where(RAMP < 2048, 0, 255))


def test_dcmtk_understands_every_line_and_every_word(tmp_path: Path) -> None:
    findings, paths = forty_regions(tmp_path / "source")
    (state,) = saved(findings, paths, tmp_path)
    rendered(state, paths[0], tmp_path)
    ours, theirs = (pydicom.dcmread(path).GraphicAnnotationSequence for path in (state, tmp_path / "understood.dcm"))
    assert drawn(theirs) == drawn(ours)
    assert len(drawn(ours)) == 40 + 40 + 4


def drawn(annotations: Sequence[Dataset]) -> list[tuple[str, object]]:
    """The graphics and texts, each with its image."""
    found: list[tuple[str, object]] = []
    for one in annotations:
        image = one.ReferencedImageSequence[0].ReferencedSOPInstanceUID
        found += [(image, (item.GraphicType, *item.GraphicData)) for item in one.get("GraphicObjectSequence", ())]
        found += [(image, item.UnformattedTextValue) for item in one.TextObjectSequence]
    return sorted(found, key=str)


def test_radiographs_have_states_and_no_maps(tmp_path: Path) -> None:
    each: tuple[dict[str, object], ...] = ({"modality": "CR"}, {"modality": "DX", "photometric": "MONOCHROME1"})
    for number, described in enumerate(each):
        paths = phantoms.write(radiographs(described), tmp_path / f"source {number}")
        folder = tmp_path / str(number)
        folder.mkdir()
        (state,) = saved(classified(paths), paths, folder, np.zeros((1, 8, 8), np.float32))
        assert judges.complaints(state, paths[0]) == []


def two_sizes(folder: Path) -> tuple[Findings, list[Path]]:
    run = result_cases.two_radiographs(folder)
    return run.findings, list(run.paths)


def test_two_real_radiographs_of_different_sizes_share_a_state(tmp_path: Path) -> None:
    findings, paths = two_sizes(tmp_path / "source")
    (state,) = saved(findings, paths, tmp_path, *(np.zeros(one.shape, np.float32) for one in findings.maps))
    areas = pydicom.dcmread(state).DisplayedAreaSelectionSequence
    sizes = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    assert [list(one.DisplayedAreaBottomRightHandCorner) for one in areas] == [[one.Columns, one.Rows] for one in sizes]
    for path, header in zip(paths, sizes, strict=True):
        assert rendered(state, path, tmp_path).shape == (header.Rows, header.Columns)


MAPPED = {
    "axial": Phantom(slices=6, size=(40, 48)),
    "sagittal": Phantom(slices=6, size=(40, 48), orientation=SAGITTAL, spacing=(4.0, 2.5, 3.5)),
    "oblique": Phantom(slices=6, size=(40, 48), orientation=OBLIQUE, centre=(11.25, -7.5, 400.0)),
    "odd columns": Phantom(slices=5, size=(37, 43)),
    "one slice": Phantom(slices=1, size=(32, 32)),
    "Japanese": Phantom(slices=3, size=(16, 16), charset=phantoms.JAPANESE, patient_name="Yamada^Tarou=山田^太郎"),
    "Chinese": Phantom(slices=3, size=(16, 16), charset=phantoms.CHINESE, patient_name="Wang^XiaoDong=王^小东"),
}


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("case", MAPPED)
def test_two_other_readers_find_every_number_where_it_was(case: str, enhanced: bool, tmp_path: Path) -> None:
    phantom = MAPPED[case]
    paths = phantoms.write([phantom.enhanced()] if enhanced else phantom.datasets(), tmp_path / "source")
    values = np.random.default_rng(5).random((phantom.slices, *phantom.size), np.float32)
    one = Map("Pneumonia", "Grad-CAM", "maps/1", "0" * 64, values.shape, tuple(range(phantom.slices)))
    (path,) = saved(replace(findings_on(paths), maps=(one,)), paths, tmp_path, values)
    assert judges.complaints(path, paths[0]) == []
    volume = highdicom.pm.sop.pmread(path).get_volume(apply_real_world_transform=True)
    assert_same_numbers(volume.affine, volume.array, phantom.affine(), values)
    assert judges.paramap2itkimage(path, tmp_path) == []
    assert_same_numbers(*nrrd(tmp_path / "pmap.nrrd"), phantom.affine(), values)


def nrrd(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The affine, from index (slice, row, column, 1) to patient mm, and the numbers of an image that ITK reads."""
    image = SimpleITK.ReadImage(str(path))
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes[:, ::-1], image.GetOrigin()
    return affine, SimpleITK.GetArrayFromImage(image)


def assert_same_numbers(
    affine: NDArray[np.float64],
    found: NDArray[np.floating],
    true_affine: NDArray[np.float64],
    values: NDArray[np.float32],
) -> None:
    """Whether every number lies within 0.01 mm of where it was; the axes may run the other way."""
    index = np.argwhere(np.ones(found.shape))
    points = index @ affine[:3, :3].T + affine[:3, 3]
    inverse = np.linalg.inv(true_affine)
    nearest = (points @ inverse[:3, :3].T + inverse[:3, 3]).round().astype(int)
    assert np.abs(nearest @ true_affine[:3, :3].T + true_affine[:3, 3] - points).max() < 0.01
    assert sorted(map(tuple, nearest)) == sorted(map(tuple, np.argwhere(np.ones(values.shape))))
    assert np.abs(values[tuple(nearest.T)] - found.reshape(-1)).max() < 1 / 65535
