"""Where slices were interpolated, in the names of the images that a viewer shows."""

from pathlib import Path

from inference_worker.model_protocol import remarks
from inference_worker.volume import build
from tests.support import phantoms
from tests.support.phantoms import Phantom


def test_a_gap_is_named_by_the_images_on_both_sides(tmp_path: Path) -> None:
    paths = phantoms.write(Phantom(slices=9, size=(16, 16)).datasets(), tmp_path)
    volume = build([path for k, path in enumerate(paths) if k not in {2, 6}], missing_slices=2)
    assert volume.gaps == ("between image 2 and image 4", "between image 6 and image 8")
    (said,) = remarks({"ct": volume})
    assert said == "2 missing slices were interpolated, between image 2 and image 4, between image 6 and image 8"
