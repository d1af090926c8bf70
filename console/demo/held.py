"""What a folder holds, and what each model package wants of a series: the two side by side where none is met."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from console.package_text import intended_use
from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import text_of
from dicom_node.scu.store import Outgoing
from domain.errors import NodeError
from models.manifest import Input
from models.registry import Registry

_READ = ["StudyInstanceUID", "SeriesInstanceUID", "Modality", "BodyPartExamined", "ViewPosition"]
_MOST = 12  # lines: a folder may hold a whole archive
# UIDs and long patterns say nothing to people, and what is preferred refuses nothing.
_UNSAID = ("SOP class", "series description", "preferred")


@dataclass(frozen=True)
class Held:
    """How many `studies` there are, and in words what each `kind` of series is and how much there is of it."""

    studies: int
    kinds: tuple[str, ...]


def held(objects: Sequence[Outgoing]) -> Held:
    """What these files hold: `CT of CHEST: 140 images in 1 series`. None of it names a patient."""
    images: Counter[tuple[str, str, str]] = Counter()
    series: dict[tuple[str, str, str], set[str]] = {}
    studies: set[str] = set()
    for one in objects:
        study, uid, *kind = _facts(one)
        key = (kind[0], kind[1], kind[2])
        studies |= {study} - {""}
        images[key] += 1
        series.setdefault(key, set()).add(uid)
    kinds = [
        f"{_kind(*key)}: {_count(count, 'image')} in {len(series[key])} series" for key, count in images.most_common()
    ]
    return Held(len(studies), tuple(kinds))


def _facts(one: Outgoing) -> tuple[str, ...]:
    if not isinstance(one.file, Path):
        return ("",) * len(_READ)
    try:
        header = opened(one.file, one.file.name, _READ)
    except NodeError:
        return ("",) * len(_READ)
    return tuple(text_of(header, keyword) or "" for keyword in _READ)


def _kind(modality: str, part: str, view: str) -> str:
    said = f"{modality or 'no modality'} of {part or 'an unnamed part'}"
    return f"{said}, view {view}" if view else said


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def found(what: Held) -> str:
    """`2 studies; CT of CHEST: 140 images in 1 series`."""
    count = "1 study" if what.studies == 1 else f"{what.studies} studies"
    more = [f"and {len(what.kinds) - _MOST} other kinds"] if len(what.kinds) > _MOST else []
    return "; ".join([count, *what.kinds[:_MOST], *more])


def compared(what: Held, packages: Path) -> tuple[str, ...]:
    """Lines for who has brought nothing that a package takes: what was found, then what each of them wants."""
    registry = Registry.load(packages)
    wants = {name: package.manifest.inputs for name, package in registry.packages.items()}
    return ("what was found:", f"  {found(what)}", "what each model wants (`dicom-node models show NAME` has all):",
            *(f"  {line}" for line in _wanted(wants)))  # fmt: skip


def _wanted(wants: Mapping[str, Sequence[Input]]) -> Iterator[str]:
    for name, inputs in wants.items():
        for one in inputs:
            said = [line for line in intended_use(one) if not line.startswith(_UNSAID)]
            yield f"{name}{f' ({one.name})' if len(inputs) > 1 else ''}: {', '.join(islice(said, _MOST))}"
