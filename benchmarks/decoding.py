"""Which libraries decode compressed pixel data: every file of the test data by each, values compared and time beside.

Of the libraries, the lock file has those that the node may be shipped with. The others take part where they can be
imported: put them into a folder (`pip install --target FOLDER --no-deps python-gdcm pylibjpeg-libjpeg`) and that into
PYTHONPATH. Each library reads in a process of its own, which some of them do not survive.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from imagecodecs import dicomrle_decode, jpeg2k_decode, jpeg8_decode, jpegls_decode
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder

from benchmarks import machine, table
from dicom_node.attributes import codestreams, jpeg
from tests.support.counterparts import data_folder

_FOLDERS = ("syntax_ct", "pydicom_test_files", "pydicom_data", "seg_sr_sm", "cxr_cr")
_ROUNDS = 5
_JPEG, _JPEG_LS, _JPEG_2000, _RLE = "JPEG", "JPEG-LS", "JPEG 2000", "RLE"
_SYNTAXES = {
    **dict.fromkeys(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57"), _JPEG),
    **dict.fromkeys(("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.70"), _JPEG),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), _JPEG_LS),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), _JPEG_2000),
    "1.2.840.10008.1.2.5": _RLE,
}
_BY_SEGMENTS = "imagecodecs by segments"
# A decoder: its package, and by kind of compression the plug-in of pydicom's, or "" for its own functions.
_BY: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "imagecodecs": ("imagecodecs", {_JPEG: "imagecodecs", _JPEG_LS: "", _JPEG_2000: "", _RLE: ""}),
    "GDCM": ("python-gdcm", dict.fromkeys((_JPEG, _JPEG_LS, _JPEG_2000), "gdcm")),
    "pyjpegls": ("pyjpegls", {_JPEG_LS: "pyjpegls"}),
    "pylibjpeg-libjpeg": ("pylibjpeg-libjpeg", {_JPEG: "pylibjpeg", _JPEG_LS: "pylibjpeg"}),
    "pylibjpeg-openjpeg": ("pylibjpeg-openjpeg", {_JPEG_2000: "pylibjpeg"}),
    "pylibjpeg-rle": ("pylibjpeg-rle", {_RLE: "pylibjpeg"}),
    _BY_SEGMENTS: ("imagecodecs", {_RLE: "looked at"}),
}
# What the node decodes with: the others are compared with it.
_OURS = {_JPEG: "imagecodecs", _JPEG_LS: "pyjpegls", _JPEG_2000: "pylibjpeg-openjpeg", _RLE: _BY_SEGMENTS}

_SAID = """Milliseconds of the processor for the first frame of each compressed file of the test data, medians of five.
Bold is what the node decodes with; of the others, values that are not its own are counted with the greatest difference.
imagecodecs decodes all but JPEG as a bare frame, without what pydicom looks at before and after.
pylibjpeg-libjpeg is under GPL-3.0 and in no lock file; GDCM and pylibjpeg-rle are in none either."""


def run(arguments: Sequence[str]) -> None:
    """Run it: `--quick` for what is not kept."""
    parser = argparse.ArgumentParser(prog="benchmarks decoding", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="decode once, and keep nothing")
    options = parser.parse_args(arguments)
    files = list(_files())
    with tempfile.TemporaryDirectory(prefix="dicom-node-decoding-") as name:
        found = {by: _decoded_by(by, files, Path(name), 1 if options.quick else _ROUNDS) for by in _BY if _version(by)}
        text = _section(files, found, Path(name))
    print(f"\n{text}")
    if not options.quick:
        table.keep("Decoding", text)


def _files() -> Iterator[Path]:
    for folder in _FOLDERS:
        for path in sorted((data_folder() / folder).rglob("*")):
            if path.is_file() and _kind(path):
                yield path


def _kind(path: Path) -> str:
    try:
        found = dcmread(path, specific_tags=["Rows"])
    except Exception:  # no DICOM file, or one that is broken on purpose
        return ""
    return _SYNTAXES.get(found.file_meta.get("TransferSyntaxUID", ""), "") if "Rows" in found else ""


def _version(by: str) -> str:
    try:
        return f"{by} {version(_BY[by][0])}"
    except PackageNotFoundError:
        return ""


def _decoded_by(by: str, files: Sequence[Path], folder: Path, rounds: int) -> dict[Path, float | str]:
    """Milliseconds for each file, or why there are none; the values lie in `folder`."""
    left, found = [path for path in files if _kind(path) in _BY[by][1]], dict[Path, float | str]()
    while left:
        command = [sys.executable, "-m", "benchmarks.decoding", by, str(folder), str(rounds), *map(str, left)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        found |= dict(zip(left, answers := [one[0] for one in answers], strict=False))
        left = left[len(answers) :]
        if left and done.returncode:
            found[left.pop(0)] = f"ends the process ({done.returncode})"
    return found


def _child(by: str, folder: Path, rounds: int, files: Sequence[str]) -> None:
    warnings.simplefilter("ignore")
    jpeg.register()
    codestreams.register()
    for path in map(Path, files):
        dataset = dcmread(path)
        try:
            decode = _decoder(dataset, _BY[by][1][_kind(path)], _kind(path))
            values = decode()
            times = [_timed(decode) for _ in range(rounds)]
        except Exception:  # whatever the library has for it
            print(json.dumps(["refused"]), flush=True)
            continue
        np.save(_place(folder, by, path), values)
        print(json.dumps([1000 * statistics.median(times)]), flush=True)


def _decoder(dataset: Dataset, plugin: str, kind: str) -> Callable[[], NDArray[Any]]:
    """What decodes the first frame, as it was coded."""
    if not plugin:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))
        return lambda: _by_imagecodecs(kind, frame, dataset)
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    if plugin not in decoder.available_plugins:  # the node has taken it out
        decoder.add_plugin(plugin, (f"pydicom.pixels.decoders.{plugin}", "_decode_frame"))
    return lambda: decoder.as_array(dataset, index=0, raw=True, decoding_plugin=plugin)[0]


def _by_imagecodecs(kind: str, frame: bytes, dataset: Dataset) -> NDArray[Any]:
    if kind == _RLE:
        dtype = np.dtype(f"<u{dataset.BitsAllocated // 8}")
        shape = dataset.Rows, dataset.Columns, dataset.SamplesPerPixel
        decoded = dicomrle_decode(frame, dtype)
        values = np.frombuffer(decoded, dtype).reshape(shape[2], *shape[:2])
        return values[0] if shape[2] == 1 else np.moveaxis(values, 0, -1)
    functions = {_JPEG: jpeg8_decode, _JPEG_LS: jpegls_decode, _JPEG_2000: jpeg2k_decode}
    return np.asarray(functions[kind](frame))


def _timed(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


def _place(folder: Path, by: str, path: Path) -> Path:
    return folder / f"{by}.{path.parent.name}.{path.name}.npy"


def _section(files: Sequence[Path], found: Mapping[str, Mapping[Path, float | str]], folder: Path) -> str:
    heads = ["file", "syntax", *found]
    rows = [[_name(path), _kind(path), *(_cell(by, path, found, folder) for by in found)] for path in files]
    return "\n\n".join(
        (
            f"{machine.describe(folder)}. {', '.join(map(_version, found))}.",
            _SAID,
            table.table(heads, rows),
        )
    )


def _name(path: Path) -> str:
    short = path.name.replace("TransferSyntax", "")
    return f"{path.parent.name}/{short if len(short) < 60 else f'...{short[-50:]}'}"


def _cell(by: str, path: Path, found: Mapping[str, Mapping[Path, float | str]], folder: Path) -> str:
    result = found[by].get(path)
    if not isinstance(result, float):
        return result or "-"
    ours = _OURS[_kind(path)]
    if by == ours:
        return f"**{result:.2f}**"
    told = f"{result:.2f}"
    if not isinstance(found.get(ours, {}).get(path), float):
        return told
    mine, theirs = np.load(_place(folder, ours, path)), np.load(_place(folder, by, path))
    if mine.shape != theirs.shape:
        return f"{told} (shape {theirs.shape})"
    # What is signed in one may stand unsigned in the other: the bits are compared then.
    apart = np.abs(_signless(mine) - _signless(theirs))
    return told if not apart.any() else f"{told} ({np.count_nonzero(apart)} by {apart.max()})"


def _signless(values: NDArray[Any]) -> NDArray[np.int64]:
    bits = 8 * values.dtype.itemsize
    return values.astype(np.int64) % (1 << bits)


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
