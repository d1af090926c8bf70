"""Which study a demonstration shows: the user's own, else a real one that is at hand, else a phantom of a chest."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dicom_node.scu.store import Outgoing, outgoing
from domain.errors import Permanent, UnusableInput
from inference_worker.phantom import ChestPhantom

_CHEST, _HEAD = "ct_chest_lidc0003", "mr_t1_siemens_trio"
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Study:
    """The instances to send, in the order of their file names, and where they come from in words."""

    objects: tuple[Outgoing, ...]
    source: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.objects)

    def files(self, instances: frozenset[str]) -> list[Path]:
        """The files of these SOP instances."""
        return [one.file for one in self.objects if one.sop_instance in instances and isinstance(one.file, Path)]


def at_hand(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of real studies and networks, whether it is there or not."""
    return Path(environment.get("DICOM_NODE_TEST_DATA") or _BESIDE)


def find_head_at(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of the T1 series that is at hand."""
    real = at_hand(environment) / _HEAD
    return real if real.is_dir() else None


def no_head(environment: Mapping[str, str] = os.environ) -> str:
    """That there is no T1 series at hand, and how to name one."""
    return (
        f"there is no T1 series of a head here (looked for {at_hand(environment) / _HEAD}): name its folder, make demo "
        "DEMO=brain STUDY=FOLDER, or set DICOM_NODE_TEST_DATA to the folder that has it"
    )


def find_head(folder: Path | None, environment: Mapping[str, str] = os.environ) -> Study:
    """A T1 series of a head: in `folder`, where the user names one. Raises Permanent where there is none."""
    if folder is not None:
        return _read(folder, str(folder))
    real = find_head_at(environment)
    if real is None:
        raise Permanent(no_head(environment))
    return _read(real, f"a T1 series of a volunteer's head (FNNDSC, Apache-2.0) in {real}")


def find(folder: Path | None, scratch: Path, environment: Mapping[str, str] = os.environ) -> Study:
    """The study in `folder`, where the user names one; `scratch` is where a phantom would be written.

    Raises Permanent where the user's folder holds no DICOM file.
    """
    if folder is not None:
        return _read(folder, str(folder))
    real = at_hand(environment) / _CHEST
    if real.is_dir():
        return _read(real, f"a chest CT of LIDC-IDRI (CC BY 3.0) in {real}")
    ChestPhantom().write(scratch)
    return _read(scratch, "a phantom: the chest of nobody, made just now")


def _read(folder: Path, source: str) -> Study:
    objects = []
    for path in sorted(inner for inner in folder.rglob("*") if inner.is_file()):
        try:
            objects.append(outgoing(path))
        except UnusableInput:
            continue  # folders of studies hold viewers, DICOMDIRs and notes as well
    if not objects:
        raise Permanent(f"there is no DICOM file in {folder}")
    return Study(tuple(objects), source)
