"""Expositions of several processes made one: each family once, each series with the role that it is of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_READY = "dicom_node_role_ready"


@dataclass
class _Family:
    head: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)


def merged(said: Mapping[str, str], silent: Iterable[str] = ()) -> str:
    """What processes said in the text format of Prometheus, by their names; `silent` ones are not ready."""
    families: dict[str, _Family] = {}
    for process, text in said.items():
        _add(families, process, text)
    for process in silent:
        _add(families, process, f'# HELP {_READY} ?\n# TYPE {_READY} gauge\n{_READY}{{role="{process}"}} 0.0')
    lines = [line for family in families.values() for line in (*family.head, *family.samples)]
    return "\n".join([*lines, ""])


def _add(families: dict[str, _Family], process: str, text: str) -> None:
    family = _Family()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = families.setdefault(line.split(" ", 3)[2], _Family())
            family.head = family.head or [line]
        elif line.startswith("#"):
            family.head += [] if len(family.head) > 1 else [line]
        elif line:
            family.samples.append(_of(process, line))


def _of(process: str, sample: str) -> str:
    """A sample with its role as the first label; an AE title may hold whatever it likes, a figure's name no brace."""
    name, brace, rest = sample.partition("{")
    if not brace:
        name, _, value = sample.partition(" ")
        return f'{name}{{role="{process}"}} {value}'
    return sample if rest.startswith('role="') else f'{name}{{role="{process}",{rest}'
