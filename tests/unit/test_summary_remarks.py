"""Each remark of the worker that a fact may carry is known as what it is, in the very words that the worker writes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from domain.errors import UnusableInput
from domain.findings import Code, Segment, SourceFrame
from domain.impressions import Caution
from domain.routing import Conditions
from inference_worker.frames import told_apart
from inference_worker.images import Images, Picture, build
from inference_worker.lesions import listed
from inference_worker.model_protocol import remarks
from inference_worker.transforms.arrays import Sampled
from inference_worker.volume import Volume
from models.manifest import Identity, Input, Lesions, Manifest, Network
from summary.allowed import caution
from tests.support.phantoms import write
from tests.support.radiographs import Radiograph

VOXELS = np.zeros((6, 8, 8), np.int16)


def volume(*filled: int, gaps: tuple[str, ...] = ()) -> Volume:
    frames = tuple(SourceFrame(f"1.2.{k}") for k in range(len(VOXELS) - len(filled)))
    return Volume(VOXELS, np.eye(4), frames, "", filled, gaps=gaps, frame_of_reference="1.2")


@pytest.mark.parametrize("filled", [(2,), (2, 4)])
@pytest.mark.parametrize("segmented", [True, False])
def test_slices_that_were_interpolated(filled: tuple[int, ...], segmented: bool) -> None:
    gaps = tuple(f"between image {k} and image {k + 1}" for k in filled)
    for volumes in ({"ct": volume(*filled, gaps=gaps)}, {"t1": volume(), "t2": volume(*filled, gaps=gaps)}):
        assert [caution(one) for one in remarks(volumes, segmented)] == [Caution.INTERPOLATED]


def test_lesions_of_which_some_are_not_listed() -> None:
    mask, shares = np.zeros(VOXELS.shape, np.uint8), np.ones((1, *VOXELS.shape), np.float32)
    mask[1, 1:3, 1:3] = mask[4, 5:7, 5:7] = 1
    code = Code("27925004", "SCT", "Nodule")
    manifest = Manifest(
        Identity("toy", "1", "Toy", "Nobody", "1.2", "none", True), (Input("ct", Conditions()),), Network("n.onnx"), {},
        segments=(Segment(1, "Spots, small", code, code, (1, 2, 3)),), lesions=(Lesions(1, "Spot", most=1),),
    )  # fmt: skip
    found = listed(mask, Sampled(shares, np.eye(4)), manifest, volume())
    assert [caution(one) for one in found.remarks] == [Caution.NOT_ALL_LISTED]


def test_a_radiograph_that_cannot_be_read(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1000, 64 * 64).reshape(64, 64).astype(np.uint16)
    paths = write([Radiograph(ramp, number=one).dataset() for one in (1, 2)], tmp_path)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    assert [caution(one) for one in build(paths).remarks] == [Caution.LEFT_OUT]


def test_a_radiograph_that_a_guard_refuses() -> None:
    plain = np.zeros((2, 2), np.float32)
    pictures = tuple(Picture(plain, plain, SourceFrame(f"1.2.{k}"), None, f"image {k}") for k in (1, 2))

    def refuse(one: Picture) -> None:
        if one.name == "image 2":
            raise UnusableInput("it is a screen capture")

    assert [caution(one) for one in Images(pictures, "").suited(refuse).remarks] == [Caution.LEFT_OUT]


@pytest.mark.parametrize("strangers", [1, 5])
def test_what_is_no_slice_of_a_series(strangers: int) -> None:
    @dataclass(frozen=True)
    class Named:
        name: str

    images = [Named(f"image {k}") for k in range(strangers + 1)]
    _, said = told_apart(images, ["", *["is a localizer (scout), which is no slice of a volume"] * strangers])  # type: ignore[arg-type]
    assert [caution(one) for one in said] == [Caution.LEFT_OUT]


@pytest.mark.parametrize(
    "remark",
    [
        "",
        "series on other grids than the first were interpolated to its grid",
        "memory ran out: the network saw parts of 64 voxels instead of 128, which changes results",
        "the patient Jane Doe was seen; 2 missing slices were interpolated",
        "everything is normal",
    ],
)
def test_every_other_remark_is_one_that_the_report_has(remark: str) -> None:
    assert caution(remark) is Caution.OTHER
