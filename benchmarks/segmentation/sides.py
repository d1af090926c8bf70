"""Each side's way from a label volume to a closed file, timed in a process of its own.

    python benchmarks/segmentation/sides.py SIDE FORM CASE_FOLDER OUT

prints what it measured. The node and highdicom have the volume in memory and the source described before the clock
starts, and have written the file once, as a worker has that runs for long; dcmqi is a program, and all that it does is
in its time. This module imports little, for what a program has held in memory is told together with what its parent
held when it began.
"""

import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from domain.profiles import DEFLATED, EXPLICIT, LABEL_MAP_SEGMENTATION, RLE, SEGMENTATION, ResultFormat, ResultKind

FORMS: Mapping[str, ResultFormat] = {
    "binary": ResultFormat(ResultKind.SEG, SEGMENTATION),
    "binary, deflated": ResultFormat(ResultKind.SEG, SEGMENTATION, DEFLATED),
    "label map": ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION),
    "label map, RLE": ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION, RLE),
    "label map, deflated": ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION, DEFLATED),
}
# What each side can write besides uncompressed data sets.
SIDES: Mapping[str, tuple[str, ...]] = {"node": (RLE, DEFLATED), "highdicom": (RLE,), "dcmqi": (DEFLATED,)}
# The node as a job runs it: the source's files are read as well.
WHOLE = "node, write()"


@dataclass(frozen=True)
class Measured:
    """From volume to closed file: seconds, and seconds of the processor alone, whatever else ran at the time.

    Bytes of the file; the most bytes of memory that the process held.
    """

    seconds: float
    processor: float
    size: int
    resident: int


def takes(side: str, form: ResultFormat) -> bool:
    """Whether the side can write the form."""
    return form.transfer_syntax == EXPLICIT or form.transfer_syntax in SIDES[side]


def measure(side: str, form: ResultFormat, folder: Path, out: Path) -> Measured:
    """One side in this process."""
    write = writer(side, form, folder, out)
    if side != "dcmqi":
        write()
        out.unlink()
    who = resource.RUSAGE_CHILDREN if side == "dcmqi" else resource.RUSAGE_SELF
    begun, before = time.perf_counter(), _processor(who)
    write()
    seconds, processor = time.perf_counter() - begun, _processor(who) - before
    resident = resource.getrusage(who).ru_maxrss * 1024 if side == "dcmqi" else _own()
    return Measured(seconds, processor, out.stat().st_size, resident)


def _processor(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _own() -> int:
    """What this process itself has held since it became this program."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def writer(side: str, form: ResultFormat, folder: Path, out: Path) -> Callable[[], None]:
    """What is to be timed."""
    if side == "dcmqi":
        return dcmqi(form, folder, out)
    made = import_module("benchmarks.segmentation.writers")
    ways = {"node": made.node, WHOLE: made.node_from_files, "highdicom": made.highdicom}
    write: Callable[[], None] = ways[side](form, folder, out)
    return write


def dcmqi(form: ResultFormat, folder: Path, out: Path) -> Callable[[], None]:
    """`itkimage2segimage`."""
    program = program_of_dcmqi()
    command = [
        program, "--inputImageList", str(folder / "mask.nrrd"), "--inputDICOMDirectory", str(folder / "source"),
        "--inputMetadata", str(folder / "segments.json"), "--outputDICOM", str(out),
        "--segmentationType", "labelmap" if form.sop_class == LABEL_MAP_SEGMENTATION else "binary",
        "--compress", "deflate" if form.transfer_syntax == DEFLATED else "none",
    ]  # fmt: skip

    def write() -> None:
        quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
        _, status = os.waitpid(os.posix_spawn(program, command, os.environ, file_actions=quiet), 0)
        if status:
            raise RuntimeError(f"itkimage2segimage ended with {status}")

    return write


def program_of_dcmqi() -> str:
    """The path of `itkimage2segimage`, "" where it is not installed."""
    return shutil.which("itkimage2segimage", path=str(Path(sys.executable).parent)) or ""


if __name__ == "__main__":
    _side, _form, _folder, _out = sys.argv[1:]
    print(json.dumps(asdict(measure(_side, FORMS[_form], Path(_folder), Path(_out)))))
