"""The routing rules of a site: a TOML file of `[[rule]]` tables, each naming a model and what a series must be.

    [[rule]]
    name = "thorax, from the emergency CT alone"
    model = "ct_lung"

    [rule.when]
    modality = ["CT"]
    series_description = "thorax|chest|lung"
    max_spacing_mm = 3.0
    calling_ae = ["CT_ER"]

A rule narrows what the model's own package allows; it never widens it. Both state conditions in the same words.
"""

from dataclasses import dataclass, field
from pathlib import Path

from config.tables import Document
from config.toml_lines import read
from domain.errors import ConfigurationError
from domain.routing import Conditions, faults


@dataclass(frozen=True)
class Rule:
    """One rule: a series that meets the conditions `when` is for `model`."""

    name: str
    model: str
    when: Conditions = field(default_factory=Conditions)


@dataclass(frozen=True)
class _RulesFile:
    rule: tuple[Rule, ...] = ()


def load_rules(file: Path) -> tuple[Rule, ...]:
    """The rules of `file`; raises ConfigurationError with one `file:line: what is wrong` for each mistake."""
    rules, lines = sound_rules(file)
    if lines:
        raise ConfigurationError(*lines)
    return tuple(rules.values())


def sound_rules(file: Path) -> tuple[dict[int, Rule], list[str]]:
    """The rules that are right, by their number in `file`, and a line for each mistake in the others.

    Raises ConfigurationError where it is no TOML.
    """
    document = Document(read(file), file, named=True)
    try:
        document.build(_RulesFile)
        lines: list[str] = []
    except ConfigurationError as error:
        lines = [*error.lines]
    rules = document.sound_elements("rule", Rule)
    wrong = {at: list(faults(rule.when)) for at, rule in rules.items()}
    try:
        document.refuse((("rule", at, "when", key), said) for at, found in wrong.items() for key, said in found)
    except ConfigurationError as error:
        lines += error.lines
    return {at: rule for at, rule in rules.items() if not wrong[at]}, lines
