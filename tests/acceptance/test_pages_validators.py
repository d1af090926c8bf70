"""Pages, pictures and key images of sources in colour and in compressed syntaxes, before judges that others wrote.

What the other cases give of these kinds, the same judges see in test_results_validators.py.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless, SecondaryCaptureImageStorage

from domain.profiles import ENCAPSULATED_PDF, KEY_OBJECT_SELECTION, SECONDARY_CAPTURE, ResultFormat, ResultKind
from tests.support import judges, phantoms, result_cases
from tests.support.contents import ramp
from tests.support.counterparts import data
from tests.support.phantoms import Phantom
from tests.support.radiographs import Radiograph
from tests.support.result_cases import Run

pytestmark = pytest.mark.slow

FORMS = (
    ResultFormat(ResultKind.SC, SECONDARY_CAPTURE),
    ResultFormat(ResultKind.KOS, KEY_OBJECT_SELECTION),
    ResultFormat(ResultKind.PDF, ENCAPSULATED_PDF),
)


def colour(folder: Path) -> Run:
    dataset = Radiograph(np.zeros((40, 48), np.uint8)).dataset()
    dataset.SOPClassUID, dataset.Modality, dataset.ConversionType = SecondaryCaptureImageStorage, "OT", "WSD"
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "RGB"
    dataset.PixelData = np.stack([ramp(40, 48, high=255)] * 3, -1).astype(np.uint8).tobytes()
    return result_cases.classified(phantoms.write([dataset], folder))


def compressed(syntax: str) -> Callable[[Path], Run]:
    def case(folder: Path) -> Run:
        return result_cases.rich(result_cases.masked(Phantom(slices=4, size=(32, 40), transfer_syntax=syntax), folder))

    return case


def compressed_inverse(folder: Path) -> Run:
    dataset = Radiograph(ramp(), modality="DX", photometric="MONOCHROME1").dataset()
    dataset.file_meta.TransferSyntaxUID = RLELossless
    return result_cases.classified(phantoms.write([dataset], folder))


def real(*parts: str) -> Callable[[Path], Run]:
    return lambda folder: result_cases.classified([data(*parts)])


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(colour, id="colour"),
        pytest.param(compressed(RLELossless), id="rle"),
        pytest.param(compressed(JPEG2000Lossless), id="jpeg 2000"),
        pytest.param(compressed_inverse, id="inverse rle"),
        pytest.param(real("pydicom_test_files", "examples_ybr_color.dcm"), id="real ybr"),
        pytest.param(
            real("syntax_ct", "CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm"),
            id="real jpeg 2000",
        ),
    ],
)
def test_no_judge_complains_of_pages_pictures_and_key_images(case: Callable[[Path], Run], tmp_path: Path) -> None:
    run = case(tmp_path / "source")
    results = run.results(FORMS)
    assert [one.kind for one in results] == [ResultKind.SC, ResultKind.KOS, ResultKind.PDF]
    for one in results:
        path = tmp_path / f"{one.kind}.dcm"
        path.write_bytes(one.part10)
        assert judges.complaints(path, run.paths[0]) == []
    assert is_shown(pydicom.dcmread(tmp_path / "SC.dcm"))


def is_shown(page: Dataset) -> bool:
    """Whether the page holds pictures and not the grey field of one that could not be shown."""
    upper = page.pixel_array[110:500].astype(int)
    field = (upper == (44, 48, 54)).all(axis=-1)
    return bool(field.mean() < 0.05)
