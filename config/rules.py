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
    document = Document(read(file), file, named=True)
    rules = document.build(_RulesFile).rule
    document.refuse(
        (("rule", at, "when", key), said) for at, rule in enumerate(rules) for key, said in faults(rule.when)
    )
    return rules
