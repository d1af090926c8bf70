"""docs/models.md says of every step, check, quantity and model to pull what the code says, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, get_args

import pytest

from domain.preferences import Preferences
from domain.routing import Conditions
from models import manifest, steps
from models.catalogue import catalogue
from models.checks import METHODS, QUANTITIES
from models.drafts import Port, Ports, draft_manifest
from models.schema import described
from tests.support.counterparts import ROOT

MODELS = (ROOT / "docs" / "models.md").read_text("utf-8")


def table(heading: str) -> list[str]:
    """The rows of the first table under a heading."""
    section = re.split(r"^#+ ", MODELS.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def rows(vocabulary: Any) -> Iterator[str]:
    """A row for each word: its fields with their defaults, and what it means."""
    for word in get_args(vocabulary):
        given = "; ".join(map(_field, fields(word))) or "-"
        yield f"| `{word.word}` | {given} | {' '.join(described(word).split())} |"


def _field(field: Field[Any]) -> str:
    if field.default in (MISSING, None):
        return f"`{field.name}`"
    return f"`{field.name}` = {_toml(field.default)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def tables_of_the_manifest() -> Iterator[str]:
    """A row for each class behind a table of the file: its keys, and what it is."""
    for name, kind in (
        ("[identity]", manifest.Identity),
        ("[[inputs]]", manifest.Input),
        ("[inputs.prefer]", Preferences),
        ("[registration]", manifest.Registration),
        ("[priors]", manifest.Priors),
        ("[network]", manifest.Network),
        ("[[lesions]]", manifest.Lesions),
        ("[[measurements]]", manifest.Quantity),
        ("[[findings]]", manifest.Finding),
        ("[[maps]]", manifest.Explanation),
        ("[golden]", manifest.Golden),
    ):
        yield f"| `{name}` | {'; '.join(map(_field, fields(kind)))} | {' '.join(described(kind).split())} |"


@pytest.mark.parametrize(
    ("heading", "vocabulary"),
    [("Before the network", steps.Before), ("After it", steps.After), ("Guards", steps.Guard)],
)
def test_the_vocabulary_is_complete_and_true(heading: str, vocabulary: Any) -> None:
    expected = list(rows(vocabulary))
    assert table(heading) == expected, "the table should be:\n" + "\n".join(expected)


def test_the_tables_of_the_manifest_are_complete_and_true() -> None:
    expected = list(tables_of_the_manifest())
    assert table("The manifest") == expected, "the table should be:\n" + "\n".join(expected)


def test_every_condition_of_the_intended_use_is_named() -> None:
    said = MODELS.partition("# Intended use\n")[2].partition("\n#")[0]
    assert [field.name for field in fields(Conditions) if f"`{field.name}`" not in said] == []


def test_every_quantity_and_every_method_is_named() -> None:
    assert [word for word in (*QUANTITIES, *METHODS) if f'"{word}"' not in MODELS] == []


def test_the_catalogue_is_complete_and_true() -> None:
    expected = [f"| `{one.name}` | {one.title} | {one.kind} | {one.licence} |" for one in catalogue().values()]
    assert table("The catalogue") == expected, "the table should be:\n" + "\n".join(expected)


def test_the_worked_example_is_what_the_command_writes() -> None:
    drafted = draft_manifest("brain_tissue", Ports((Port("t1", (1, 1, 0, 0, 0)),), (Port("logits", (1, 3, 0, 0, 0)),)))
    asked = [line for line in drafted.splitlines() if line.endswith("# fill in")]
    assert asked
    assert [line for line in asked if line not in MODELS] == []
