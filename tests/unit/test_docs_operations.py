"""docs/reference.md and docs/operations.md say of settings, figures and doors what the code says, and no more."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config import metrics
from config.section import Section
from config.settings import Settings
from config.wording import is_needed
from domain.profiles import BUILT_IN, ResultKind
from tests.support.counterparts import ROOT

OPERATIONS = "\n".join((ROOT / "docs" / name).read_text("utf-8") for name in ("reference.md", "operations.md"))


def settings_rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """A row of the table of settings for each setting, in the order of the file."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from settings_rows(field.annotation, f"{key}.")
            continue
        yield f"| `{key}` | {_default(field)} | {field.description} |"
        for item in _items(field):
            yield from settings_rows(item, f"{key}.NAME." if get_origin(field.annotation) is dict else f"{key}[].")


def _default(field: FieldInfo) -> str:
    if is_needed(field):
        return "-" if "if left out" in (field.description or "") else "must be given"
    value = field.get_default(call_default_factory=True)
    return "-" if value in (None, (), {}) else f"`{_as_written(value)}`"


def _as_written(value: object) -> str:
    """A value as the settings file has it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{one}"' for one in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _items(field: FieldInfo) -> list[type[Section]]:
    """The section that a list or a table of tables holds, if any."""
    return [one for one in get_args(field.annotation) if isinstance(one, type) and issubclass(one, Section)]


def figure_rows() -> Iterator[str]:
    """A row of the table of figures for each metric."""
    for family in metrics.REGISTRY.collect():
        labels = ", ".join(f"`{label}`" for label in _labels(family.name)) or "-"
        total = "_total" if family.type == "counter" else ""
        yield f"| `{family.name}{total}` | {family.type} | {labels} | {family.documentation} |"


def _labels(name: str) -> tuple[str, ...]:
    collectors: Any = metrics.REGISTRY._names_to_collectors
    return tuple(collectors[name]._labelnames)


def table(heading: str) -> list[str]:
    """The rows of the first table under a heading."""
    section = re.split(r"^#+ ", OPERATIONS.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_the_table_of_settings_is_complete_and_true() -> None:
    expected = list(settings_rows(Settings))
    assert table("Settings") == expected, "the table should be:\n" + "\n".join(expected)


def test_the_table_of_figures_is_complete_and_true() -> None:
    expected = list(figure_rows())
    assert table("Figures") == expected, "the table should be:\n" + "\n".join(expected)


def test_every_kind_is_explained_and_every_built_in_profile_is_told_as_it_is() -> None:
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table("Destinations and profiles")]
    kinds, profiles = [row for row in rows if len(row) == 2], [row for row in rows if "`" in row[0]]
    assert [row[0] for row in kinds] == list(ResultKind)
    names = "|".join(sorted(ResultKind, key=len, reverse=True))
    said = {name.strip("`"): re.findall(rf"\b(?:{names})\b", sends.partition(":")[0]) for name, _, sends in profiles}
    assert said == {name: list(profile.objects) for name, profile in BUILT_IN.items()}


def test_every_health_door_is_named() -> None:
    for door in ("/metrics", "/health/live", "/health/ready"):
        assert f"`{door}`" in OPERATIONS
