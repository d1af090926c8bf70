"""Programs by other hands that judge a result: each takes a file and returns its complaints, an empty list if none.

    assert judges.complaints(path_of_sr) == []

What a judge says wrongly of every correct result stands in `KNOWN`, with the reason, and is left out.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import highdicom
import pydicom
import pypdf
from pydicom import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName, validate_value
from pypdf.errors import PyPdfError

from domain import profiles
from tests.support.counterparts import missing, require
from tests.support.pixelmed import report

KNOWN: Mapping[str, tuple[str, ...]] = {
    "dciodvfy": (
        # Designators of private coding schemes begin with 99 (PS3.16 section 8.2); no list can have them.
        r"CodingSchemeDesignator.*Unrecognized defined term = <99",
        # Contributing Equipment has had a Device UID since 2018 (PS3.3 C.12.1).
        r"ContributingEquipmentSequence.*DeviceUID.*Attribute is not present in standard DICOM IOD",
        # The source's own attributes are taken over, also where it left them empty.
        r"Missing attribute or value that would be needed to build DICOMDIR",
        # A side is required of a paired part of the body (PS3.3 C.7.3.1); of one that nobody names it is not known.
        r"</Laterality\(0020,0060\)> - is only permitted to be empty when actually unknown",
        # A reference may name segments (PS3.3 C.18.4); label maps are younger than its list of what has some.
        r"ReferencedSegmentNumber\(0062,000b\)> - Shall not be present for Referenced SOP Class that is not seg",
        # This term for the pixels of a parametric map (PS3.3 C.8.16.1.4) is younger than its list.
        r"(ImageType|FrameType)\(0008,\w+\)\[4\]> - Unrecognized defined term = <QUANTITY>",
    ),
    "dcentvfy": (
        # An SR has an accession number in its requests too, which this program files under another entity.
        r"Different information entities for attribute - Element=<AccessionNumber>",
    ),
    # DCMTK and dcmqi, which is made of it. It does not check the characters of some sets, and says so.
    "dcmtk": (
        r"VR checker does not support this Specific Character Set",
        r"Reading unknown/unsupported SpecificCharacterSet \(\\ISO 2022",
        # The second byte of a letter of GB18030 may be that of a backslash, which parts no values there.
        r"(PatientName \(0010,0010\)|patientName) VM != 1 in ",
        r"Value Multiplicity too large. Affected VM       : 2, .* PatientName",
        # A time with its zone, which its own pattern for it allows.
        r"Affected attribute: ContributionDateTime .*Attribute value   : \[\d{14}[+-]\d{4}\]",
        # Of key objects it checks the constraints of the IOD alone, and says so.
        r"Check for template constraints not yet supported",
        # A name may be unknown (PS3.3 C.7.1.1, type 2).
        r"patientName absent or empty in presentation state",
    ),
    "pixelmed": (
        # Its templates are older than the inclusion of TID 4019 in the measurement groups.
        r"\(11100[0-3],DCM,\"Algorithm (Name|Version|Family|Parameters)\"\): Content Item not in template",
        r"\(122405,DCM,\"Algorithm Manufacturer\"\): Content Item not in template",
        # TID 2000 is extensible (PS3.16): what a sentence rests on, and by what it is tracked, are items of our own.
        r"TEXT \(121073,DCM,\"Impression\"\)/.*: Content Item not in template",
        # Its TID 1501 is older than the qualitative evaluations in it.
        r"\(121052,DCM,\"Presence of property\"\): Content Item not in template",
        # Its context group 100 is of 2019; radiography has been added since.
        r"Code \(43468-8,LN,\"XR unspecified body region\"\) not found in context group 100",
        # PS3.16 has changed the capitals of this meaning since.
        r"\(121232,DCM,\"Source Series for Segmentation\"\) has different code meaning",
    ),
}


@dataclass(frozen=True)
class Said:
    """A sentence of a judge against a file; `known` is the pattern of KNOWN that makes a false alarm of it."""

    judge: str
    sentence: str
    known: str | None = None


@dataclass(frozen=True)
class Judge:
    """A judge; `title` is its name in KNOWN, `says` gives all that it has against a file."""

    title: str
    says: Callable[..., list[str]]

    @property
    def name(self) -> str:
        """The program or reader."""
        return self.says.__name__.lstrip("_")

    def __call__(self, *arguments: object) -> list[str]:
        """Its complaints, without what is known to be wrong of it."""
        return [one.sentence for one in self.heard(*arguments) if not one.known]

    def heard(self, *arguments: object) -> list[Said]:
        """All that it says."""
        return [self._said(sentence) for sentence in self.says(*arguments)]

    def _said(self, sentence: str) -> Said:
        known = (pattern for pattern in KNOWN.get(self.title, ()) if re.search(pattern, sentence))
        return Said(self.name, sentence, next(known, None))


def complaints(path: Path, source: Path | None = None) -> list[str]:
    """What all judges of its SOP class say against a result, each sentence with its judge's name.

    What is said of the `source` already is left out, and values that are called wrong in it: a result takes them over
    as they are.
    """
    return [f"{one.judge}: {one.sentence}" for one in heard(path, source) if not one.known]


def heard(path: Path, source: Path | None = None) -> list[Said]:
    """As `complaints`, with the false alarms."""
    sop_class = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]).SOPClassUID
    of_source = _of_source(source) if source else ()
    wrong = {tag for sentence in of_source for tag in _wrong_values(sentence)}
    said = [one for judge in JUDGES[sop_class] for one in judge.heard(path)]
    return [one for one in said if one.sentence not in of_source and not _wrong_values(one.sentence) & wrong]


@cache
def _of_source(path: Path) -> tuple[str, ...]:
    """What is said of a source, of which each of its results is told."""
    return (*dciodvfy(path), *pydicom_reads(path))


def _wrong_values(sentence: str) -> set[str]:
    """The tags of the elements whose values the sentence finds against their VR."""
    if not re.search(r"for this VR|violates VR|data type definition|Value Length", sentence):
        return set()
    return set(re.findall(r"\(([0-9a-f]{4},[0-9a-f]{4})\)", sentence))


def disagreements(results: Sequence[Path], source: Sequence[Path]) -> list[str]:
    """Where dcentvfy finds that results and source disagree on patient, study, series or frame of reference.

    An element that the source should have and lacks is left out: in a result it is there, and empty.
    """
    header = pydicom.dcmread(source[0], stop_before_pixels=True)
    return [sentence for sentence in dcentvfy([*results, *source]) if not _lacked(sentence, header)]


def _lacked(sentence: str, header: Dataset) -> bool:
    found = re.search(r"Attribute present in one instance but not the other - Element=<(\w+)>", sentence)
    return found is not None and str(found[1]) not in header


def _dciodvfy(path: Path) -> list[str]:
    """dicom3tools: the object against its IOD's modules."""
    text = _run([require("dciodvfy"), "-new", str(path)])
    return _sentences(text, r"^(Error|Warning)", proof=r"^[A-Z]\w+$")


def _dcentvfy(paths: Sequence[Path]) -> list[str]:
    """dicom3tools: whether files of one study agree on patient, study, series and frame of reference."""
    return _sentences(_run([require("dcentvfy"), *map(str, paths)]), r"^(Error|Warning)")


def _dsrdump(path: Path) -> list[str]:
    """DCMTK: whether the report can be read, its content tree against the constraints of the IOD."""
    return _sentences(_run([require("dsrdump"), "+Pu", "+Pt", str(path)]), r"^[WEF]: ", proof=r"^<CONTAINER")


def report_text(path: Path) -> str:
    """The report as DCMTK prints it for a person: long texts whole, no list of instances."""
    text = _run([require("dsrdump"), "+Pl", str(path)])
    return "\n".join(line for line in text.splitlines() if ' IMAGE:(,,"Source")' not in line)


def _dcmpschk(path: Path) -> list[str]:
    """DCMTK: the presentation state against the standard, element by element."""
    text = _run([require("dcmpschk"), str(path)])
    if "Test passed" not in text and "Test failed" not in text:
        return [f"gave no judgement: {text.strip()[-2000:]}"]
    # It says what is wrong in several lines, of which those after the first are indented and the last is empty.
    joined = re.sub(r"\n[WE]: {2,}(?=\S)|\nW: (?=\(\w)", " ", re.sub(r"(?m)^([WE]): Error: ", r"\1: ", text))
    lines = (line for line in joined.splitlines() if not re.match(r"[WE]: ($|Testing: |Test )", line))
    return [line for line in lines if line.strip()]


def _dcm2pnm(path: Path) -> list[str]:
    """DCMTK: whether the picture can be drawn."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "picture.ppm")
        return _sentences(_run([require("dcm2pnm"), str(path), str(out)]), r"^[WEF]: ") + _without(out)


def _dcm2pdf(path: Path) -> list[str]:
    """DCMTK and pypdf: whether the pages come out of the object, and can be read strictly."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "report.pdf")
        said = _sentences(_run([require("dcm2pdf"), str(path), str(out)]), r"^[WEF]: ") + _without(out)
        return said or _unreadable_pages(out)


def _unreadable_pages(path: Path) -> list[str]:
    try:
        pages = pypdf.PdfReader(path, strict=True).pages
        return [] if pages and all(page.extract_text() for page in pages) else ["a page without text"]
    except PyPdfError as error:
        return [f"{type(error).__name__}: {error}"]


def _pixelmed(path: Path) -> list[str]:
    """PixelMed: the report against its templates (PS3.16)."""
    return _sentences(report(path), r"Error|Warning|Exception", proof="^Root Template Validation Complete")


def _tid1500reader(path: Path) -> list[str]:
    """dcmqi: whether the measurements come out of the report."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "report.json")
        text = _run([_dcmqi("tid1500reader"), "--inputDICOM", str(path), "--outputMetadata", str(out)])
        return _sentences(text, r"^[WEF]: |ERROR|Error") + _without(out)


def _segimage2itkimage(path: Path, folder: Path | None = None) -> list[str]:
    """dcmqi: whether the segments come out of the segmentation, as NRRD files in `folder` where one is named."""
    with tempfile.TemporaryDirectory() as scratch:
        out = folder or Path(scratch)
        text = _run([_dcmqi("segimage2itkimage"), "--inputDICOM", str(path), "--outputDirectory", str(out)])
        return _sentences(text, r"^[WEF]: |ERROR|Error") + _without(out / "1.nrrd")


def _paramap2itkimage(path: Path, folder: Path | None = None) -> list[str]:
    """dcmqi: whether the numbers come out of the parametric map, as an NRRD file in `folder` where one is named."""
    with tempfile.TemporaryDirectory() as scratch:
        out = folder or Path(scratch)
        text = _run([_dcmqi("paramap2itkimage"), "--inputDICOM", str(path), "--outputDirectory", str(out)])
        return _sentences(text, r"^[WEF]: |ERROR|Error") + _without(out / "pmap.nrrd")


def _parametric_map(path: Path) -> object:
    return highdicom.pm.sop.pmread(path).get_frames(apply_real_world_transform=True)


def _key_object_selection(path: Path) -> highdicom.ko.KeyObjectSelectionDocument:
    return highdicom.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(path))


_READERS: Mapping[str, Callable[[Path], object]] = {
    profiles.SEGMENTATION: highdicom.seg.segread,
    profiles.LABEL_MAP_SEGMENTATION: highdicom.seg.segread,
    profiles.COMPREHENSIVE_3D_SR: highdicom.sr.srread,
    profiles.COMPREHENSIVE_SR: highdicom.sr.srread,
    profiles.ENHANCED_SR: highdicom.sr.srread,
    profiles.PARAMETRIC_MAP: _parametric_map,
    profiles.KEY_OBJECT_SELECTION: _key_object_selection,
}


def _highdicom_reads(path: Path) -> list[str]:
    """highdicom: whether its strict reader for this kind of object takes the file."""
    return _objections(lambda: _READERS[pydicom.dcmread(path, specific_tags=["SOPClassUID"]).SOPClassUID](path))


def _pydicom_reads(path: Path) -> list[str]:
    """pydicom: whether every value is one of its VR, and the pixels are as many as they should be."""
    with pydicom.config.strict_reading():
        wrong = list(_wrong_elements(pydicom.dcmread(path)))
    return wrong or _objections(lambda: _decode(pydicom.dcmread(path)))


def _wrong_elements(dataset: Dataset) -> Iterator[str]:
    for tag in dataset.keys():  # noqa: SIM118  (iterating would convert every element)
        said = _objections(partial(_validate, dataset, tag))
        yield from (f"({tag.group:04x},{tag.element:04x}) violates VR: {sentence}" for sentence in said)
        if not said and dataset[tag].VR == "SQ":
            for item in dataset[tag].value:
                yield from _wrong_elements(item)


def _validate(dataset: Dataset, tag: BaseTag) -> None:
    element = dataset[tag]
    for value in element.value if element.VM > 1 else [element.value]:
        if isinstance(value, str | PersonName):
            validate_value(element.VR, str(value), pydicom.config.RAISE)


def _decode(dataset: Dataset) -> None:
    if any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        _ = dataset.pixel_array


# What readers raise for bytes that are not what they claim to be.
_RAISED = (ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError)


def _objections(read: Callable[[], object]) -> list[str]:
    """What a reader warns of or raises."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            read()
        except _RAISED as error:
            return [f"{type(error).__name__}: {error}"]
    return [str(one.message) for one in said]


dciodvfy = Judge("dciodvfy", _dciodvfy)
dcentvfy = Judge("dcentvfy", _dcentvfy)
dsrdump = Judge("dcmtk", _dsrdump)
dcmpschk = Judge("dcmtk", _dcmpschk)
dcm2pnm = Judge("dcmtk", _dcm2pnm)
dcm2pdf = Judge("dcmtk", _dcm2pdf)
pixelmed = Judge("pixelmed", _pixelmed)
tid1500reader = Judge("dcmtk", _tid1500reader)
segimage2itkimage = Judge("dcmtk", _segimage2itkimage)
paramap2itkimage = Judge("dcmtk", _paramap2itkimage)
highdicom_reads = Judge("highdicom", _highdicom_reads)
pydicom_reads = Judge("pydicom", _pydicom_reads)

_REPORT = (dciodvfy, dsrdump, pixelmed, tid1500reader, highdicom_reads, pydicom_reads)
# By SOP class. dciodvfy of 2022 is older than Label Map, and takes one for a mistake.
JUDGES: Mapping[str, tuple[Judge, ...]] = {
    profiles.SEGMENTATION: (dciodvfy, segimage2itkimage, highdicom_reads, pydicom_reads),
    profiles.LABEL_MAP_SEGMENTATION: (segimage2itkimage, highdicom_reads, pydicom_reads),
    profiles.COMPREHENSIVE_3D_SR: _REPORT,
    profiles.COMPREHENSIVE_SR: _REPORT,
    profiles.ENHANCED_SR: _REPORT,
    # dcmqi and highdicom read reports of measurements alone.
    profiles.BASIC_TEXT_SR: (dciodvfy, dsrdump, pixelmed, pydicom_reads),
    profiles.KEY_OBJECT_SELECTION: (dciodvfy, dsrdump, pixelmed, highdicom_reads, pydicom_reads),
    profiles.PARAMETRIC_MAP: (dciodvfy, paramap2itkimage, highdicom_reads, pydicom_reads),
    profiles.GRAYSCALE_SOFTCOPY_PRESENTATION_STATE: (dciodvfy, dcmpschk, pydicom_reads),
    profiles.SECONDARY_CAPTURE: (dciodvfy, dcm2pnm, pydicom_reads),
    profiles.ENCAPSULATED_PDF: (dciodvfy, dcm2pdf, pydicom_reads),
}


def _sentences(text: str, pattern: str, proof: str = "") -> list[str]:
    """The lines of `text` that complain; where the judge did not come as far as `proof`, all that it said."""
    if proof and not re.search(proof, text, re.MULTILINE):
        return [f"gave no judgement: {text.strip()[-2000:]}"]
    return [line for line in text.splitlines() if re.search(pattern, line)]


def _without(out: Path) -> list[str]:
    return [] if out.exists() else [f"wrote no {out.name}"]


def _dcmqi(program: str) -> str:
    path = shutil.which(program, path=str(Path(sys.executable).parent))
    if path is None:
        missing(f"dcmqi's {program}", "run uv sync")
    return str(path)


def _run(command: Sequence[str]) -> str:
    """What the program prints on either stream; some say of a judged file by their exit status that it is bad."""
    done = subprocess.run(command, capture_output=True, check=False, timeout=240)
    return (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
