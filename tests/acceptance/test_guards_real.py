"""Guards on real studies: which limits tell what a model was made for from what it was not, and by how much.

The limits that this module proves are those that docs and packages recommend. What was measured when they were chosen
stands in docs/models.md ("Margins").

Likeness tells view and body part, not age: to a template of adults children reach 0.41 to 0.83, adults 0.71 and more.
So a template has to be made of those whom the model serves, and age is a condition of the intended use.
"""

import io
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian
from scipy import ndimage

from domain.errors import NotSuitable, UnusableInput
from domain.findings import SourceFrame
from inference_worker import images, volume
from inference_worker.guards import refuse_input, refuse_output, template
from inference_worker.images import Picture
from inference_worker.transforms.grids import orientation_of, spacings_of
from inference_worker.volume import Volume
from models.catalogue import CODES
from models.checks import read_manifest
from models.manifest import MANIFEST
from models.steps import Detail, Enclosed, Guard, Likeness, NoScreenCapture

DATA = Path(os.environ.get("DICOM_NODE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data; set DICOM_NODE_TEST_DATA (looked in {DATA})")

Values = NDArray[np.float32]

LUNGS = Enclosed(-400, least=1000)
BRAIN = Detail(least=0.04, most=0.3)
FRONTAL = Likeness("template.npy", 0.51, "a frontal chest radiograph")


def refused(guard: Guard, source: Volume | Picture, read: Callable[[str], bytes] = lambda _name: b"") -> str:
    try:
        refuse_input([guard], source, read)
    except UnusableInput as error:
        return str(error)
    return ""


def held(values: NDArray[np.generic]) -> Callable[[str], bytes]:
    stream = io.BytesIO()
    np.save(stream, values)
    return lambda _name: stream.getvalue()


@cache
def radiographs() -> dict[str, Picture]:
    """The 23 real frontal chest radiographs: 11 of adults, 12 of children."""
    folders = [DATA / name for name in ("cxr_cr", "cxr_nih_dx", "cxr_paediatric_cr")]
    files = [path for folder in folders for path in sorted(folder.iterdir())] + [DATA / "pydicom_data/RG1_J2KI.dcm"]
    with TemporaryDirectory() as folder:
        return {path.name: images.build([part_10(path, Path(folder))]).pictures[0] for path in files}


def part_10(path: Path, folder: Path) -> Path:
    """`path`, or a copy in `folder` with the preamble and meta information that one file lacks: a node stores it so."""
    if path.read_bytes()[128:132] == b"DICM":
        return path
    dataset = dcmread(path, force=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(folder / path.name, enforce_file_format=True)
    return folder / path.name


@cache
def series(name: str, missing: int = 0) -> Volume:
    return volume.build(sorted(path for path in (DATA / name).iterdir() if path.is_file()), missing)


def picture(values: NDArray[np.generic]) -> Picture:
    shown = (values - values.min()) / (np.ptp(values) or 1)
    return Picture(values.astype(np.float32), shown.astype(np.float32), SourceFrame("1.2.3"), None)


def projection(name: str, axis: int) -> Picture:
    """What a beam along `axis` (1 from the front, 2 from the side) of a CT leaves on a film, head up, bone white."""
    body = series(name)
    how, spacing = orientation_of(body.affine), spacings_of(body.affine)
    hounsfield = how.canonical(body.voxels)[::-1].astype(np.float32)
    attenuation = np.clip(hounsfield / 1000 + 1, 0, 3).sum(axis=axis)
    tall = ndimage.zoom(attenuation, (spacing[0] / spacing[1], 1), order=1)
    low, high = np.quantile(tall, (0.005, 0.995))
    return picture(np.clip(tall, low, high))


def odd(shown: Values) -> Iterator[Picture]:
    """A radiograph's picture with one bright pixel, inverted, collimated straight, aslant and in white, and padded."""
    bright = shown.copy()
    bright[40, 50] = 1e6
    wide = min(shown.shape) // 5
    collimated = np.pad(shown, wide)
    aslant = ndimage.rotate(collimated, 3, reshape=False, order=1)
    padded = (np.pad(shown, wide, constant_values=value) for value in (1, -100))
    yield from (picture(one) for one in (bright, 1 - shown, collimated, aslant, *padded))


def test_every_real_radiograph_passes_the_check_for_screens_odd_or_not() -> None:
    assert len(radiographs()) == 23
    assert {name: said for name, one in radiographs().items() if (said := refused(NoScreenCapture(), one))} == {}
    for name, one in [*radiographs().items()][::3]:
        assert not [said for seen in odd(one.shown) if (said := refused(NoScreenCapture(), seen))], name


def screens(film: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Screens that show a film, as viewers draw them; and a page of a report."""
    words = "Patient list Series 3 of 5 Zoom 100 % W 400 L 40 Heart size is normal, lungs are clear"
    small, font = film.resize((500, 500)), ImageFont.load_default(14)
    light = Image.new("L", (1024, 768), 236)
    draw = ImageDraw.Draw(light)
    draw.rectangle((8, 80, 260, 738), fill=255, outline=120)
    light.paste(small, (300, 110))
    for line in range(28):
        draw.text((16, 90 + 19 * line), words[line : line + 26], fill=10, font=font)
    yield "a light window", light
    black = Image.new("L", (1024, 1024), 0)
    black.paste(film.resize((700, 700)), (162, 162))
    full = film.resize((1024, 1024))
    for canvas, name in ((black, "a viewport"), (full, "a film under letters")):
        draw = ImageDraw.Draw(canvas)
        for line in range(9):
            for corner in ((8, 8), (700, 8), (8, 840)):
                draw.text((corner[0], corner[1] + 19 * line), words[line : line + 36], fill=255, font=font)
        yield name, canvas
    page = Image.new("L", (1000, 1400), 255)
    for line in range(50):
        ImageDraw.Draw(page).text((80, 80 + 21 * line), words, fill=0, font=font)
    yield "a page", page


def as_jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=70)
    return Image.open(stream)


@pytest.mark.parametrize("film", ["00000427_000.dcm", "00000211_000.dcm", "IM-0019-0001.dcm", "RG1_J2KI.dcm"])
def test_screens_that_show_a_radiograph_are_refused_compressed_and_reduced_as_well(film: str) -> None:
    shown = Image.fromarray((radiographs()[film].shown * 255).astype(np.uint8))
    for name, screen in screens(shown):
        reduced = screen.resize((screen.width * 7 // 10, screen.height * 7 // 10), Image.Resampling.BILINEAR)
        bright = np.asarray(screen, np.float32)
        bright[3, 3] = 1e5
        for seen in (screen, as_jpeg(screen), reduced, bright):
            assert "looks like a screen capture" in refused(NoScreenCapture(), picture(np.asarray(seen))), name


def test_each_radiograph_of_adult_or_child_is_like_the_template_of_the_others() -> None:
    shown = {name: one.shown for name, one in radiographs().items()}
    for name, one in radiographs().items():
        others = template([values for other, values in shown.items() if other != name])
        bright, inverted, *collimated = odd(one.shown)
        for seen in (one, bright, *collimated):
            assert not refused(FRONTAL, seen, held(others)), name
        assert refused(FRONTAL, inverted, held(others)), name


@cache
def frontal_template() -> Values:
    return template([one.shown for one in radiographs().values()])


@pytest.mark.parametrize("name", ["ct_chest_lidc0001", "ct_chest_lidc0003"])
def test_a_chest_seen_from_the_front_is_like_the_template_and_from_the_side_it_is_not(name: str) -> None:
    read = held(frontal_template())
    assert not refused(FRONTAL, projection(name, axis=1), read)
    assert "does not look like a frontal chest radiograph: likeness 0." in refused(FRONTAL, projection(name, 2), read)


def test_a_radiograph_turned_upside_down_sideways_or_to_its_negative_is_unlike_the_template() -> None:
    read = held(frontal_template())
    for name, one in radiographs().items():
        for wrong in (1 - one.shown, one.shown[::-1, ::-1], np.rot90(one.shown), np.rot90(one.shown, 3)):
            assert refused(FRONTAL, picture(wrong), read), name


def test_slices_scans_noise_and_blanks_are_unlike_the_template() -> None:
    read, noise = held(frontal_template()), np.random.default_rng(0)
    head, chest = series("mr_t1_siemens_trio", 1), series("ct_chest_lidc0003")
    for number, values in enumerate(
        [
            *(head.voxels.take(head.voxels.shape[axis] // 2, axis) for axis in range(3)),
            np.clip(chest.voxels[70], -1000, 400),
            noise.normal(size=(512, 512)),
            ndimage.gaussian_filter(noise.normal(size=(512, 512)), 40),
            np.zeros((512, 512)),
            np.linspace(0, 1, 512)[:, None].repeat(512, 1),
        ]
    ):
        assert refused(FRONTAL, picture(values), read), number


@pytest.mark.parametrize("name", ["examples_jpeg2k.dcm", "J2K_pixelrep_mismatch.dcm", "JPEG2000.dcm", "MR_small.dcm"])
def test_real_images_of_other_kinds_are_unlike_the_template(name: str) -> None:
    values = dcmread(DATA / "pydicom_test_files" / name).pixel_array
    grey = values.mean(axis=2) if values.ndim == 3 else values
    assert refused(FRONTAL, picture(grey), held(frontal_template()))


@pytest.mark.parametrize("name", ["ct_chest_lidc0001", "ct_chest_lidc0003"])
def test_a_chest_encloses_lungs_and_its_lower_end_and_a_head_and_a_box_do_not(name: str) -> None:
    chest = series(name)
    assert not refused(LUNGS, chest)
    low = Volume(chest.voxels[:30], chest.affine, chest.frames[:30], "")
    assert "inside the body has" in refused(LUNGS, low)
    head = series("mr_t1_siemens_trio", 1)
    as_ct = np.where(head.voxels > 40, 40, -1000).astype(np.int16)
    assert refused(LUNGS, Volume(as_ct, head.affine, head.frames, ""))


def phantoms() -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Bodies of 1 mm voxels on which MeshNet (model20chan3cls) finds 1.3 to 3.7 l of brain."""
    z, y, x = np.meshgrid(*[np.arange(size) - (size - 1) / 2 for size in (180, 200, 180)], indexing="ij")
    radius, noise = np.sqrt(x**2 + y**2 + z**2), np.random.default_rng(1)
    yield "sphere", (radius < 80) * 100 + noise.normal(0, 3, x.shape)
    yield "shell", (radius < 80) * 100 - (radius < 75) * 40 + (radius < 68) * 60 + noise.normal(0, 5, x.shape)
    box = (abs(x) < 70) & (abs(y) < 80) & (abs(z) < 75)
    yield "box", box * 100 + noise.normal(0, 10, x.shape)
    yield "cylinder", (np.hypot(x, y) < 85) * 100 + noise.normal(0, 5, x.shape)


@pytest.mark.parametrize("name", ["ge/anatomical/001_implicit", "siemens_multiframe/anatomical/001"])
def test_a_series_whose_pixels_were_replaced_by_noise_has_more_detail_than_any_brain(name: str) -> None:
    assert "at most 0.3 is accepted" in refused(BRAIN, series(f"mr_small/{name}"))


def test_a_head_has_the_detail_of_a_brain_and_phantoms_and_chests_have_not() -> None:
    head = series("mr_t1_siemens_trio", 1)
    assert not refused(BRAIN, head)
    noisy = head.voxels + np.random.default_rng(0).normal(0, 0.1 * np.quantile(head.voxels, 0.9), head.voxels.shape)
    padded = np.pad(head.voxels, 30, constant_values=-2000)
    for odd_one in (noisy, padded):
        assert not refused(BRAIN, Volume(odd_one.astype(np.float32), head.affine, head.frames, ""))
    for name, values in phantoms():
        found = refused(BRAIN, Volume(values.astype(np.float32), np.eye(4)[[2, 1, 0, 3]], (), ""))
        assert "a phantom perhaps" in found, name
    assert refused(BRAIN, series("ct_chest_lidc0001"))


def test_the_package_of_the_brain_takes_a_head_and_no_phantom_on_which_its_network_invents_one() -> None:
    text = (CODES / "brain_tissue.toml").read_text("utf-8") + f'[digests]\n"network.onnx" = "{"0" * 64}"\n'
    guards = read_manifest(text, Path("brain_tissue") / MANIFEST).guards
    refuse_input(guards, series("mr_t1_siemens_trio", 1), lambda _name: b"")
    for _, values in phantoms():
        with pytest.raises(NotSuitable, match="a phantom perhaps"):
            refuse_input(guards, Volume(values.astype(np.float32), np.eye(4)[[2, 1, 0, 3]], (), ""), lambda _name: b"")
    refuse_output(guards, {1: 450.0, 2: 480.0, 3: 270.0})
    with pytest.raises(NotSuitable, match="all segments together have 2240 ml, at most 2000 ml is accepted"):
        refuse_output(guards, {1: 900.0, 2: 900.0, 3: 440.0})
