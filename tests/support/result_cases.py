"""Runs of models on plain, odd and real series, with everything that a model can find: what the judges are shown.

    run = odd_columns(folder)
    results = run.results(forms)

A case writes its source into `folder`, where it is not real data. `CASES` names those of which results are judged, and
which kinds of object have nothing to say there.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import UID, ImplicitVRLittleEndian

from dicom_node.attributes.files import opened
from domain.findings import (
    Code,
    FindingProbability,
    Findings,
    Map,
    Measurement,
    OtherFrames,
    Region,
    Segment,
    Shape,
)
from domain.profiles import ResultFormat, ResultKind
from sr_writer.content import Predecessor
from sr_writer.results import ResultObject, write
from tests.support import phantoms
from tests.support.counterparts import data
from tests.support.findings import (
    CLASSIFIER,
    LEFT,
    LUNG,
    MOMENT,
    PNEUMONIA,
    RIGHT,
    RIGHT_LUNG,
    STRUCTURE,
    boxes,
    findings_on,
    frames_of,
    likelihoods,
    measured,
)
from tests.support.phantoms import OBLIQUE, SAGITTAL, Phantom
from tests.support.radiographs import Radiograph

NODULE = Code("27925004", "SCT", "Nodule")
AREA, SQUARE_MM = Code("42798000", "SCT", "Area"), Code("mm2", "UCUM", "square millimeter")
DIAMETER, MM = Code("81827009", "SCT", "Diameter"), Code("mm", "UCUM", "millimeter")
CARD = (
    "Intended use: none; it shows how findings travel.",
    "Training data: bodies that never lived, 60 slices of each.",
    "Limits: whatever is not a phantom.",
)
REMARKS = ("1 missing slice was interpolated.", "The field of view ends 12 mm below the lungs' apex.")
EARLIER = (Predecessor("SR", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.21", "2.25.22"),)


@dataclass(frozen=True, eq=False)
class Run:
    """What a model found and the files of its input; `mask` and `maps` are the arrays that the findings speak of."""

    findings: Findings
    mask: NDArray[np.uint8] | None
    paths: Sequence[Path]
    maps: tuple[NDArray[np.float32], ...] = ()

    def results(
        self, forms: Collection[ResultFormat], predecessors: Sequence[Predecessor] = EARLIER
    ) -> tuple[ResultObject, ...]:
        """Its results in `forms`."""
        return write(self.findings, self.mask, self.paths, predecessors, MOMENT, forms, self.maps)


def rich(run: Run, likely: tuple[FindingProbability, ...] | None = None) -> Run:
    """The run with something of everything: regions of each shape, likelihoods, maps, remarks, a card."""
    sizes = frame_sizes(run.paths)
    mapped = {"Pneumonia": 0, "Nodule": len(sizes) // 2} if len(sizes) > 1 else {"Pneumonia": 0}
    findings = replace(
        run.findings,
        model=replace(run.findings.model, card=CARD),
        likelihoods=likelihoods() if likely is None else likely,
        regions=regions(sizes),
        maps=tuple(a_map(label, frame, sizes[frame]) for label, frame in mapped.items()),
        engine="OpenVINO on CPU",
        remarks=REMARKS,
        key_frames=(len(sizes) - 1,),
    )
    return replace(run, findings=findings, maps=tuple(heat(one) for one in findings.maps))


def frame_sizes(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Rows and columns of each frame of the files, in their order."""
    headers = [opened(path, path.name, ["Rows", "Columns", "NumberOfFrames"]) for path in paths]
    return [(one.Rows, one.Columns) for one in headers for _ in range(int(one.get("NumberOfFrames") or 1))]


def regions(sizes: Sequence[tuple[int, int]]) -> tuple[Region, ...]:
    """A point, a box and a contour that is not convex, on images from the first to the last."""
    middle, last = len(sizes) // 2, len(sizes) - 1
    # On an axial image that is read as usual, the patient's right is on the left.
    corners = ((0.55, 0.2), (0.85, 0.25), (0.7, 0.5), (0.9, 0.8), (0.55, 0.7))
    measurements = (Measurement(AREA, 123.4567, SQUARE_MM), Measurement(DIAMETER, 14.2, MM))
    return (
        Region("Nodule", NODULE, 0, Shape.POINT, _points(sizes[0], (1 / 3, 0.5)), 0.75, LUNG, RIGHT),
        Region(
            "Pneumonia", PNEUMONIA, middle, Shape.BOX,
            _points(sizes[middle], (0.1, 0.25), (0.45, 0.5)), 0.91, LUNG, RIGHT, (255, 80, 40),
        ),
        Region(
            "Nodule, lower", NODULE, last, Shape.CONTOUR,
            _points(sizes[last], *corners), None, LUNG, LEFT, (40, 200, 90), measurements,
        ),
    )  # fmt: skip


def _points(size: tuple[int, int], *shares: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Points (column, row) of an image of this size, from shares of its width and height."""
    rows, columns = size
    return tuple((columns * x, rows * y) for x, y in shares)


def a_map(label: str, frame: int, size: tuple[int, int]) -> Map:
    """Where the model looked in one image."""
    return Map(label, "class activation map", f"maps/{label}", "0" * 64, (1, *size), (frame,))


def heat(one: Map) -> NDArray[np.float32]:
    """The array of a map: a ramp that rises along both axes from 0 to 1."""
    frames, rows, columns = one.shape
    ramp = np.add.outer(np.linspace(0, 0.5, rows), np.linspace(0, 0.5, columns)).astype(np.float32)
    return np.broadcast_to(ramp, (frames, rows, columns)).copy()


def masked(phantom: Phantom, folder: Path) -> Run:
    """Two lungs as boxes in a series of one file a slice, and nothing besides."""
    paths, mask = phantoms.write(phantom.datasets(), folder), boxes(phantom.slices, *phantom.size)
    return Run(findings_on(paths, mask), mask, paths)


def everything(folder: Path) -> Run:
    return rich(masked(Phantom(slices=5, size=(48, 40)), folder))


def segments_alone(folder: Path) -> Run:
    return masked(Phantom(slices=4, size=(16, 16)), folder)


def one_segment(folder: Path) -> Run:
    run = rich(masked(Phantom(slices=5, size=(24, 32)), folder))
    assert run.mask is not None
    run.mask[run.mask == 2] = 0
    return replace(run, findings=replace(run.findings, segments=(RIGHT_LUNG,)))


def forty_segments(folder: Path) -> Run:
    """Strips one row high, so that each row of the image holds another segment."""
    run = masked(Phantom(slices=3, size=(44, 24)), folder)
    assert run.mask is not None
    run.mask[:] = 0
    for number in range(1, 41):
        run.mask[:, number + 1, 2 : 4 + number % 20] = number
    segments = tuple(_part(number) for number in range(1, 41))
    return rich(replace(run, findings=replace(run.findings, segments=segments)))


def _part(number: int) -> Segment:
    side = RIGHT if number % 2 else LEFT
    colour = (6 * number, 255 - 6 * number, (40 * number) % 256)
    return Segment(number, f"Part {number}", STRUCTURE, LUNG, colour, side, measured(number / 3, -10.0 * number))


def odd_columns(folder: Path) -> Run:
    return rich(masked(Phantom(slices=5, size=(37, 43)), folder))


def oblique(folder: Path) -> Run:
    phantom = Phantom(slices=12, size=(40, 48), orientation=OBLIQUE, centre=(11.25, -7.5, 400.0))
    return rich(masked(phantom, folder))


def sagittal(folder: Path) -> Run:
    phantom = Phantom(slices=7, size=(32, 40), orientation=SAGITTAL, spacing=(4.0, 2.5, 3.5))
    return rich(masked(phantom, folder))


def one_slice(folder: Path) -> Run:
    return rich(masked(Phantom(slices=1, size=(32, 32)), folder))


def enhanced(folder: Path) -> Run:
    """One multi-frame instance."""
    phantom = Phantom(slices=6, size=(64, 48))
    paths, mask = phantoms.write([phantom.enhanced()], folder), boxes(6, 64, 48)
    return rich(Run(findings_on(paths, mask), mask, paths))


def japanese(folder: Path) -> Run:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    return rich(masked(Phantom(slices=4, size=(16, 16), charset=phantoms.JAPANESE, patient_name=name), folder))


def chinese(folder: Path) -> Run:
    """The last letter of the name has a byte that would be a backslash by itself."""
    return rich(
        masked(Phantom(slices=4, size=(16, 16), charset=phantoms.CHINESE, patient_name="Li^XiaoCheng=李^小乗"), folder)
    )


def bare(folder: Path) -> Run:
    """Without the attributes that a patient need not have, and without a character set."""
    datasets = Phantom(slices=4, size=(16, 16)).datasets()
    for dataset in datasets:
        for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "StudyID", "ReferringPhysicianName"):
            delattr(dataset, keyword)
        del dataset.AccessionNumber, dataset.SpecificCharacterSet
    paths, mask = phantoms.write(datasets, folder), boxes(4, 16, 16)
    return rich(Run(findings_on(paths, mask), mask, paths))


def at_the_edge(folder: Path) -> Run:
    """Segments and regions that end where the images do, on the first and the last of them."""
    run = rich(masked(Phantom(slices=3, size=(20, 30)), folder))
    assert run.mask is not None
    run.mask[:] = 0
    run.mask[:2, :9, :11] = 1
    run.mask[1:, 9:, 20:] = 2
    whole = ((0.0, 0.0), (30.0, 0.0), (30.0, 20.0), (0.0, 20.0))
    edges = (
        Region("Corner", NODULE, 0, Shape.POINT, ((0.0, 0.0),)),
        Region("Last corner", NODULE, 2, Shape.POINT, ((30.0, 20.0),), 0.5),
        Region("Whole image", PNEUMONIA, 1, Shape.BOX, (whole[0], whole[2]), 1.0, LUNG, RIGHT),
        Region("Along the edge", PNEUMONIA, 2, Shape.CONTOUR, whole, 0.0, LUNG, LEFT),
    )
    return replace(run, findings=replace(run.findings, regions=edges))


def long_words(folder: Path) -> Run:
    """Names longer than their attributes hold, in letters that ASCII lacks and with characters that DICOM splits at."""
    run = rich(masked(Phantom(slices=3, size=(16, 16)), folder))
    label = "Lunge rechts, für größere Längen: ä\\ö^ü=ß, " * 3
    segments = tuple(replace(one, label=f"{label}{one.number}") for one in run.findings.segments)
    found = tuple(replace(one, label=f"{label}{one.label}") for one in run.findings.regions)
    model = replace(run.findings.model, title=label, manufacturer="Hersteller \\ Söhne " * 5)
    remarks = (f"Größe \\ Maß: {'wort ' * 400}",)
    return replace(run, findings=replace(run.findings, segments=segments, regions=found, model=model, remarks=remarks))


def private_codes(folder: Path) -> Run:
    """Structures and findings that no standard has a code for."""
    run = rich(segments_alone(folder))
    lung = Code("lung", "99PHANTOM", "Lung of a phantom")
    segments = tuple(replace(one, type=lung) for one in run.findings.segments)
    found = tuple(replace(one, finding=Code("spot", "99PHANTOM", "Spot")) for one in run.findings.regions)
    return replace(run, findings=replace(run.findings, segments=segments, regions=found))


def several_inputs(folder: Path) -> Run:
    """Three series of one body, the others on coarser grids; what is on the left is looked for on the second."""
    run = rich(masked(Phantom(slices=5, size=(48, 40)), folder / "1"))
    second = phantoms.write(Phantom(slices=5, size=(24, 20), spacing=(5.0, 6.0, 6.0), series="2").datasets(), folder)
    third = phantoms.write(Phantom(slices=3, size=(24, 20), spacing=(10.0, 6.0, 6.0), series="3").datasets(), folder)
    others = (OtherFrames("late", frames_of(second)), OtherFrames("native", frames_of(third)))
    right, left = run.findings.segments
    findings = replace(run.findings, others=others, segments=(right, replace(left, shown_on="late")))
    return replace(run, findings=findings, paths=[*run.paths, *second, *third])


def one_empty_segment(folder: Path) -> Run:
    run = rich(segments_alone(folder))
    assert run.mask is not None
    run.mask[run.mask == 1] = 0
    return run


def nothing_found(folder: Path) -> Run:
    run = segments_alone(folder)
    assert run.mask is not None
    return replace(run, mask=np.zeros_like(run.mask))


def nothing_found_and_likelihoods(folder: Path) -> Run:
    run = nothing_found(folder)
    return replace(run, findings=replace(run.findings, likelihoods=likelihoods(), engine="OpenVINO on CPU"))


def no_segments(folder: Path) -> Run:
    run = nothing_found(folder)
    return replace(run, findings=replace(run.findings, segments=()))


def classified(paths: Sequence[Path]) -> Run:
    """What a classifier makes of each image of the files by itself, with places in the images besides."""
    frames = frames_of(paths)
    likely = tuple(one for index in range(len(frames)) for one in likelihoods(index))
    return rich(Run(Findings(CLASSIFIER, "ef" * 32, frames, None, ()), None, paths), likely)


def radiograph(**described: object) -> Callable[[Path], Run]:
    pixels = np.linspace(0, 4095, 48 * 40).astype(np.uint16).reshape(48, 40)

    def case(folder: Path) -> Run:
        return classified(phantoms.write([Radiograph(pixels, **described).dataset()], folder))  # type: ignore[arg-type]

    return case


cr = radiograph()
dx = radiograph(modality="DX", study="dx")
inverse_dx = radiograph(modality="DX", photometric="MONOCHROME1", study="inverse", spacing=None)


def real_chest(folder: Path) -> Run:
    """LIDC-IDRI-0001 with what is darker than -500 HU inside the chest, split between the sides of the image."""
    files = sorted(data("ct_chest_lidc0001").glob("*.dcm"))
    slices = sorted(((pydicom.dcmread(path), path) for path in files), key=lambda one: float(one[0].SliceLocation))
    paths = [path for _, path in slices]
    air = np.stack([one.pixel_array.astype(np.int32) + int(one.RescaleIntercept) < -500 for one, _ in slices])
    mask = np.zeros(air.shape, np.uint8)
    mask[10:-10, 120:400, 80:250] = air[10:-10, 120:400, 80:250]
    mask[10:-10, 120:400, 262:430] = air[10:-10, 120:400, 262:430] * np.uint8(2)
    return rich(Run(findings_on(paths, mask), mask, paths))


def real_enhanced(folder: Path) -> Run:
    path = data("mr_small", "philips_enhanced", "anatomical", "001", "IM-0001-0170-0001.dcm")
    header = pydicom.dcmread(path, stop_before_pixels=True)
    mask = boxes(int(header.NumberOfFrames), header.Rows, header.Columns)
    return rich(Run(findings_on([path], mask), mask, [path]))


def paediatric_cr(folder: Path) -> Run:
    return classified([data("cxr_paediatric_cr", "person108_bacteria_506.dcm")])


def adult_dx(folder: Path) -> Run:
    return classified([data("cxr_nih_dx", "00000075_000.dcm")])


def secondary_capture(folder: Path) -> Run:
    return classified([data("cxr_cr", "1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm")])


def received_cr(folder: Path) -> Run:
    """A MONOCHROME1 image that lies there as a bare data set, as the node's store would hold it."""
    folder.mkdir(parents=True)
    dataset = pydicom.dcmread(data("cxr_cr", "implicitLittleEndian.dcm"), force=True)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = folder / "received.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return classified([path])


def two_radiographs(folder: Path) -> Run:
    """Two images of one series, of different sizes."""
    folder.mkdir(parents=True)
    first, second = (pydicom.dcmread(data("cxr_paediatric_cr", "IM-0010-0001.dcm")) for _ in range(2))
    second.SOPInstanceUID = second.file_meta.MediaStorageSOPInstanceUID = UID(f"{first.SOPInstanceUID[:-2]}77")
    second.InstanceNumber, second.Rows = 2, 200
    second.PixelData = second.PixelData[: 200 * second.Columns]
    paths = [folder / "first.dcm", folder / "second.dcm"]
    for dataset, path in zip((first, second), paths, strict=True):
        dataset.save_as(path)
    return classified(paths)


def films_of_two_series(folder: Path) -> Run:
    """Frontal films in series of their own and of one number, as many a device makes them; the second is smaller."""
    pixels = np.linspace(0, 4095, 48 * 40).astype(np.uint16).reshape(48, 40)
    films = (Radiograph(pixels, series="a"), Radiograph(pixels[:30], series="b", view="AP"))
    return classified(phantoms.write([one.dataset() for one in films], folder))


@dataclass(frozen=True)
class Case:
    """A case by name; `lacks` are the kinds of object for which it gives nothing."""

    name: str
    make: Callable[[Path], Run]
    lacks: frozenset[ResultKind] = frozenset()


_NO_SEG = frozenset({ResultKind.SEG, ResultKind.SR_LIKELIHOODS})
_NOTHING = _NO_SEG | {ResultKind.SR_REGIONS, ResultKind.PM, ResultKind.GSPS, ResultKind.KOS}
RADIOGRAPHS = {
    "cr": cr, "dx": dx, "inverse_dx": inverse_dx, "paediatric_cr": paediatric_cr, "adult_dx": adult_dx,
    "secondary_capture": secondary_capture, "received_cr": received_cr, "two_radiographs": two_radiographs,
    "films_of_two_series": films_of_two_series,
}  # fmt: skip
_WITH_SEGMENTS = (
    everything, one_segment, forty_segments, odd_columns, oblique, sagittal, one_slice, enhanced, japanese, chinese,
    bare, at_the_edge, long_words, private_codes, several_inputs,
    one_empty_segment, real_chest, real_enhanced,
)  # fmt: skip
CASES = (
    *(Case(make.__name__, make) for make in _WITH_SEGMENTS),
    # A map needs a place in the patient (PS3.3 A.75.3), which a radiograph has not.
    *(Case(name, make, _NO_SEG | {ResultKind.PM}) for name, make in RADIOGRAPHS.items()),
    Case("segments_alone", segments_alone, frozenset({ResultKind.SR_LIKELIHOODS, ResultKind.PM})),
    Case("nothing_found", nothing_found, _NOTHING),
    Case("nothing_found_and_likelihoods", nothing_found_and_likelihoods, _NOTHING),
    Case("no_segments", no_segments, _NOTHING),
)
