"""Where each setting was given: what the settings in effect keep of it, names of files and variables and no value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

_NOWHERE: Mapping[str, str] = MappingProxyType({})
_FILE = "_file"  # names the file in which a secret stands


@dataclass(frozen=True, eq=False)
class Origins:
    """By a setting's dotted name its place; what nobody gave is not there.

    It says nothing of what the settings are: those of other origins are equal.
    """

    places: Mapping[str, str] = field(default_factory=lambda: _NOWHERE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origins)

    __hash__ = None  # type: ignore[assignment]

    def taking(self, names: tuple[str, ...], other: "Origins") -> "Origins":
        """The same, and of the settings `names`, and all in them, the other ones."""
        kept = {name: place for name, place in self.places.items() if not _among(name, names)}
        return Origins(kept | {name: place for name, place in other.places.items() if _among(name, names)})


class Given(BaseModel):
    """Frozen settings that know where each of them was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    _origins: Origins = PrivateAttr(default_factory=Origins)

    @property
    def origins(self) -> Origins:
        """Where each of them was given."""
        return self._origins

    def given_at(self, origins: Origins) -> Self:
        """The same settings, given elsewhere."""
        other = self.model_copy()
        other._origins = origins
        return other


def given(tree: Mapping[str, object], kind: type[BaseModel], above: str = "") -> Iterator[str]:
    """The dotted names of what `tree` gives of settings of this kind; a list or a table of a site's own is one.

    Who names the file of a secret gives that as well.
    """
    for key, value in tree.items():
        inner = kind.model_fields[key].annotation if key in kind.model_fields else None
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from given(value, inner, f"{above}{key}.")
        else:
            yield above + key
            if (held := key.removesuffix(_FILE)) != key and held in kind.model_fields:
                yield above + held


def _among(name: str, names: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in names)
