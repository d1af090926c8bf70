"""The settings in effect, as they may be shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.masking import public
from config.section import Section
from config.settings import Settings
from domain.json_records import JsonObject

DEFAULT, NODE = "default", "the node"


@dataclass(frozen=True)
class Effective:
    """A setting: its dotted name, its value without secrets, where it was given, and what it is.

    `origin` is a file, a variable or the command line; DEFAULT where nobody gave it, and NODE where the node itself
    made it, or took it over since it began.
    """

    name: str
    value: object
    origin: str
    about: str


def in_effect(settings: Settings) -> Iterator[Effective]:
    """Every setting, in the order of the reference; a list or a table of a site's own is one."""
    return _of(settings, public(settings), settings.origins.places, "")


def _of(table: Settings | Section, shown: JsonObject, places: Mapping[str, str], above: str) -> Iterator[Effective]:
    for name, field in type(table).model_fields.items():
        value, full = getattr(table, name), f"{above}{name}"
        if isinstance(value, Section):
            section = shown[name]
            assert isinstance(section, Mapping)
            yield from _of(value, section, places, f"{full}.")
        else:
            made = DEFAULT if value == field.get_default(call_default_factory=True) else NODE
            yield Effective(full, shown[name], places.get(full, made), field.description or "")
