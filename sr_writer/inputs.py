"""The inputs of a run besides the one that its results lie on: every result refers to all series that were read."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import text_of
from domain.errors import UnusableInput
from domain.findings import Findings, SourceFrame
from sr_writer.source import Instance, Source, read_source


@dataclass(frozen=True, eq=False)
class OtherInput:
    """An input by the name that the manifest gives it."""

    name: str
    source: Source


def read_others(paths: Sequence[Path], findings: Findings) -> tuple[OtherInput, ...]:
    """The other inputs of the findings, whose Part 10 files are among `paths`; raises as `read_source` does."""
    if not findings.others:
        return ()
    files = _by_uid(paths)
    return tuple(_read(one.name, files, one.frames) for one in findings.others)


def _read(name: str, files: Mapping[str, Path], frames: Sequence[SourceFrame]) -> OtherInput:
    uids = dict.fromkeys(frame.sop_instance_uid for frame in frames)
    missing = sorted(uids.keys() - files.keys())
    if missing:
        raise UnusableInput(f"{len(missing)} images of input {name} are not there, one is {missing[0]}")
    return OtherInput(name, read_source([files[uid] for uid in uids], frames, volumetric=False))


def _by_uid(paths: Sequence[Path]) -> dict[str, Path]:
    headers = ((opened(path, "a file of the source", ["SOPInstanceUID"]), path) for path in paths)
    return {text_of(header, "SOPInstanceUID"): path for header, path in headers}


def by_series(sources: Sequence[Source]) -> Iterator[tuple[str, str, tuple[Instance, ...]]]:
    """Study and series UID of all inputs, each series once, with the instances that were read."""
    found: dict[tuple[str, str], dict[str, Instance]] = defaultdict(dict)
    for source in sources:
        for one in source.instances:
            found[source.study_uid, one.series_uid][one.sop_instance_uid] = one
    for (study, series), instances in found.items():
        yield study, series, tuple(instances.values())
