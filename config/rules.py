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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.tables import Document
from config.toml_lines import KeyPath, read
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
    told = [(("rule", at, "when", key), said) for at, found in wrong.items() for key, said in found]
    try:
        document.refuse([*told, *_of_the_others(document, rules)])
    except ConfigurationError as error:
        lines += error.lines
    return {at: rule for at, rule in rules.items() if not wrong[at]}, lines


def _of_the_others(document: Document, sound: Mapping[int, Rule]) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the patterns and ranges of rules of which a key is wrong as well."""
    for at, one in enumerate(_tables(document)):
        given = one.get("when")
        if at not in sound and isinstance(given, dict):
            for key, said in faults(document.sound_table(Conditions, given, ("rule", at, "when"))):
                yield ("rule", at, "when", key), said


def _tables(document: Document) -> list[dict[str, object]]:
    """The rules as they are written; one that is no table is an empty one."""
    given = document.values.get("rule")
    return [one if isinstance(one, dict) else {} for one in given] if isinstance(given, list) else []


def named_models(file: Path, sound: Mapping[int, Rule]) -> dict[int, str]:
    """The models that those rules name which are not `sound`, by their number."""
    tables = enumerate(_tables(Document(read(file), file)))
    named = {at: one.get("model") for at, one in tables if at not in sound}
    return {at: model for at, model in named.items() if isinstance(model, str)}


def names_twice(file: Path) -> Iterator[tuple[KeyPath, str]]:
    """Names of rules that stand twice: why a model ran is told by the rule's."""
    seen: dict[str, int] = {}
    for at, one in enumerate(_tables(Document(read(file), file))):
        name = one.get("name")
        if isinstance(name, str) and seen.setdefault(name, at) != at:
            yield ("rule", at, "name"), f"rule {seen[name] + 1} of the file has this name too: give each its own"
