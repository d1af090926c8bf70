"""The routing rules of a site: a TOML file of `[[rule]]` tables, each naming a model and what a series must be.

    [[rule]]
    name = "thorax, from the emergency CT alone"
    model = "ct_lung"

    [rule.when]
    modality = ["CT"]
    series_description = "thorax|chest|lung"
    max_spacing_mm = 3.0
    calling_ae = ["CT_ER"]

A rule narrows what the model's own package allows; it never widens it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from config.settings import Section
from config.toml_lines import load, locate
from domain.errors import ConfigurationError
from domain.routing import Conditions


@dataclass(frozen=True)
class Rule:
    """One rule: when a series meets `conditions`, `model` is wanted."""

    name: str
    model: str
    conditions: Conditions


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error
    return text


Pattern = Annotated[str, AfterValidator(_regular_expression)]


class _When(Section):
    modality: tuple[str, ...] = ()
    sop_class: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    series_description: Pattern | None = None
    study_description: Pattern | None = None
    calling_ae: tuple[str, ...] = ()
    min_slices: int | None = Field(None, ge=1)
    max_slices: int | None = Field(None, ge=1)
    min_spacing_mm: float | None = Field(None, gt=0)
    max_spacing_mm: float | None = Field(None, gt=0)


class _Rule(Section):
    name: str
    model: str
    when: _When = _When()


class _File(Section):
    rule: tuple[_Rule, ...] = ()


def load_rules(file: Path) -> tuple[Rule, ...]:
    """The rules of `file`; raises ConfigurationError with one `file:line: what is wrong` for each mistake."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        parsed = _File.model_validate(load(text, file))
    except ValidationError as error:
        said = sorted(_complaint(problem, text) for problem in error.errors())
        raise ConfigurationError("\n".join(f"{file}:{line}: {what}" for line, what in said)) from error
    return tuple(Rule(rule.name, rule.model, Conditions(**rule.when.model_dump())) for rule in parsed.rule)


def _complaint(problem: Mapping[str, Any], text: str) -> tuple[int, str]:
    path = tuple(problem["loc"])
    name = ".".join(str(part) for part in path)
    said = "is not a key of a rule" if problem["type"] == "extra_forbidden" else problem["msg"]
    return locate(text, path), f"{name}: {said.removeprefix('Value error, ')}"
