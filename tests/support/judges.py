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
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import highdicom
import pydicom

from tests.support.counterparts import missing, require, require_file

PIXELMED = Path("/usr/share/java/pixelmed.jar")
# PixelMed's style sheets are larger than the limits that Java has set for XPath since version 17.
_NO_XPATH_LIMITS = [f"-Djdk.xml.xpath{limit}=0" for limit in ("ExprGrpLimit", "ExprOpLimit", "TotalOpLimit")]

KNOWN = {
    "dciodvfy": (
        # Designators of private coding schemes begin with 99 (PS3.16 section 8.2); no list can have them.
        r"CodingSchemeDesignator.*Unrecognized defined term = <99",
        # Contributing Equipment has had a Device UID since 2018 (PS3.3 C.12.1).
        r"ContributingEquipmentSequence.*DeviceUID.*Attribute is not present in standard DICOM IOD",
        # The source's own attributes are taken over, also where it left them empty.
        r"Missing attribute or value that would be needed to build DICOMDIR",
    ),
    "dcentvfy": (
        # An SR has an accession number in its requests too, which this program files under another entity.
        r"Different information entities for attribute - Element=<AccessionNumber>",
    ),
    # DCMTK, which dcmqi is made of, does not check the characters of some sets, and says so.
    "dsrdump": (
        r"VR checker does not support this Specific Character Set",
        r"Reading unknown/unsupported SpecificCharacterSet \(\\ISO 2022",
    ),
    "pixelmed": (
        # Its templates are older than the inclusion of TID 4019 in the measurement groups.
        r"\(11100[0-3],DCM,\"Algorithm (Name|Version|Family|Parameters)\"\): Content Item not in template",
        r"\(122405,DCM,\"Algorithm Manufacturer\"\): Content Item not in template",
        # Its TID 1501 is older than the qualitative evaluations in it.
        r"\(121052,DCM,\"Presence of property\"\): Content Item not in template",
        # Its context group 100 is of 2019; radiography has been added since.
        r"Code \(43468-8,LN,\"XR unspecified body region\"\) not found in context group 100",
        # PS3.16 has changed the capitals of this meaning since.
        r"\(121232,DCM,\"Source Series for Segmentation\"\) has different code meaning",
    ),
    "dcmqi": (
        r"VR checker does not support this Specific Character Set",
        r"Reading unknown/unsupported SpecificCharacterSet \(\\ISO 2022",
    ),
}


def complaints(path: Path, source: Path | None = None) -> list[str]:
    """What all judges of this kind of object (SEG or SR) say, each sentence with its judge's name.

    Values that dciodvfy calls wrong in the `source` already are left out: a result takes them over as they are.
    """
    modality = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"]).Modality
    judges = {"SEG": (dciodvfy, segimage2itkimage, highdicom_reads), "SR": SR_JUDGES}[modality]
    wrong = {tag for sentence in (dciodvfy(source) if source else ()) for tag in _wrong_values(sentence)}
    said = [(judge.__name__, sentence) for judge in judges for sentence in judge(path)]
    return [f"{judge}: {sentence}" for judge, sentence in said if not _wrong_values(sentence) & wrong]


def _wrong_values(sentence: str) -> set[str]:
    """The tags of the elements whose values the sentence finds against their VR."""
    return set(re.findall(r"\(([0-9a-f]{4},[0-9a-f]{4})\).*(?:for this VR|violates VR)", sentence))


def dciodvfy(path: Path) -> list[str]:
    """dicom3tools: the object against its IOD's modules."""
    text = _run([require("dciodvfy"), "-new", str(path)])
    return _sentences("dciodvfy", text, r"^(Error|Warning)", proof=r"^[A-Z]\w+$")


def dcentvfy(paths: Sequence[Path]) -> list[str]:
    """dicom3tools: whether files of one study agree on patient, study, series and frame of reference."""
    text = _run([require("dcentvfy"), *map(str, paths)])
    return _sentences("dcentvfy", text, r"^(Error|Warning)")


def dsrdump(path: Path) -> list[str]:
    """DCMTK: whether the report can be read, its content tree against the constraints of the IOD."""
    text = _run([require("dsrdump"), "+Pu", "+Pt", str(path)])
    return _sentences("dsrdump", text, r"^[WEF]: ", proof=r"^<CONTAINER")


def report_text(path: Path) -> str:
    """The report as DCMTK prints it for a person: long texts whole, no list of instances."""
    text = _run([require("dsrdump"), "+Pl", str(path)])
    return "\n".join(line for line in text.splitlines() if ' IMAGE:(,,"Source")' not in line)


def pixelmed(path: Path) -> list[str]:
    """PixelMed: the report against its templates (PS3.16)."""
    jar = require_file(PIXELMED)
    java = [require("java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *_NO_XPATH_LIMITS, "-cp", str(jar)]
    text = _run([*java, "com.pixelmed.validate.DicomSRValidator", str(path)])
    return _sentences("pixelmed", text, r"Error|Warning|Exception", proof="^Root Template Validation Complete")


def tid1500reader(path: Path) -> list[str]:
    """dcmqi: whether the measurements come out of the report."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "report.json")
        text = _run([_dcmqi("tid1500reader"), "--inputDICOM", str(path), "--outputMetadata", str(out)])
        return _sentences("dcmqi", text, r"^[WEF]: |ERROR|Error") + _without(out)


def segimage2itkimage(path: Path, folder: Path | None = None) -> list[str]:
    """dcmqi: whether the segments come out of the segmentation, as NRRD files in `folder` where one is named."""
    with tempfile.TemporaryDirectory() as scratch:
        out = folder or Path(scratch)
        text = _run([_dcmqi("segimage2itkimage"), "--inputDICOM", str(path), "--outputDirectory", str(out)])
        return _sentences("dcmqi", text, r"^[WEF]: |ERROR|Error") + _without(out / "1.nrrd")


def highdicom_reads(path: Path) -> list[str]:
    """highdicom: whether its strict reader for this kind of object takes the file."""
    dataset = pydicom.dcmread(path)
    reader = highdicom.seg.segread if dataset.Modality == "SEG" else highdicom.sr.srread
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            reader(path)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            return [f"{type(error).__name__}: {error}"]
    return [str(one.message) for one in said]


SR_JUDGES: tuple[Callable[[Path], list[str]], ...] = (dciodvfy, dsrdump, pixelmed, tid1500reader, highdicom_reads)


def _sentences(judge: str, text: str, pattern: str, proof: str = "") -> list[str]:
    """The lines of `text` that complain; where the judge did not come as far as `proof`, all that it said."""
    if proof and not re.search(proof, text, re.MULTILINE):
        return [f"gave no judgement: {text.strip()[-2000:]}"]
    lines = (line for line in text.splitlines() if re.search(pattern, line))
    return [line for line in lines if not _matches(KNOWN[judge], line)]


def _matches(patterns: Iterable[str], line: str) -> bool:
    return any(re.search(pattern, line) for pattern in patterns)


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
