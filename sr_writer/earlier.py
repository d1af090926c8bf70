"""Which earlier study segments are compared with, as a reader finds it: its day, its series, and how it was made.

The findings name images alone; the day is read here, where results are written, and kept nowhere else.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import text_of
from domain.errors import UnusableInput
from domain.findings import Findings
from sr_writer.codes.sentences import series_read
from sr_writer.source import Source, read_source

# A volume of one body is another one in expiration, of another part of it, and by another reconstruction.
CAUTION = "A difference may be of breathing, of position or of how the images were made, too"
_MADE = {
    "ConvolutionKernel": "convolution kernel",
    "SliceThickness": "slice thickness (mm)",
    "KVP": "tube voltage (kV)",
}
_AGENT = "ContrastBolusAgent"
_DATE = "StudyDate"
_FILE = "an image of the earlier study"


def read_earlier(
    paths: Sequence[Path], findings: Findings, source: Source
) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """What was read of the earlier study, and what is said of it; nothing where nothing is compared.

    Raises Retryable where a file cannot be opened.
    """
    if not findings.earlier:
        return (), ()
    try:
        read = tuple(read_source(paths, one.frames, volumetric=False) for one in findings.earlier)
    except UnusableInput as error:
        return (), (f"The earlier study cannot be named: {error.sentence}", CAUTION)
    now, then = _header(source), _header(read[0])
    said = [f"The earlier study is {_when(now[_DATE], then[_DATE])}: {'; '.join(map(series_read, read))}"]
    if differs := _differences(now, then):
        said.append(f"The earlier study was made in another way: {', '.join(differs)}")
    return read, (*said, CAUTION)


def _header(source: Source) -> Mapping[str, str]:
    keys = (_DATE, *_MADE, _AGENT)
    image = opened(source.instances[0].file, _FILE, keys)
    return {key: text_of(image, key).strip() for key in keys}


def _when(now: str, then: str) -> str:
    """`of 2025-02-10, 325 days before`."""
    today, day = _day(now), _day(then)
    if day is None:
        return "of a day that it does not state"
    days = "" if today is None else f", {(today - day).days} days before"
    return f"of {day.isoformat()}{days}".replace(" 1 days", " 1 day")


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None


def _differences(now: Mapping[str, str], then: Mapping[str, str]) -> list[str]:
    """`convolution kernel BONE, now STANDARD`: what both state and state otherwise."""
    found = [
        f"{name} {_plain(then[key])}, now {_plain(now[key])}"
        for key, name in _MADE.items()
        if now[key] and then[key] and _plain(now[key]) != _plain(then[key])
    ]
    if bool(now[_AGENT]) != bool(then[_AGENT]):
        found.append("with a contrast agent, now without" if then[_AGENT] else "without a contrast agent, now with one")
    return found


def _plain(value: str) -> str:
    """`2.5` of `2.500000`; printable characters alone."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return "".join(one for one in value if one.isascii() and one.isprintable())
